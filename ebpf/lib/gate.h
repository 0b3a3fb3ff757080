/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The ways from the path of a plain packet of a known flow to everything else.
 * A BPF program defines these itself, by functions that the verifier looks at
 * on their own; whoever else includes decide.h includes this before it.
 */

#include "ebpf/lib/conn.h"
#include "ebpf/lib/datagram.h"
#include "ebpf/lib/frame.h"
#include "ebpf/lib/link.h"
#include "ebpf/lib/open.h"
#include "ebpf/lib/wire.h"

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
	return clo_link(hook, frame, to_guest, ret);
}

CLO_INLINE enum clo_drop clo_gate_before(const struct clo_hook *hook,
					 struct clo_frame *frame, int to_guest)
{
	return clo_datagram_before(hook, frame, to_guest);
}

CLO_INLINE enum clo_drop clo_gate_after(const struct clo_hook *hook,
					const struct clo_frame *frame,
					int to_guest, enum clo_drop drop)
{
	return clo_datagram_after(hook, frame, to_guest, drop);
}

CLO_INLINE enum clo_drop clo_gate_open(const struct clo_hook *hook,
				       const struct clo_frame *frame,
				       const struct clo_passage *passage,
				       struct clo_outcome *ret)
{
	return clo_open(hook, frame, passage, ret);
}

CLO_INLINE enum clo_drop clo_gate_error(const struct clo_hook *hook,
					const struct clo_packet *packet,
					const struct clo_frame *frame,
					int to_guest, struct clo_outcome *ret)
{
	return clo_open_error(hook, packet, frame, to_guest, ret);
}

CLO_INLINE enum clo_drop clo_gate_wire(const struct clo_hook *hook,
				       const struct clo_packet *packet,
				       struct clo_frame *frame, __u32 mark)
{
	return clo_wire_to(hook, packet, frame, mark);
}
