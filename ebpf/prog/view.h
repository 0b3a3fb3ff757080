/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * struct clo_view of the kernel: the maps, at the slot in force. Where one of
 * two maps is looked up, CLO_OPAQUE() keeps the compiler from making one call
 * of both: the kernel puts a look-up in place of the call only if it knows the
 * map.
 */

#include "ebpf/lib/decide.h"
#include "ebpf/prog/maps.h"

struct clo_view {
	__u32 slot; /* of the tables */
	struct __sk_buff *skb; /* what is judged, and where it is written */
	struct slot *scratch;
};

CLO_INLINE const void *lookup(void *outer, const struct clo_view *view,
			      const void *key)
{
	void *inner = bpf_map_lookup_elem(outer, &view->slot);

	return inner ? bpf_map_lookup_elem(inner, key) : NULL;
}

CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr)
{
	if (family == 4) {
		struct clo_addr4_key key = {.space = space};

		__builtin_memcpy(key.addr, addr, sizeof(key.addr));
		return lookup(&clo_addr4, view, &key);
	} else {
		struct clo_addr6_key key = {.space = space};

		__builtin_memcpy(key.addr, addr, sizeof(key.addr));
		return lookup(&clo_addr6, view, &key);
	}
}

CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	if (family == 4) {
		struct clo_cidr4_key key = {.prefixlen = 32};

		__builtin_memcpy(key.addr, addr, sizeof(key.addr));
		return lookup(&clo_cidr4, view, &key);
	} else {
		struct clo_cidr6_key key = {.prefixlen = 128};

		__builtin_memcpy(key.addr, addr, sizeof(key.addr));
		return lookup(&clo_cidr6, view, &key);
	}
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	__u32 index = slot / 4;
	const struct clo_services *services =
		lookup(&clo_services, view, &index);

	if (!services)
		return CLO_CLASS_NONE;
	switch (slot % 4) {
	case 0:
		return services->class[0];
	case 1:
		return services->class[1];
	case 2:
		return services->class[2];
	default:
		return services->class[3];
	}
}

CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst)
{
	struct clo_pair key = {.src = src, .dst = dst};

	return lookup(&clo_pairs, view, &key);
}

CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row)
{
	return lookup(&clo_rows, view, &row);
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return lookup(&clo_words, view, &index);
}

CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class)
{
	struct clo_rule_key key = {.row = row, .class = class};

	return lookup(&clo_rules, view, &key);
}

CLO_INLINE __u8 clo_view_flags(const struct clo_view *view, __u32 identity)
{
	const struct clo_identity *found =
		lookup(&clo_identities, view, &identity);

	return found ? found->flags : 0;
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	const struct clo_gen *gen = bpf_map_lookup_elem(&clo_gens, &view->slot);

	return gen ? gen->words : 0;
}

CLO_INLINE const struct clo_port *clo_view_port(const struct clo_view *view,
						__u32 ifindex)
{
	const struct clo_port *port;

	(void)view;
	if (ifindex < CLO_PORTS_NEAR) {
		port = bpf_map_lookup_elem(&clo_ports, &ifindex);
		CLO_OPAQUE(port);
		return port;
	}
	return bpf_map_lookup_elem(&clo_ports_far, &ifindex);
}

CLO_INLINE __u32 clo_view_local(const struct clo_view *view, __u32 endpoint)
{
	const __u32 *ifindex = bpf_map_lookup_elem(&clo_local, &endpoint);

	(void)view;
	return ifindex ? *ifindex : 0;
}

CLO_INLINE struct clo_meter *clo_view_meter(const struct clo_view *view,
					    const struct clo_port *port)
{
	__u32 slot = port->slot;

	(void)view;
	return bpf_map_lookup_elem(&clo_meters, &slot);
}

CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key)
{
	(void)view;
	return bpf_map_lookup_elem(&clo_accounts, &key);
}

CLO_INLINE struct clo_frag *clo_view_frag(const struct clo_view *view,
					  const struct clo_frag_key *key)
{
	(void)view;
	return bpf_map_lookup_elem(&clo_frags, key);
}

CLO_INLINE int clo_view_frag_put(const struct clo_view *view,
				 const struct clo_frag_key *key,
				 const struct clo_frag *frag)
{
	(void)view;
	return bpf_map_update_elem(&clo_frags, key, frag, BPF_ANY) != 0;
}

CLO_INLINE void clo_view_frag_lock(struct clo_frag *frag)
{
	bpf_spin_lock(&frag->lock);
}

CLO_INLINE void clo_view_frag_unlock(struct clo_frag *frag)
{
	bpf_spin_unlock(&frag->lock);
}

CLO_INLINE struct clo_conn *clo_view_conn(const struct clo_view *view,
					  const struct clo_flow *flow)
{
	struct clo_conn *conn;

	(void)view;
	if (flow->family == 4) {
		conn = bpf_map_lookup_elem(&clo_conn4, &flow->key.v4);
		CLO_OPAQUE(conn);
		return conn;
	}
	return bpf_map_lookup_elem(&clo_conn6, &flow->key.v6);
}

CLO_INLINE enum clo_put clo_view_conn_put(const struct clo_view *view,
					  const struct clo_flow *flow,
					  const struct clo_conn *conn,
					  int replace)
{
	__u64 how = replace ? BPF_EXIST : BPF_NOEXIST;
	long r;

	(void)view;
	if (flow->family == 4)
		r = bpf_map_update_elem(&clo_conn4, &flow->key.v4, conn, how);
	else
		r = bpf_map_update_elem(&clo_conn6, &flow->key.v6, conn, how);
	if (!r)
		return CLO_PUT_DONE;
	return r == -EEXIST || r == -ENOENT ? CLO_PUT_OTHER : CLO_PUT_FULL;
}

CLO_INLINE int clo_view_conn_del(const struct clo_view *view,
				 const struct clo_flow *flow)
{
	(void)view;
	if (flow->family == 4)
		return !bpf_map_delete_elem(&clo_conn4, &flow->key.v4);
	return !bpf_map_delete_elem(&clo_conn6, &flow->key.v6);
}

CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule)
{
	struct clo_hits *hits = (void *)(long)lookup(&clo_hits, view, &rule);

	if (hits)
		__sync_fetch_and_add(&hits->flows, 1);
}
