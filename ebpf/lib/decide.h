/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The whole decision on one frame, for both hooks of a guarded interface.
 * Pure: tables, connections and counters are behind struct clo_view, so the
 * host runs exactly what the kernel runs.
 */

#include "cloison/abi.h"
#include "ebpf/lib/conn.h"
#include "ebpf/lib/frame.h"

/*
 * The includer defines these as gate.h does. A parser's gate is taken by what
 * clo_frame_quick() leaves.
 */
CLO_INLINE enum clo_drop clo_gate_parse(const struct clo_hook *hook,
					const struct clo_packet *packet,
					struct clo_frame *frame);
CLO_INLINE enum clo_drop clo_gate_link(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       int to_guest, struct clo_outcome *ret);
CLO_INLINE enum clo_drop clo_gate_before(const struct clo_hook *hook,
					 struct clo_frame *frame, int to_guest);
CLO_INLINE enum clo_drop clo_gate_after(const struct clo_hook *hook,
					const struct clo_frame *frame,
					int to_guest, enum clo_drop drop);
CLO_INLINE enum clo_drop clo_gate_open(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       const struct clo_passage *passage,
				       struct clo_outcome *ret);
CLO_INLINE enum clo_drop clo_gate_error(const struct clo_hook *hook,
					const struct clo_packet *packet,
					const struct clo_frame *frame,
					int to_guest, struct clo_outcome *ret);
CLO_INLINE enum clo_drop clo_gate_wire(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       struct clo_frame *frame, __u32 mark);

CLO_INLINE enum clo_drop clo_decide_step(enum clo_flow_step step)
{
	switch (step) {
	case CLO_FLOW_PASS:
		return CLO_DROP_NONE;
	case CLO_FLOW_WINDOW:
		return CLO_DROP_WINDOW;
	case CLO_FLOW_ASTRAY:
		return CLO_DROP_NOT_FOR_ENDPOINT;
	default:
		return CLO_DROP_NO_FLOW;
	}
}

/* Bytes and packets of one direction against the endpoint's limits. */
CLO_INLINE int clo_decide_rate(const struct clo_hook *hook, int to_guest,
			       __u32 len)
{
	struct clo_meter *meter;

	if (!(hook->port->flags &
	      (to_guest ? CLO_PORT_LIMIT_TO : CLO_PORT_LIMIT_FROM)))
		return 1;
	meter = clo_view_meter(hook->view, hook->port);
	if (!meter)
		return 0;
	if (to_guest)
		return clo_limit_take(&meter->bucket[CLO_BUCKET_PACKETS_TO], 1,
				      hook->now) &&
		       clo_limit_take(&meter->bucket[CLO_BUCKET_BYTES_TO], len,
				      hook->now);
	return clo_limit_take(&meter->bucket[CLO_BUCKET_PACKETS_FROM], 1,
			      hook->now) &&
	       clo_limit_take(&meter->bucket[CLO_BUCKET_BYTES_FROM], len,
			      hook->now);
}

/* A unicast IP packet. */
CLO_INLINE enum clo_drop clo_decide_ip(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       struct clo_frame *frame, int to_guest,
				       struct clo_outcome *ret)
{
	struct clo_passage passage = {
		.len = packet->len,
		.to_guest = to_guest,
	};
	enum clo_flow_step step;
	enum clo_drop drop;

	if (frame->kind == CLO_FRAME_ERROR)
		return clo_gate_error(hook, packet, frame, to_guest, ret);
	if (frame->frag) {
		drop = clo_gate_before(hook, frame, to_guest);
		if (drop)
			return drop;
	}

	if (frame->kind != CLO_FRAME_MESSAGE) {
		clo_flow_init(&frame->tuple, hook->port->space,
			      &hook->work->flow);
		passage.conn = clo_view_conn(hook->view, &hook->work->flow);
	}
	step = clo_conn_fast(hook, frame, &passage, ret);
	if (step == CLO_FLOW_FRESH)
		drop = clo_gate_open(hook, frame, &passage, ret);
	else
		drop = clo_decide_step(step);
	if (frame->frag == CLO_FRAG_FIRST)
		drop = clo_gate_after(hook, frame, to_guest, drop);
	return drop;
}

