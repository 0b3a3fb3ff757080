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
			 __u32 *ret_mark)
{
	struct clo_view view = {&worlds[step->generation], &state};
	struct clo_hook hook = {
		.view = &view,
		.port = step->no_port ? NULL : &world_nics[step->port].port,
		.epoch = step->no_policy ? 0 : epoch,
		.now = now,
	};
	struct clo_packet packet;
	struct frame frame;

	frame_build(&step->frame, &frame);
	packet = (struct clo_packet){
		.data = frame.data,
		.end = frame.data + frame.len,
		.len = frame.len,
	};
	if (step->to_guest)
		return clo_decide_to_guest(&hook, &packet, step->mark_in);
	return clo_decide_from_guest(&hook, &packet, ret_mark);
}

static void reset(void)
{
	memset(&state, 0, sizeof(state));
	state.max_conns = HOST_CONNS;
	for (unsigned int i = 0; i < WORLD_GENERATIONS; i++)
		world_build(i, &worlds[i]);
}

static void check_step(const struct script *script, const struct step *step,
		       __u64 epoch)
{
	struct clo_hits before[WORLD_RULES];
	__u32 mark = 0;
	enum clo_drop drop;

	memcpy(before, state.hits, sizeof(before));
	drop = run(step, epoch, CLO_SECOND, &mark);
	if (drop != step->drop)
		fail_msg("%s: %s: drop %d, not %d", script->name, step->what,
			 drop, step->drop);
	if (!drop && !step->to_guest && mark != step->mark)
		fail_msg("%s: %s: mark %x, not %x", script->name, step->what,
			 mark, step->mark);
	for (__u32 i = 0; i < WORLD_RULES; i++)
		if (state.hits[i].packets !=
		    before[i].packets + (i && i == step->rule))
			fail_msg("%s: %s: packets of rule %u", script->name,
				 step->what, i);
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
	seen[CLO_DROP_CONNECTIONS] = 1; /* test_full_table */
	for (size_t i = 0; i < CLO_DROP_COUNT; i++)
		if (!seen[i])
			fail_msg("no script reaches drop reason %zu", i);
}

static void test_full_table(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	__u32 mark = 0;

	(void)unused;
	reset();
	state.max_conns = 0;
	assert_int_equal(run(&step, 2, 1, &mark), CLO_DROP_CONNECTIONS);
	assert_int_equal(state.hits[1].flows, 0);
	state.max_conns = 1;
	assert_int_equal(run(&step, 2, 1, &mark), CLO_DROP_NONE);
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
		{7200,
		 {TCP(4, WEB, DB, 1, 5432, SYN)},
		 {TCP(4, DB, WEB, 5432, 1, SYN | ACK)},
		 {TCP(4, WEB, DB, 1, 5432, ACK)}},
		{10,
		 {TCP(4, WEB, DB, 1, 5432, SYN)},
		 {TCP(4, DB, WEB, 5432, 1, RST)},
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
			__u32 mark = 0;

			reset();
			step.port = step.frame.src;
			assert_int_equal(run(&step, 2, now, &mark), 0);
			step.frame = cases[i].answer;
			step.port = step.frame.src;
			if (step.frame.family)
				assert_int_equal(run(&step, 2, now, &mark), 0);
			step.frame = cases[i].later;
			step.port = step.frame.src;
			now += cases[i].seconds * CLO_SECOND + late;
			if (!late)
				assert_int_equal(run(&step, 2, now, &mark), 0);
			else
				assert_int_not_equal(run(&step, 2, now, &mark),
						     0);
		}
	}
}

/* Traffic keeps a flow; the entry that timed out is replaced, not doubled. */
static void test_refresh(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	__u64 now = CLO_SECOND;
	__u32 mark = 0;

	(void)unused;
	reset();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(run(&step, 2, now, &mark), 0);
		now += 59 * CLO_SECOND;
	}
	assert_int_equal(state.hits[1].flows, 1);
	now += 2 * CLO_SECOND;
	assert_int_equal(run(&step, 2, now, &mark), 0);
	assert_int_equal(state.hits[1].flows, 2);
	assert_int_equal(state.n_conns, 1);
}

/* A CPU that still reads the old epoch does not kill what the new allows. */
static void test_late_reader(void **unused)
{
	struct step step = {.port = WEB,
			    .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}};
	__u32 mark = 0;

	(void)unused;
	reset();
	assert_int_equal(run(&step, 4, 1, &mark), 0);
	step.generation = 1;
	assert_int_equal(run(&step, 3, 1, &mark), CLO_DROP_REVOKED);
	assert_int_equal(state.n_conns, 1);
	step.generation = 0;
	assert_int_equal(run(&step, 4, 1, &mark), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_late_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
