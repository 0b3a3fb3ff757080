/* SPDX-License-Identifier: Apache-2.0 */
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

enum {
	SKIPPED = 77
};

static struct world worlds[WORLD_GENERATIONS];
static struct rig *rig;

/* A rule counts the flows that it begins, one at a time. */
static void check_hits(const struct script *script, const struct step *step,
		       const struct clo_hits *before)
{
	struct clo_hits after = {0};

	assert_int_equal(rig_hits(rig, step->rule, &after), 0);
	if (after.flows > before->flows + (step->rule && !step->drop))
		fail_msg("%s: %s: flows of rule %u", script->name, step->what,
			 step->rule);
}

static void check_step(const struct script *script, const struct step *step)
{
	struct clo_port port = world_nics[step->port].port;
	struct clo_hits before = {0};
	struct rig_run run = {0};
	struct frame frame;
	int r;

	port.mode = step->mode;
	frame_build(&step->frame, &frame);
	assert_int_equal(rig_set_port(rig, step->no_port ? NULL : &port), 0);
	assert_int_equal(rig_hits(rig, step->rule, &before), 0);
	if (step->no_policy)
		assert_int_equal(rig_set_epoch(rig, 0), 0);
	r = rig_run(rig, step->to_guest, step->mark_in, &frame, &run);
	if (r == -EINVAL && step->drop == CLO_DROP_RUNT)
		return; /* newer kernels do not run such a frame at all */
	if (r < 0)
		fail_msg("%s: %s: %s", script->name, step->what, strerror(-r));
	assert_int_equal(rig_set_epoch(rig, rig_epoch(rig)), 0);

	if (run.verdict != (step->drop ? TC_ACT_SHOT : TC_ACT_OK))
		fail_msg("%s: %s: verdict %d", script->name, step->what,
			 run.verdict);
	for (__u32 i = 0; i < CLO_DROP_COUNT; i++)
		if (run.drops[i] != (i && i == step->drop))
			fail_msg("%s: %s: counter of reason %u", script->name,
				 step->what, i);
	if (!step->drop && !step->to_guest && run.mark != step->mark)
		fail_msg("%s: %s: mark %x, not %x", script->name, step->what,
			 run.mark, step->mark);
	check_hits(script, step, &before);
}

static void test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < scripts_count; i++) {
		__u8 generation = 0;

		assert_int_equal(rig_flush(rig), 0);
		assert_int_equal(rig_apply(rig, &worlds[0]), 0);
		for (size_t j = 0; j < scripts[i]->n; j++) {
			const struct step *step = &scripts[i]->steps[j];

			if (step->generation != generation)
				assert_int_equal(
					rig_apply(rig,
						  &worlds[step->generation]),
					0);
			generation = step->generation;
			check_step(scripts[i], step);
		}
	}
}

/* The state that a script leaves is really in the kernel's map. */
static void test_timeout(void **state)
{
	static const struct step open = {
		"opens", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, SYN)},
		.mark = CLO_MARK_ENDPOINT | 102, .rule = 1};
	static const struct step later = {
		"later", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, ACK)},
		.mark = CLO_MARK_ENDPOINT | 102, .rule = 1};
	struct step gone = later;

	(void)state;
	gone.what = "timed out";
	gone.drop = CLO_DROP_NO_FLOW;
	gone.rule = 0;
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(rig_apply(rig, &worlds[0]), 0);
	check_step(&script_flows, &open);
	assert_int_equal(rig_age(rig, 50), 0);
	check_step(&script_flows, &later);
	assert_int_equal(rig_age(rig, 61), 0);
	check_step(&script_flows, &gone);
	check_step(&script_flows, &open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_timeout),
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
