/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Arbitrary bytes through both hooks, in a fixed world. The first byte picks
 * port, hook and generation, the second the mark; then frames, each after its
 * length. Connections last over the frames of one input.
 */

#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world worlds[WORLD_GENERATIONS];
static struct host_state state;

/* What must hold whatever the frame. */
static int sound(const struct clo_port *port, int to_guest, __u32 mark_in,
		 enum clo_drop drop, __u32 mark)
{
	if (drop)
		return drop < CLO_DROP_COUNT;
	if (to_guest)
		return mark_in == 0 || mark_in == port->endpoint;
	if (mark == CLO_MARK_OUTSIDE)
		return 1;
	/* never to another tenant, never into or out of the test environment */
	return mark / 100 == port->endpoint / 100 &&
	       (mark == 104) == (port->endpoint == 104);
}

static void run(const uint8_t *control, const uint8_t *frame, size_t len)
{
	struct clo_view view = {&worlds[control[0] >> 7], &state};
	const struct clo_port *port =
		&world_nics[(control[0] & 63) % PARTNER].port;
	int to_guest = control[0] >> 6 & 1;
	__u32 marks[4] = {0, port->endpoint, CLO_MARK_OUTSIDE, 101};
	__u32 mark_in = marks[control[1] & 3], mark = 0;
	struct clo_hook hook = {
		.view = &view,
		.port = port,
		.epoch = 2 + (control[0] >> 7),
		.now = CLO_SECOND * (1 + (control[1] >> 2)),
	};
	/* exactly as long as it is, so that ASan sees one byte too far */
	uint8_t *copy = malloc(len ? len : 1);
	struct clo_packet packet = {copy, copy + len, (__u32)len, 0};
	enum clo_drop drop;

	assert(copy);
	memcpy(copy, frame, len);
	drop = to_guest ? clo_decide_to_guest(&hook, &packet, mark_in)
			: clo_decide_from_guest(&hook, &packet, &mark);
	assert(sound(port, to_guest, mark_in, drop, mark));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!worlds[0].n_addrs)
		for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
			world_build(i, &worlds[i]);
	state.n_conns = 0;
	state.max_conns = 64;

	while (size > 3) {
		size_t len = data[2] < size - 3 ? data[2] : size - 3;

		run(data, data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	return 0;
}
