/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ebpf/lib/decide.h"
#include "policy/explain_trace_impl.h"

/*
 * struct clo_view and the gates of a tracer: the look-ups of the datapath, each
 * written down, and the ways into its parts, each of which is a stage.
 */
struct clo_view {
	struct clo_tracer *tracer;
};

CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr)
{
	return clo_trace_read_addr(view->tracer, space, family, addr);
}

CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	return clo_trace_read_cidr(view->tracer, family, addr);
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	return clo_trace_read_class(view->tracer, slot);
}

CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst)
{
	return clo_trace_read_pair(view->tracer, src, dst);
}

CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row)
{
	return clo_trace_read_row(view->tracer, row);
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	return (const __u64 *)clo_trace_read_word(view->tracer, index);
}

CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class)
{
	return clo_trace_read_rule(view->tracer, row, class);
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	return view->tracer->tables->gen.words;
}

CLO_INLINE __u8 clo_view_flags(const struct clo_view *view, __u32 identity)
{
	return clo_trace_read_flags(view->tracer, identity);
}

CLO_INLINE __u32 clo_view_local(const struct clo_view *view, __u32 endpoint)
{
	return clo_trace_read_local(view->tracer, endpoint);
}

CLO_INLINE const struct clo_port *clo_view_port(const struct clo_view *view,
						__u32 ifindex)
{
	const struct clo_trace_port *port =
		clo_trace_port_at(view->tracer, ifindex);

	return port ? &port->port : NULL;
}

CLO_INLINE struct clo_meter *clo_view_meter(const struct clo_view *view,
					    const struct clo_port *port)
{
	return clo_trace_meter(view->tracer, port);
}

CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key)
{
	return clo_trace_account(view->tracer, key);
}

CLO_INLINE struct clo_conn *clo_view_conn(const struct clo_view *view,
					  const struct clo_flow *flow)
{
	return clo_trace_conn(view->tracer, flow);
}

CLO_INLINE enum clo_put clo_view_conn_put(const struct clo_view *view,
					  const struct clo_flow *flow,
					  const struct clo_conn *conn,
					  int replace)
{
	int r = clo_trace_conn_put(view->tracer, flow, conn, replace);

	return r == 0 ? CLO_PUT_DONE : r > 0 ? CLO_PUT_OTHER : CLO_PUT_FULL;
}

CLO_INLINE int clo_view_conn_del(const struct clo_view *view,
				 const struct clo_flow *flow)
{
	return clo_trace_conn_del(view->tracer, flow);
}

/* Hits are counted where frames are real. */
CLO_INLINE void clo_view_hit(const struct clo_view *view, __u32 rule)
{
	(void)view;
	(void)rule;
}

CLO_INLINE struct clo_frag *clo_view_frag(const struct clo_view *view,
					  const struct clo_frag_key *key)
{
	return clo_trace_frag(view->tracer, key);
}

CLO_INLINE int clo_view_frag_put(const struct clo_view *view,
				 const struct clo_frag_key *key,
				 const struct clo_frag *frag)
{
	return clo_trace_frag_put(view->tracer, key, frag);
}

CLO_INLINE void clo_view_frag_lock(struct clo_frag *frag)
{
	(void)frag;
}

CLO_INLINE void clo_view_frag_unlock(struct clo_frag *frag)
{
	(void)frag;
}

#include "ebpf/lib/datagram.h"
#include "ebpf/lib/link.h"
#include "ebpf/lib/open.h"
#include "ebpf/lib/wire.h"

/* All look-ups from here on belong to this stage; NULL: each has its own. */
static inline struct clo_tracer *enter(const struct clo_hook *hook,
				       const char *phase)
{
	clo_trace_due(hook->view->tracer);
	hook->view->tracer->phase = phase;
	return hook->view->tracer;
}

CLO_INLINE enum clo_drop clo_gate_parse(const struct clo_hook *hook,
					const struct clo_packet *packet,
					struct clo_frame *frame)
{
	(void)hook;
	return clo_frame_parse(packet, frame);
}

CLO_INLINE enum clo_drop clo_gate_link(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       int to_guest, struct clo_outcome *ret)
{
	struct clo_tracer *tracer = enter(hook, "link layer");
	enum clo_drop drop = clo_link(hook, frame, to_guest, ret);

	clo_trace_step(tracer, "link layer", "rules", "of what is no flow",
		       "%s", drop ? clo_trace_reason(drop) : "passes");
	tracer->phase = NULL;
	return drop;
}

CLO_INLINE enum clo_drop clo_gate_before(const struct clo_hook *hook,
					 struct clo_frame *frame, int to_guest)
{
	struct clo_tracer *tracer = enter(hook, "fragments");
	enum clo_drop drop = clo_datagram_before(hook, frame, to_guest);

	clo_trace_step(tracer, "fragments", "datagram", "this fragment", "%s",
		       drop ? clo_trace_reason(drop) : "fits");
	tracer->phase = NULL;
	return drop;
}

CLO_INLINE enum clo_drop clo_gate_after(const struct clo_hook *hook,
					const struct clo_frame *frame,
					int to_guest, enum clo_drop drop)
{
	struct clo_tracer *tracer = enter(hook, "fragments");

	drop = clo_datagram_after(hook, frame, to_guest, drop);
	tracer->phase = NULL;
	return drop;
}

CLO_INLINE enum clo_drop clo_gate_open(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       const struct clo_passage *passage,
				       struct clo_outcome *ret)
{
	(void)enter(hook, NULL);
	return clo_open(hook, frame, passage, ret);
}

CLO_INLINE enum clo_drop clo_gate_error(const struct clo_hook *hook,
					const struct clo_packet *packet,
					const struct clo_frame *frame,
					int to_guest, struct clo_outcome *ret)
{
	struct clo_tracer *tracer = enter(hook, "ICMP error");
	enum clo_drop drop = clo_open_error(hook, packet, frame, to_guest, ret);

	tracer->phase = NULL;
	return drop;
}

CLO_INLINE enum clo_drop clo_gate_wire(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       struct clo_frame *frame, __u32 mark)
{
	struct clo_tracer *tracer = enter(hook, "uplink");
	enum clo_drop drop = clo_wire_to(hook, packet, frame, mark);

	tracer->phase = NULL;
	return drop;
}
