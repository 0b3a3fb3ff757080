/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <string.h>

#include "bpf/frames.h"
#include "bpf/view.h"
#include "check.h"

/*
 * A node of the small world: taps and uplinks by ifindex, from 2 on, and frames
 * through either hook of one.
 */
static struct {
	struct world worlds[WORLD_GENERATIONS];
	struct host_state state;
	struct clo_port ports[HOST_PORTS];
	unsigned int generation;
	__u64 epoch;
	__u64 now;
	__u64 pickup;
} node;

#define FOR(endpoint) (CLO_MARK_ENDPOINT | (endpoint))

static inline void node_reset(void)
{
	memset(&node, 0, sizeof(node));
	node.state.max_conns = HOST_CONNS;
	node.epoch = 2;
	node.now = CLO_SECOND;
	for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
		world_build(i, &node.worlds[i]);
}

static inline struct clo_port *node_put(__u32 ifindex,
					const struct clo_port *port)
{
	node.ports[ifindex] = *port;
	node.state.ports[ifindex] = &node.ports[ifindex];
	return &node.ports[ifindex];
}

static inline struct clo_port *node_tap(__u32 ifindex, enum world_host host)
{
	return node_put(ifindex, &world_nics[host].port);
}

/* Of tenant 1. */
static inline struct clo_port *node_uplink(__u32 ifindex, __u32 segment)
{
	return node_put(ifindex, &(struct clo_port){.space = 1,
						    .segment = segment,
						    .kind = CLO_PORT_UPLINK});
}

static inline void node_unplug(__u32 ifindex)
{
	node.state.ports[ifindex] = NULL;
}

static inline struct clo_hook node_hook(__u32 ifindex,
					const struct clo_view *view)
{
	return (struct clo_hook){
		.view = view,
		.work = &node.state.work,
		.port = node.state.ports[ifindex],
		.epoch = node.epoch,
		.pickup = node.pickup,
		.now = node.now,
		.ifindex = ifindex,
	};
}

static inline enum clo_drop node_frame(__u32 ifindex, int to, __u32 mark,
				       const struct frame *frame,
				       struct clo_outcome *ret)
{
	struct clo_view view = {&node.worlds[node.generation], &node.state};
	struct clo_hook hook = node_hook(ifindex, &view);
	struct clo_packet packet = {frame->data, frame->data + frame->len,
				    frame->len, 0};
	struct clo_frame parsed;

	memset(ret, 0, sizeof(*ret));
	return to ? clo_decide_to(&hook, &packet, mark, &parsed, ret)
		  : clo_decide_from(&hook, &packet, &parsed, ret);
}

/* What the guest behind the tap sends, or the wire brings. */
static inline enum clo_drop
node_from(__u32 ifindex, const struct frame_spec *spec, struct clo_outcome *ret)
{
	struct frame frame;

	frame_build(spec, &frame);
	return node_frame(ifindex, 0, 0, &frame, ret);
}

/* What is on its way to the guest or the wire. */
static inline enum clo_drop node_to(__u32 ifindex, __u32 mark,
				    const struct frame_spec *spec)
{
	struct clo_outcome outcome;
	struct frame frame;

	frame_build(spec, &frame);
	return node_frame(ifindex, 1, mark, &frame, &outcome);
}

static inline void node_expect(__u32 ifindex, const struct frame_spec *spec,
			       enum clo_drop drop, __u32 mark, __u32 out,
			       const char *file, int line)
{
	struct clo_outcome ret;

	_assert_int_equal(node_from(ifindex, spec, &ret), drop, file, line);
	if (drop)
		return;
	_assert_int_equal(ret.mark, mark, file, line);
	_assert_int_equal(ret.ifindex, out, file, line);
}

#define SPEC(...) (&(const struct frame_spec){__VA_ARGS__})
/* The rest describes the frame. */
#define PASSES(ifindex, mark, out, ...)                                        \
	node_expect(ifindex, SPEC(__VA_ARGS__), CLO_DROP_NONE, mark, out,      \
		    __FILE__, __LINE__)
#define REFUSED(ifindex, drop, ...)                                            \
	node_expect(ifindex, SPEC(__VA_ARGS__), CLO_DROP_##drop, 0, 0,         \
		    __FILE__, __LINE__)
