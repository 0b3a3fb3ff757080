/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/cases.h"
#include "bpf/view.h"

static struct world worlds[WORLD_GENERATIONS];
static struct host_state state;

static enum clo_drop run(const struct step *step, __u64 epoch, __u64 now,
			 struct clo_outcome *ret)
{
	struct clo_view view = {&worlds[step->generation], &state};
	struct clo_port port = world_nics[step->port].port;
	struct frame frame;

	port.mode = step->mode;
	frame_build(&step->frame, &frame);
	return host_decide(&view, step->no_port ? NULL : &port, step->to_guest,
			   step->mark_in, frame.data, frame.len,
			   step->no_policy ? 0 : epoch, now, ret);
}

static void reset(void)
{
	memset(&state, 0, sizeof(state));
	state.max_conns = HOST_CONNS;
	for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
		world_build(i, &worlds[i]);
}

/* All that is wrong is shown, not only the first. */
static unsigned int wrong;

static void check_step(const struct script *script, const struct step *step,
		       __u64 epoch)
{
	struct clo_outcome outcome;
	enum clo_drop drop = run(step, epoch, CLO_SECOND, &outcome);
	int good = drop == step->drop;

	if (good && !drop)
		good = (step->to_guest || outcome.mark == step->mark) &&
		       outcome.rule == step->rule;
	if (good)
		return;
	print_error("%s: %s: drop %d, mark %x, rule %u, not %d, %x, %u\n",
		    script->name, step->what, drop, outcome.mark, outcome.rule,
		    step->drop, step->mark, step->rule);
	wrong++;
}

/* unit.limit, unit.uplink, test_full_table */
static int is_reached_elsewhere(size_t reason)
{
	return reason == CLO_DROP_CONNECTIONS || reason == CLO_DROP_QUOTA ||
	       reason == CLO_DROP_FLOW_RATE || reason == CLO_DROP_RATE ||
	       reason == CLO_DROP_MULTICAST_RATE ||
	       reason == CLO_DROP_NOT_FOR_SEGMENT;
}

static void test_scripts(void **unused)
{
	char seen[CLO_DROP_COUNT] = {0};

	(void)unused;
	for (size_t i = 0; i < scripts_count; i++) {
		__u64 epoch = 2;
		__u8 generation = 0;

		reset();
		for (size_t j = 0; j < scripts[i]->n; j++) {
			const struct step *step = &scripts[i]->steps[j];

			if (step->generation != generation)
				epoch++;
			generation = step->generation;
			check_step(scripts[i], step, epoch);
			seen[step->drop] = 1;
		}
	}
	assert_int_equal(wrong, 0);
	for (size_t i = 0; i < CLO_DROP_COUNT; i++)
		if (!seen[i] && !is_reached_elsewhere(i))
			fail_msg("no script reaches drop reason %zu", i);
}

/* Where the short way says "passes", it does what the whole decision does. */
static void test_short_way(void **unused)
{
	static struct host_state before;
	unsigned int taken = 0;

	(void)unused;
	for (size_t i = 0; i < scripts_count; i++) {
		reset();
		for (size_t j = 0; j < scripts[i]->n; j++) {
			const struct step *step = &scripts[i]->steps[j];
			struct clo_view view = {&worlds[0], &before};
			struct clo_port port = world_nics[step->port].port;
			struct clo_outcome whole, quick;
			struct frame frame;
			int passes;

			before = state;
			port.mode = step->mode;
			frame_build(&step->frame, &frame);
			passes = host_quick(&view, step->no_port ? NULL : &port,
					    step->to_guest, step->mark_in,
					    frame.data, frame.len,
					    step->no_policy ? 0 : 2, CLO_SECOND,
					    &quick);
			if (run(step, 2, CLO_SECOND, &whole) && passes)
				fail_msg("%s: %s", scripts[i]->name,
					 step->what);
			if (!passes)
				continue;
			taken++;
			assert_true(step->to_guest || quick.mark == whole.mark);
			assert_int_equal(quick.ifindex, whole.ifindex);
			assert_int_equal(before.n_conns, state.n_conns);
			assert_memory_equal(before.conns, state.conns,
					    state.n_conns *
						    sizeof(*state.conns));
		}
	}
	assert_true(taken > 0); /* more of it: unit.quick */
}

static void test_full_table(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	struct clo_outcome outcome;

	(void)unused;
	reset();
	state.max_conns = 0;
	assert_int_equal(run(&step, 2, 1, &outcome), CLO_DROP_CONNECTIONS);
	assert_int_equal(state.hits[1].flows, 0);
	state.max_conns = 1;
	assert_int_equal(run(&step, 2, 1, &outcome), CLO_DROP_NONE);
	assert_int_equal(state.hits[1].flows, 1);
}

static void test_timeouts(void **unused)
{
	static const struct {
		__u64 seconds; /* of silence after the exchange */
		struct frame_spec open, answer, later;
	} cases[] = {
		{60,
		 {TCP(4, WEB, DB, 1, 5432, SYN)},
		 {0},
		 {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{7440,
		 {TCP(4, WEB, DB, 1, 5432, SYN)},
		 {TCP(4, DB, WEB, 5432, 1, SYN | ACK)},
		 {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{10,
		 {TCP(4, WEB, DB, 1, 5432, SYN)},
		 {TCP(4, DB, WEB, 5432, 1, RST | ACK)},
		 {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{180,
		 {UDP(4, DB, WEB, 7, 53)},
		 {UDP(4, WEB, DB, 53, 7)},
		 {UDP(4, WEB, DB, 53, 7)}},
		{30, {PING4(WEB, DB, 8, 1)}, {0}, {PING4(DB, WEB, 0, 1)}},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (__u64 late = 0; late < 2; late++) {
			__u64 now = CLO_SECOND;
			struct step step = {.frame = cases[i].open};
			struct clo_outcome outcome;

			reset();
			step.port = step.frame.src;
			assert_int_equal(run(&step, 2, now, &outcome), 0);
			step.frame = cases[i].answer;
			step.port = step.frame.src;
			if (step.frame.family)
				assert_int_equal(run(&step, 2, now, &outcome),
						 0);
			step.frame = cases[i].later;
			step.port = step.frame.src;
			now += cases[i].seconds * CLO_SECOND + late;
			if (!late)
				assert_int_equal(run(&step, 2, now, &outcome),
						 0);
			else
				assert_int_not_equal(
					run(&step, 2, now, &outcome), 0);
		}
	}
}

/* Traffic keeps a flow; the entry that timed out is replaced, not doubled. */
static void test_refresh(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	__u64 now = CLO_SECOND;
	struct clo_outcome outcome;

	(void)unused;
	reset();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(run(&step, 2, now, &outcome), 0);
		now += 59 * CLO_SECOND;
	}
	assert_int_equal(state.hits[1].flows, 1);
	now += 2 * CLO_SECOND;
	assert_int_equal(run(&step, 2, now, &outcome), 0);
	assert_int_equal(state.hits[1].flows, 2);
	assert_int_equal(state.n_conns, 1);
}

/* A CPU that still reads the old epoch does not kill what the new allows. */
static void test_late_reader(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	struct clo_outcome outcome;

	(void)unused;
	reset();
	assert_int_equal(run(&step, 4, 1, &outcome), 0);
	step.generation = 1;
	assert_int_equal(run(&step, 3, 1, &outcome), CLO_DROP_REVOKED);
	assert_int_equal(state.n_conns, 1);
	step.generation = 0;
	assert_int_equal(run(&step, 4, 1, &outcome), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_short_way),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_late_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
