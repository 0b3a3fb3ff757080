/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* Programs that the agent runs: ending flows, changing limits. */

#include "ebpf/prog/view.h"

struct bpf_map;

struct sweep {
	__u64 now;
	__u64 live;
	__u64 ended;
	__u64 epoch;
};

/* What the flow carried counts for the rule, if its numbers are still ours. */
CLO_INLINE void sum_up(const struct sweep *sweep, const struct clo_conn *conn)
{
	struct clo_view view = {.slot = sweep->epoch & 1};
	__u32 rule = conn->rule;
	struct clo_hits *hits;

	if (conn->epoch != sweep->epoch)
		return;
	hits = (void *)(long)lookup(&clo_hits, &view, &rule);
	if (!hits)
		return;
	__sync_fetch_and_add(&hits->packets,
			     conn->packets[0] + conn->packets[1]);
	__sync_fetch_and_add(&hits->bytes, conn->bytes[0] + conn->bytes[1]);
}

CLO_INLINE void tell_end(const struct sweep *sweep, const struct clo_conn *conn,
			 struct clo_event *event)
{
	event->time = sweep->now;
	event->epoch = conn->epoch;
	event->kind = CLO_EVENT_ENDED;
	event->rule = conn->rule;
	event->opened = conn->opened;
	__builtin_memcpy(event->endpoint, conn->endpoint,
			 sizeof(event->endpoint));
	__builtin_memcpy(event->packets, conn->packets, sizeof(event->packets));
	__builtin_memcpy(event->bytes, conn->bytes, sizeof(event->bytes));
	event->ifindex = conn->ifindex[0];
	if (!conn->initiator)
		return;
	event->ifindex = conn->ifindex[1];
	event->endpoint[0] = conn->endpoint[1];
	event->endpoint[1] = conn->endpoint[0];
	event->packets[0] = conn->packets[1];
	event->packets[1] = conn->packets[0];
	event->bytes[0] = conn->bytes[1];
	event->bytes[1] = conn->bytes[0];
}

/* Room in the ring, or the meter of whoever opened the flow counts it. */
CLO_INLINE struct clo_event *end_event(const struct clo_conn *conn)
{
	struct clo_event *event =
		bpf_ringbuf_reserve(&clo_events, sizeof(*event), 0);
	const struct clo_port *port;
	struct clo_meter *meter;
	__u32 slot;

	if (event) {
		__builtin_memset(event, 0, sizeof(*event));
		return event;
	}
	port = clo_view_port(NULL, conn->initiator ? conn->ifindex[1]
						   : conn->ifindex[0]);
	slot = port ? port->slot : 0;
	meter = bpf_map_lookup_elem(&clo_meters, &slot);
	if (meter)
		__sync_fetch_and_add(&meter->unsent, 1);
	return NULL;
}

CLO_INLINE void end_flow(struct sweep *sweep, struct clo_conn *conn)
{
	sum_up(sweep, conn);
	clo_limit_release(NULL, clo_conn_payer(conn), CLO_ACCOUNT_LEVELS);
	sweep->ended++;
}

/* Take an entry out, and tell it; 0: somebody else did. */
CLO_INLINE int end_one(struct sweep *sweep, void *map, const void *key,
		       const struct clo_conn *conn, __u8 family)
{
	const struct clo_conn4_key *v4 = key;
	const struct clo_conn6_key *v6 = key;
	const __u16 *port = family == 4 ? v4->port : v6->port;
	struct clo_conn ended = *conn;
	struct clo_event *event;
	__u8 side;

	if (bpf_map_delete_elem(map, key))
		return 0;
	end_flow(sweep, &ended);
	event = end_event(&ended);
	if (!event)
		return 1;

	side = ended.initiator & 1;
	tell_end(sweep, &ended, event);
	event->family = family;
	event->proto = v4->space_proto & 0xff;
	if (family == 4) {
		clo_copy_addr4(event->src, side ? v4->hi : v4->lo);
		clo_copy_addr4(event->dst, side ? v4->lo : v4->hi);
	} else {
		clo_copy_addr6(event->src, side ? v6->hi : v6->lo);
		clo_copy_addr6(event->dst, side ? v6->lo : v6->hi);
	}
	event->sport = side ? port[1] : port[0];
	event->dport = side ? port[0] : port[1];
	bpf_ringbuf_submit(event, 0);
	return 1;
}

