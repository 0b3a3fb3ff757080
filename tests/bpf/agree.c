/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The host's build of the decision and the object in the kernel agree on
 * a million frames: legal ones, mutated ones, noise.
 */

#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/cases.h"
#include "bpf/rig.h"
#include "bpf/view.h"

enum {
	SKIPPED = 77,
	APPLIES = 50,
	ROUNDS = 40, /* with one generation; each begins without flows */
	FRAMES = 500
};

static struct world worlds[WORLD_GENERATIONS];
static struct host_state host;
static struct rig *rig;
static __u64 seed = 0x9e3779b97f4a7c15ULL;

static __u32 any(__u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (__u32)(seed >> 33) % below;
}

struct trial {
	struct frame frame;
	enum world_host port;
	int to_guest;
	__u8 kind;
	__u8 mode;
	__u32 mark;
};

/* A step of a script, as it is or bent in one to three places. */
static void draw(struct trial *ret)
{
	const struct script *script = scripts[any((__u32)scripts_count)];
	const struct step *step = &script->steps[any((__u32)script->n)];
	__u32 bends = any(4);

	frame_build(&step->frame, &ret->frame);
	ret->port = any(8) ? step->port : any(PARTNER);
	ret->to_guest = any(8) ? step->to_guest : (int)any(2);
	ret->mark =
		any(8) ? step->mark_in
		       : CLO_MARK_ENDPOINT | world_nics[any(NET)].port.endpoint;
	ret->kind = any(16) ? CLO_PORT_TAP : CLO_PORT_UPLINK;
	ret->mode = any(16) ? step->mode : CLO_MODE_QUARANTINE;
	if (bends < 3) /* half of all frames stay well-formed */
		bends = any(2) ? bends : 0;
	while (bends--)
		ret->frame.data[any(ret->frame.len)] =
			(__u8)(any(2) ? any(256) : any(8));
	if (!any(16))
		ret->frame.len = 14 + any(ret->frame.len - 13);
	if (!any(32))
		for (__u32 i = any(60); i < ret->frame.len; i++)
			ret->frame.data[i] = (__u8)any(256);
}

static enum clo_drop decide(const struct trial *trial,
			    const struct clo_port *port,
			    const struct world *world, __u32 *ret_mark)
{
	struct clo_view view = {world, &host};
	struct clo_outcome outcome;
	enum clo_drop drop = host_decide(
		&view, port, trial->to_guest, trial->mark, trial->frame.data,
		trial->frame.len, rig_epoch(rig), CLO_SECOND, &outcome);

	if (!drop && !trial->to_guest)
		*ret_mark = outcome.mark;
	return drop;
}

static enum clo_drop counted(const struct rig_run *run)
{
	enum clo_drop drop = CLO_DROP_NONE;

	for (__u32 i = 0; i < CLO_DROP_COUNT; i++) {
		if (!run->drops[i])
			continue;
		assert_int_equal(drop, CLO_DROP_NONE);
		assert_int_equal(run->drops[i], 1);
		drop = i;
	}
	assert_int_equal(run->verdict, drop ? TC_ACT_SHOT : TC_ACT_OK);
	return drop;
}

static enum clo_drop compare(const struct trial *trial,
			     const struct world *world)
{
	struct clo_port port = world_nics[trial->port].port;
	__u32 mark = trial->mark;
	enum clo_drop want, got;
	struct rig_run run;
	int r;

	port.kind = trial->kind;
	port.mode = trial->mode;
	assert_int_equal(rig_set_port(rig, &port), 0);
	r = rig_run(rig, trial->to_guest, trial->mark, &trial->frame, &run);
	if (r == -EINVAL) /* newer kernels do not run some runts at all */
		return CLO_DROP_COUNT;
	assert_int_equal(r, 0);

	got = counted(&run);
	want = decide(trial, &port, world, &mark);
	if (got != want || (!got && run.mark != mark)) {
		for (__u32 i = 0; i < trial->frame.len; i++)
			(void)fprintf(stderr, "%02x", trial->frame.data[i]);
		fail_msg(": kernel drop %d mark %x, host drop %d mark %x", got,
			 run.mark, want, mark);
	}
	return got;
}

static void check_hits(void)
{
	for (__u32 i = 0; i < WORLD_RULES; i++) {
		struct clo_hits hits;

		assert_int_equal(rig_hits(rig, i, &hits), 0);
		assert_int_equal(hits.flows, host.hits[i].flows);
	}
	memset(host.hits, 0, sizeof(host.hits));
}

static void run_round(const struct world *world, __u32 *seen)
{
	assert_int_equal(rig_flush(rig), 0);
	host.n_conns = 0;
	host.n_frags = 0;
	host.max_conns = HOST_CONNS;
	for (int i = 0; i < FRAMES; i++) {
		struct trial trial;

		draw(&trial);
		seen[compare(&trial, world)]++;
	}
}

/* Those take limits, which depend on time: unit.limit. */
static int is_limit(__u32 reason)
{
	return reason == CLO_DROP_CONNECTIONS || reason == CLO_DROP_QUOTA ||
	       reason == CLO_DROP_FLOW_RATE || reason == CLO_DROP_RATE ||
	       reason == CLO_DROP_MULTICAST_RATE;
}

static void test_agreement(void **state)
{
	__u32 seen[CLO_DROP_COUNT + 1] = {0};
	const __u32 total = APPLIES * ROUNDS * FRAMES;

	(void)state;
	for (int i = 0; i < APPLIES; i++) {
		const struct world *world = &worlds[any(WORLD_GENERATIONS)];

		assert_int_equal(rig_apply(rig, world), 0);
		for (int j = 0; j < ROUNDS; j++)
			run_round(world, seen);
		check_hits();
	}
	/* The frames were worth comparing: most outcomes really came up. */
	assert_true(seen[CLO_DROP_NONE] > total / 10);
	assert_true(seen[CLO_DROP_COUNT] < total / 10);
	for (__u32 i = 0; i < CLO_DROP_COUNT; i++)
		if (!seen[i] && !is_limit(i) && i != CLO_DROP_NO_ENDPOINT &&
		    i != CLO_DROP_NO_POLICY)
			fail_msg("no frame reached drop reason %u", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreement),
	};
	int r = rig_new(&rig);

	if (r == -EPERM) {
		(void)fprintf(stderr, "needs root and BPF: skipped\n");
		return SKIPPED;
	}
	if (r < 0) {
		(void)fprintf(stderr, "cannot load the guard: %s\n",
			      strerror(-r));
		return 1;
	}
	for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
		world_build(i, &worlds[i]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rig_free(rig);
	return r;
}