CLO_INLINE int clo_decide_is_unicast(const struct clo_frame *frame)
{
	return frame->kind <= CLO_FRAME_MESSAGE && !frame->dst_group &&
	       !clo_bind_is_multicast(&frame->tuple);
}

/* A frame whose Ethernet header is well, judged by what it carries. */
CLO_INLINE enum clo_drop clo_decide_frame(const struct clo_hook *hook,
					  const struct clo_packet *packet,
					  struct clo_frame *frame, int to_guest,
					  struct clo_outcome *ret)
{
	enum clo_drop drop;

	if (!clo_frame_quick(packet, frame, &drop))
		drop = clo_gate_parse(hook, packet, frame);
	if (drop)
		return drop;
	if (!clo_decide_is_unicast(frame)) {
		drop = clo_gate_link(hook, frame, to_guest, ret);
		/* a client that knows its server: a flow like any other */
		if (drop || to_guest || frame->kind != CLO_FRAME_DHCP ||
		    ret->mark || hook->port->kind == CLO_PORT_UPLINK)
			return drop;
	}
	return clo_decide_ip(hook, packet, frame, to_guest, ret);
}

/* A frame that the guest sent, or that came from the wire. */
CLO_INLINE enum clo_drop clo_decide_from(const struct clo_hook *hook,
					 const struct clo_packet *packet,
					 struct clo_frame *frame,
					 struct clo_outcome *ret)
{
	const struct clo_port *port = hook->port;
	enum clo_drop drop = clo_frame_link(packet, frame);

	if (!port || port->kind == CLO_PORT_NONE)
		return CLO_DROP_NO_ENDPOINT;
	ret->endpoint[0] = port->endpoint;
	if (!hook->epoch)
		return CLO_DROP_NO_POLICY;
	if (drop)
		return drop;
	if (port->kind == CLO_PORT_TAP &&
	    frame->src_mac != clo_load_mac(port->mac))
		return CLO_DROP_SPOOFED_MAC;
	if (!clo_decide_rate(hook, 0, packet->len))
		return CLO_DROP_RATE;
	return clo_decide_frame(hook, packet, frame, 0, ret);
}

/* Is the mark this guest's, on a frame for its MAC or for all? */
CLO_INLINE int clo_decide_approved(const struct clo_port *port, __u32 mark,
				   __u64 dst_mac)
{
	if (dst_mac & 1)
		return mark == (CLO_MARK_ENDPOINT | port->endpoint) ||
		       mark == (CLO_MARK_GROUP | port->segment);
	return mark == (CLO_MARK_ENDPOINT | port->endpoint) &&
	       dst_mac == clo_load_mac(port->mac);
}

/* A frame on its way to the guest or the wire, with the mark that it has. */
CLO_INLINE enum clo_drop clo_decide_to(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       __u32 mark, struct clo_frame *frame,
				       struct clo_outcome *ret)
{
	const struct clo_port *port = hook->port;
	enum clo_drop drop = clo_frame_link(packet, frame);

	if (!port || port->kind == CLO_PORT_NONE)
		return CLO_DROP_NO_ENDPOINT;
	ret->endpoint[1] = port->endpoint;
	if (!hook->epoch)
		return CLO_DROP_NO_POLICY;
	if (drop)
		return drop;
	if (port->kind == CLO_PORT_UPLINK)
		return clo_gate_wire(hook, packet, frame, mark);

	if (mark != CLO_MARK_NONE &&
	    !clo_decide_approved(port, mark, frame->dst_mac))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	if (!clo_decide_rate(hook, 1, packet->len))
		return CLO_DROP_RATE;
	/* In quarantine no neighbour's approval counts. */
	if (mark != CLO_MARK_NONE && port->mode != CLO_MODE_QUARANTINE)
		return CLO_DROP_NONE;
	if (!frame->dst_group && frame->dst_mac != clo_load_mac(port->mac))
		return CLO_DROP_NOT_FOR_ENDPOINT;
	return clo_decide_frame(hook, packet, frame, 1, ret);
}
