/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* What may leave by the uplink of a segment. Pure. */

#include "ebpf/lib/conn.h"
#include "ebpf/lib/frame.h"

/*
 * Approved for an endpoint of another segment: a router beyond the wire leads
 * there. It leaves by the segment of the endpoint that opened or joined the
 * flow; skb->mark has no room for both. A frame of another tenant may look the
 * same, so the flow must lead to whom the frame was approved for.
 */
CLO_INLINE enum clo_drop clo_wire_routed(const struct clo_hook *hook,
					 const struct clo_packet *packet,
					 struct clo_frame *frame,
					 __u32 endpoint)
{
	const struct clo_addr *sender;
	const struct clo_conn *conn;
	__u32 ends[2];

	if (clo_frame_parse(packet, frame) || frame->kind != CLO_FRAME_FLOW)
		return CLO_DROP_NOT_FOR_SEGMENT;
	clo_flow_init(&frame->tuple, hook->port->space, &hook->work->flow);
	conn = clo_view_conn(hook->view, &hook->work->flow);
	if (!conn || conn->epoch != hook->epoch)
		return CLO_DROP_NOT_FOR_SEGMENT;
	clo_conn_ends(conn, hook->work->flow.src, ends);
	if (ends[1] != endpoint)
		return CLO_DROP_NOT_FOR_SEGMENT;
	sender = clo_bind_find(hook->view, CLO_SPACE_SELF, 4,
			       (const __u8 *)&ends[0]);
	return sender && sender->segment == hook->port->segment
		       ? CLO_DROP_NONE
		       : CLO_DROP_NOT_FOR_SEGMENT;
}

/* A frame on its way to the wire. */
CLO_INLINE enum clo_drop clo_wire_to(const struct clo_hook *hook,
				     const struct clo_packet *packet,
				     struct clo_frame *frame, __u32 mark)
{
	__u32 id = mark & ~CLO_MARK_KIND;
	const struct clo_addr *receiver;

	if ((mark & CLO_MARK_KIND) != CLO_MARK_ENDPOINT)
		return mark & CLO_MARK_KIND && id == hook->port->segment
			       ? CLO_DROP_NONE
			       : CLO_DROP_NOT_FOR_SEGMENT;
	receiver =
		clo_bind_find(hook->view, CLO_SPACE_SELF, 4, (const __u8 *)&id);
	if (!receiver)
		return CLO_DROP_NOT_FOR_SEGMENT;
	if (receiver->segment != hook->port->segment)
		return clo_wire_routed(hook, packet, frame, id);
	return clo_view_local(hook->view, id) ? CLO_DROP_NOT_FOR_SEGMENT
					      : CLO_DROP_NONE;
}
