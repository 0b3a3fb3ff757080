/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

__u64 clo_bpf_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

static long tick_ns(void)
{
	struct timespec t;

	(void)clock_getres(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_nsec;
}

#define CLOCK_TRIES 100 /* each one fails only if a tick comes just then */

int clo_bpf_clock_set(struct clo_bpf *bpf)
{
	struct clo_clock_args args = {.tick = (__u32)tick_ns()};
	int r = -EAGAIN;

	for (int i = 0; i < CLOCK_TRIES && r == -EAGAIN; i++)
		r = clo_bpf_call(bpf, CLO_BPF_CALL_CLOCK, &args, sizeof(args));

	return r;
}

void clo_bpf_clock_wait(void)
{
	struct timespec t = {.tv_nsec = CLO_BPF_TICKS * tick_ns()};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* The connection tables change under every walk. */
struct flows {
	struct clo_bpf_flow *flow; /* NULL: they are only counted */
	size_t n;
	size_t max;
	uint8_t family;
};

static size_t key_size(uint8_t family)
{
	return family == 4 ? sizeof(struct clo_conn4_key)
			   : sizeof(struct clo_conn6_key);
}

static int count_batch(const struct clo_bpf_batch *batch, void *userdata)
{
	struct flows *flows = userdata;

	flows->n += batch->n;
	return 0;
}

static int read_batch(const struct clo_bpf_batch *batch, void *userdata)
{
	struct flows *flows = userdata;
	size_t size = key_size(flows->family);

	for (size_t i = 0; i < batch->n && flows->n < flows->max; i++) {
		struct clo_bpf_flow *flow = &flows->flow[flows->n++];

		flow->family = flows->family;
		memcpy(&flow->key, batch->keys + i * size, size);
		memcpy(&flow->conn, batch->values + i * sizeof(flow->conn),
		       sizeof(flow->conn));
	}

	return 0;
}

static int walk_both(const struct clo_bpf *bpf,
		     int (*on_batch)(const struct clo_bpf_batch *batch,
				     void *userdata),
		     struct flows *flows)
{
	int r;

	flows->family = 4;
	r = clo_bpf_map_walk(bpf->maps[CLO_BPF_MAP_CONN4], key_size(4),
			     sizeof(struct clo_conn), on_batch, flows);
	if (r < 0)
		return r;

	flows->family = 6;
	return clo_bpf_map_walk(bpf->maps[CLO_BPF_MAP_CONN6], key_size(6),
				sizeof(struct clo_conn), on_batch, flows);
}

int clo_bpf_connections_count(struct clo_bpf *bpf, uint64_t *ret_count)
{
	struct flows flows = {0};
	int r;

	r = walk_both(bpf, count_batch, &flows);
	if (r < 0)
		return r;

	*ret_count = flows.n;
	return 0;
}

int clo_bpf_flows_read(struct clo_bpf *bpf, struct clo_bpf_flow **ret_flows,
		       size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_bpf_flow *flow = NULL;
	struct flows flows = {0};
	__u32 max6;
	__u32 max4;
	int r;

	r = clo_bpf_map_max_entries(bpf->maps[CLO_BPF_MAP_CONN4], &max4);
	if (r < 0)
		return r;
	r = clo_bpf_map_max_entries(bpf->maps[CLO_BPF_MAP_CONN6], &max6);
	if (r < 0)
		return r;
	/* As many as there may be; the kernel gives pages only as we fill. */
	flow = calloc((size_t)max4 + max6, sizeof(*flow));
	if (!flow)
		return -ENOMEM;
	flows.flow = flow;
	flows.max = (size_t)max4 + max6;
	r = walk_both(bpf, read_batch, &flows);
	if (r < 0)
		return r;

	*ret_flows = CLO_TAKE(flow);
	*ret_n = flows.n;
	return 0;
}

/* One batch of one family; *ret_end: there is no more of it. */
static int read_slice(const struct clo_bpf *bpf, struct clo_bpf_cursor *cursor,
		      uint8_t *keys, struct clo_conn *values, __u32 *n,
		      bool *ret_end)
{
	int fd = bpf->maps[cursor->family == 4 ? CLO_BPF_MAP_CONN4
					       : CLO_BPF_MAP_CONN6];
	int r;

	r = bpf_map_lookup_batch(fd, cursor->within ? cursor->position : NULL,
				 cursor->position, keys, values, n, NULL);
	*ret_end = r == -ENOENT; /* which says: this is the end */
	cursor->within = true;
	return *ret_end ? 0 : r;
}

int clo_bpf_flows_slice(struct clo_bpf *bpf, struct clo_bpf_cursor *cursor,
			struct clo_bpf_flow ret_flows[CLO_BPF_SLICE],
			size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_conn *values = NULL;
	CLO_AUTO_MEM uint8_t *keys = NULL;
	__u32 n = CLO_BPF_SLICE;
	struct flows flows = {.flow = ret_flows, .max = CLO_BPF_SLICE};
	bool end;
	int r;

	if (!cursor->begun)
		*cursor = (struct clo_bpf_cursor){.family = 4, .begun = true};
	if (cursor->family == 0) {
		*ret_n = 0;
		return 0;
	}
	keys = calloc(CLO_BPF_SLICE, key_size(6));
	values = calloc(CLO_BPF_SLICE, sizeof(*values));
	if (!keys || !values)
		return -ENOMEM;
	r = read_slice(bpf, cursor, keys, values, &n, &end);
	if (r < 0)
		return r;

	flows.family = cursor->family;
	(void)read_batch(
		&(struct clo_bpf_batch){keys, (const uint8_t *)values, n},
		&flows);
	if (end) {
		cursor->family = cursor->family == 4 ? 6 : 0;
		cursor->within = false;
	}
	*ret_n = flows.n;
	return 0;
}

int clo_bpf_flow_revoke(struct clo_bpf *bpf, const struct clo_bpf_flow *flow,
			uint64_t epoch)
{
	struct clo_revoke_args args = {
		.now = clo_bpf_now(), .epoch = epoch, .family = flow->family};
	int r;

	memcpy(args.key, &flow->key, key_size(flow->family));
	r = clo_bpf_call(bpf, CLO_BPF_CALL_REVOKE, &args, sizeof(args));

	return r < 0 ? r : (int)args.removed;
}
