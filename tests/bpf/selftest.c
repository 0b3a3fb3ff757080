/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/selftest/plant.h"
#include "bpf/sandbox.h"
#include "unit/cli_run.h"

/*
 * What the self-test plants in a real kernel. The process is left where the
 * scratch node is: the command, which makes its own, is run first.
 */
static struct clo_scratch scratch;

static void the_command_finds_it(void **state)
{
	struct cli *cli = *state;
	int found = 0, planted = 0, end = 0;
	const char *at;

	cli_run(cli, "prove", "--self-test", NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 0);
	at = strstr(cli->out, "\ntap without its programs                   "
			      "   found: level hooks, 2 findings\n");
	assert_non_null(at);
	/* all of them, this one too, and none is left out */
	assert_int_equal(sscanf(at + 1, "%*[^\n] %d of %d found%n", &found,
				&planted, &end),
			 2);
	assert_string_equal(at + 1 + end, "\n");
	assert_true(found == planted && found > 1);
	/* nothing of it is here */
	assert_int_equal(if_nametoindex("tap0"), 0);
}

static int enter(void **state)
{
	const char *what;
	int r = clo_scratch_enter(&scratch, &what);

	(void)state;
	if (r < 0)
		print_error("%s: %s\n", what, strerrordesc_np(-r));
	return r;
}

static int leave(void **state)
{
	(void)state;
	clo_scratch_done(&scratch);
	return 0;
}

static int nothing(struct clo_scratch *unused)
{
	(void)unused;
	return 0;
}

static int fails(struct clo_scratch *unused)
{
	(void)unused;
	return -EIO;
}

static void expect_missed(const struct clo_live_plant *plant, const char *how)
{
	char text[192];

	assert_false(clo_live_plant_found(&scratch, plant, text));
	if (!strstr(text, how))
		fail_msg("%s, not: %s", text, how);
}

/* Each way in which the audit could miss it is told as such. */
static void what_is_missed_is_told(void **state)
{
	const struct clo_live_plant *good = &clo_live_plants[0];
	struct clo_live_plant bad = *good;
	char text[192];

	(void)state;
	assert_int_equal(clo_live_plants_count, 1);
	assert_true(clo_live_plant_found(&scratch, good, text));
	assert_string_equal(text, "level hooks, 2 findings");

	bad.plant = nothing;
	expect_missed(&bad, "not found: guard from_guest is not attached");
	bad.plant = fails;
	expect_missed(&bad, "it could not be planted");
	bad = *good;
	bad.findings[1] = NULL;
	expect_missed(&bad, "1 findings, counted were 2");
	bad = *good;
	bad.findings[1] = "guard of another";
	expect_missed(&bad, "not found: guard of another");
	bad = *good;
	bad.mend = nothing;
	expect_missed(&bad, "found where nothing is: tap0 (undeclared): guard "
			    "from_guest is not attached");
	bad.mend = fails;
	expect_missed(&bad, "it could not be mended");
	assert_true(clo_live_plant_found(&scratch, good, text));
}

int main(void)
{
	const struct CMUnitTest command[] = {
		cmocka_unit_test_setup_teardown(the_command_finds_it, cli_setup,
						cli_teardown),
	};
	const struct CMUnitTest plants[] = {
		cmocka_unit_test_setup_teardown(what_is_missed_is_told, enter,
						leave),
	};
	int r;

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	r = cmocka_run_group_tests(command, NULL, NULL);
	return r ? r : cmocka_run_group_tests(plants, NULL, NULL);
}
