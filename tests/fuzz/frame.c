/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Arbitrary bytes through both hooks, in a fixed world. The first byte picks
 * port, hook and generation, the second the mark and the time; then frames,
 * each after its length. Flows last over the frames of one input. The short
 * way must do what the whole decision does, or nothing.
 */

#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CONNS = 64,
	LONG = 200, /* lengths from here on count in eights */
};

static struct world worlds[WORLD_GENERATIONS];
static struct host_state state;

static struct clo_port port_of(uint8_t control)
{
	struct clo_port port = world_nics[(control & 63) % PARTNER].port;
	unsigned int kind = (control & 63) / PARTNER;

	if (kind > 7)
		port.kind = CLO_PORT_UPLINK;
	else if (kind > 6)
		port.mode = CLO_MODE_QUARANTINE;
	return port;
}

static __u32 mark_of(const struct clo_port *port, unsigned int which)
{
	const __u32 marks[4] = {0, CLO_MARK_ENDPOINT | port->endpoint,
				CLO_MARK_OUTSIDE | port->segment,
				CLO_MARK_GROUP | port->segment};

	return marks[which];
}

static int same(const struct clo_outcome *quick,
		const struct clo_outcome *whole, int to_guest)
{
	return quick->ifindex == whole->ifindex &&
	       (to_guest || quick->mark == whole->mark);
}

/* What must hold whatever the frame. */
static int sound(const struct clo_port *port, int to_guest, enum clo_drop drop,
		 __u32 mark)
{
	__u32 id = mark & ~CLO_MARK_KIND;

	if (drop)
		return drop < CLO_DROP_COUNT;
	if (to_guest)
		return 1;
	switch (mark & CLO_MARK_KIND) {
	case CLO_MARK_ENDPOINT:
		/*
		 * Never to another tenant, nor into or out of "test"; here all
		 * interfaces have one number, so a wire may speak for a tap.
		 */
		return id / 100 == (port->space == 1 ? 1 : 2) &&
		       (port->kind == CLO_PORT_UPLINK ||
			(id == 104) == (port->segment == 13));
	case CLO_MARK_NONE: /* for each tap to judge */
		return port->kind == CLO_PORT_UPLINK;
	default:
		return id == port->segment;
	}
}

/* The frame lies in memory of just its length, so that ASan sees a step over */
static void run(const uint8_t *control, const uint8_t *frame, size_t len)
{
	static struct host_conn before[CONNS], after[CONNS];
	struct clo_view view = {&worlds[control[0] >> 7], &state};
	struct clo_port port = port_of(control[0]);
	int to_guest = control[0] >> 6 & 1;
	__u32 mark = mark_of(&port, control[1] & 3);
	__u64 epoch = 2 + (control[0] >> 7);
	__u64 now = CLO_SECOND * (1 + (control[1] >> 2));
	size_t conns = state.n_conns * sizeof(*before);
	struct clo_outcome quick, whole;
	enum clo_drop drop;
	int passes;

	memcpy(before, state.conns, conns);
	passes = host_quick(&view, &port, to_guest, mark, frame, (__u32)len,
			    epoch, now, &quick);
	memcpy(after, state.conns, conns);
	memcpy(state.conns, before, conns);
	drop = host_decide(&view, &port, to_guest, mark, frame, (__u32)len,
			   epoch, now, &whole);
	assert(sound(&port, to_guest, drop, whole.mark));
	if (!passes)
		return;
	assert(!drop);
	assert(same(&quick, &whole, to_guest));
	assert(memcmp(after, state.conns, conns) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!worlds[0].n_addrs)
		for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
			world_build(i, &worlds[i]);
	state.n_conns = 0;
	state.n_frags = 0;
	state.max_conns = CONNS;

	while (size > 3) {
		size_t len =
			data[2] < LONG ? data[2] : LONG + (data[2] - LONG) * 8U;
		uint8_t *frame;

		if (len > size - 3)
			len = size - 3;
		frame = malloc(len ? len : 1);
		assert(frame);
		memcpy(frame, data + 3, len);
		run(data, frame, len);
		free(frame);
		data += 3 + len;
		size -= 3 + len;
	}
	return 0;
}