/* One entry, whose key begins with what is alike in both families. */
CLO_INLINE long sweep_one(struct sweep *sweep, void *map, const void *key,
			  const struct clo_conn *conn, __u8 family)
{
	const struct clo_conn4_key *v4 = key;

	if (clo_flow_expired(conn, v4->space_proto & 0xff, sweep->now))
		(void)end_one(sweep, map, key, conn, family);
	else
		sweep->live++;
	return 0;
}

static long sweep4(struct bpf_map *map, struct clo_conn4_key *key,
		   struct clo_conn *conn, struct sweep *sweep)
{
	(void)map;
	return sweep_one(sweep, &clo_conn4, key, conn, 4);
}

static long sweep6(struct bpf_map *map, struct clo_conn6_key *key,
		   struct clo_conn *conn, struct sweep *sweep)
{
	(void)map;
	return sweep_one(sweep, &clo_conn6, key, conn, 6);
}

SEC("syscall")

int clo_sweep(struct clo_sweep_args *args)
{
	__u32 zero = 0;
	const struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);
	struct sweep sweep = {.now = args->now};

	if (!live)
		return -ENOENT;
	sweep.epoch = live->epoch;
	bpf_for_each_map_elem(&clo_conn4, sweep4, &sweep, 0);
	bpf_for_each_map_elem(&clo_conn6, sweep6, &sweep, 0);
	args->live = sweep.live;
	args->ended = sweep.ended;
	return 0;
}

SEC("syscall")

int clo_revoke(struct clo_revoke_args *args)
{
	struct sweep sweep = {.now = args->now, .epoch = args->epoch};
	const struct clo_conn *conn;
	struct clo_conn6_key key;

	__builtin_memcpy(&key, args->key, sizeof(key));
	args->removed = 0;
	if (args->family == 4) { /* whose key is the beginning of it */
		conn = bpf_map_lookup_elem(&clo_conn4, &key);
		if (conn && conn->epoch < args->epoch)
			args->removed = (__u32)end_one(&sweep, &clo_conn4, &key,
						       conn, 4);
		return 0;
	}
	conn = bpf_map_lookup_elem(&clo_conn6, &key);
	if (conn && conn->epoch < args->epoch)
		args->removed =
			(__u32)end_one(&sweep, &clo_conn6, &key, conn, 6);
	return 0;
}

SEC("syscall")

int clo_clock(struct clo_clock_args *args)
{
	__u32 zero = 0;
	struct clo_live *live = bpf_map_lookup_elem(&clo_live, &zero);
	__u64 jiffies = bpf_jiffies64();
	__u64 now = bpf_ktime_get_ns();

	if (!live)
		return -ENOENT;
	if (bpf_jiffies64() != jiffies) /* between the two readings */
		return -EAGAIN;
	live->clock = now - jiffies * args->tick;
	live->tick = args->tick;
	return 0;
}

/* In the kernel, for user space could only overwrite what the guards count. */
SEC("syscall")

int clo_account(struct clo_account_args *args)
{
	__u64 key = args->key;
	struct clo_account *account = bpf_map_lookup_elem(&clo_accounts, &key);
	struct clo_account fresh = {
		.parent = args->parent,
		.limit = args->limit,
	};

	if (!account)
		return (int)bpf_map_update_elem(&clo_accounts, &key, &fresh,
						BPF_NOEXIST);
	account->parent = fresh.parent;
	account->limit = fresh.limit;
	return 0;
}
