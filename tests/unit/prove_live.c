/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/core/prove.h"
#include "check.h"
#include "fixture_node.h"

/* What the daemon says of an audit, level by level. */

#define NOW FIXTURE_START

static struct fixture f;
static json_t *told;

static int set_up(void **state)
{
	(void)state;
	fixture_init(&f, NOW);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(told);
	told = NULL;
	fixture_done(&f);
	return 0;
}

static void tell(void)
{
	json_decref(told);
	told = clo_prove_tell(&f.node, &f.audit);
	assert_non_null(told);
}

static const json_t *level(const char *name)
{
	const json_t *level;
	size_t i;

	json_array_foreach (json_object_get(told, "levels"), i, level)
		if (strcmp(json_string_value(json_object_get(level, "name")),
			   name) == 0)
			return level;
	fail_msg("no level %s", name);
	return NULL;
}

static void assert_level(const char *name, const char *verdict,
			 const char *text)
{
	const json_t *one = level(name);
	const char *why = json_string_value(json_object_get(one, "text"));

	assert_string_equal(json_string_value(json_object_get(one, "verdict")),
			    verdict);
	if (text)
		assert_non_null(strstr(why ? why : "", text));
	else
		assert_null(why);
}

static void assert_verdict(const char *verdict)
{
	assert_string_equal(json_string_value(json_object_get(told, "verdict")),
			    verdict);
}

static void a_sound_node(void **state)
{
	(void)state;
	tell();
	assert_level("kernel tables", "PROVED", NULL);
	assert_level("documents", "PROVED", NULL);
	assert_level("decisions", "PROVED", NULL);
	assert_level("ports", "PROVED", NULL);
	assert_level("hooks", "PROVED", NULL);
	assert_level("programs", "PROVED", NULL);
	/* The policy has no two environments of one tenant. */
	assert_level("invariants", "NOT-COVERED", "invariant 2");
	assert_verdict("NOT-COVERED");
}

static void a_table_that_differs(void **state)
{
	struct clo_tables observed = *f.audit.observed;
	struct clo_table_data *data = &observed.table[CLO_TABLE_ROWS];
	size_t size = data->n * sizeof(struct clo_row);
	uint8_t *kept = data->entries;
	struct clo_row *rows = malloc(size);

	(void)state;
	assert_non_null(rows);
	memcpy(rows, kept, size);
	data->entries = (uint8_t *)rows;
	/* Another rule owns the bit: consistent, and not what was compiled. */
	rows->rule = rows->rule == 1 ? 2 : 1;
	f.audit.observed = &observed;
	tell();
	assert_level("kernel tables", "VIOLATED", "1 entries differ");
	assert_int_equal(json_array_size(json_object_get(level("kernel tables"),
							 "differences")),
			 1);
	assert_verdict("VIOLATED");

	/* None owns it: nothing can be proven of such tables. */
	rows->rule = 0;
	tell();
	assert_level("kernel tables", "VIOLATED", "1 entries differ");
	assert_level("invariants", "ERROR", "rows: row 0 has rule 0");
	assert_verdict("ERROR");
	free(rows);
}

static void what_the_taps_show(void **state)
{
	struct clo_tap_audit *tap = &f.results[TAP_ACME];

	(void)state;
	tap->guarded = false;
	tell();
	assert_level("hooks", "VIOLATED", "1 wrong");
	tap->guarded = true;
	f.audit.programs[1].as_built = false;
	tell();
	assert_level("hooks", "VIOLATED", "1 wrong");
	f.audit.programs[1].as_built = true;
	f.audit.programs_read = false;
	tell();
	assert_level("hooks", "ERROR", "could not be looked at");
	f.audit.programs_read = true;

	tap->probes[0] = CLO_PROBE_WRONG;
	tell();
	assert_level("programs", "VIOLATED", "1 wrong");
	tap->probes[1] = CLO_PROBE_ERROR;
	tell();
	assert_level("programs", "ERROR", "1 could not");
	tap->probes[0] = tap->probes[1] = CLO_PROBE_PASSED;
	tell();
	assert_level("programs", "NOT-COVERED", "2 judged and let through");
	tap->probes[0] = tap->probes[1] = CLO_PROBE_RIGHT;

	assert_non_null(
		clo_problem_add(&f.audit.problems, "env.label-integrity", "x"));
	tell();
	assert_level("ports", "VIOLATED", "1 wrong");
	assert_verdict("VIOLATED");
}

static void what_the_documents_mean(void **state)
{
	struct clo_meaning *meaning = &f.node.meaning;

	(void)state;
	meaning->differences = 2;
	(void)snprintf(meaning->first, sizeof(meaning->first), "a > b");
	tell();
	assert_level("documents", "VIOLATED", "a > b");
	assert_verdict("VIOLATED");
	meaning->error = -EBADMSG;
	tell();
	assert_level("documents", "ERROR", "could not be looked at");
	/* of other documents */
	meaning->tables[0] ^= 1;
	tell();
	assert_level("documents", "NOT-COVERED", "is under way");
	assert_verdict("NOT-COVERED");
}

/* Whatever was found of other tables. */
static void what_the_decision_code_says(void **state)
{
	struct clo_enumeration known = f.audit.decided;

	(void)state;
	f.audit.decided = (struct clo_enumeration){0};
	tell();
	assert_level("decisions", "NOT-COVERED", "is under way");
	assert_verdict("NOT-COVERED");

	f.node.decisions.error = -EIO;
	f.node.decisions.asked = f.audit.observed->gen.epoch;
	tell();
	assert_level("decisions", "ERROR", "could not be looked at");
	assert_verdict("ERROR");
	f.node.decisions.asked++;
	tell();
	assert_level("decisions", "NOT-COVERED", "is under way");

	f.audit.decided = known;
	f.audit.decided.wrong = 3;
	tell();
	assert_level("decisions", "VIOLATED", "3 wrong");
	assert_verdict("VIOLATED");
}

static struct {
	int error;
	bool drops;
	size_t asked;
} program;

static int attached(uint32_t prog_id, const uint8_t *frame, bool *ret_drop)
{
	(void)frame;
	assert_int_equal(prog_id, 100);
	program.asked++;
	*ret_drop = program.drops;
	return program.error;
}

/* One pair is left, with the first row. */
static void lead(struct clo_tables *tables, uint32_t from, uint32_t to)
{
	static uint32_t entry[3];
	struct clo_table_data *pairs = &tables->table[CLO_TABLE_PAIRS];

	entry[0] = from;
	entry[1] = to;
	pairs->entries = (uint8_t *)entry;
	pairs->n = 1;
}

static uint32_t identity_of(const struct clo_tables *tables, uint32_t endpoint)
{
	const uint32_t key[2] = {CLO_SPACE_SELF, endpoint};
	const struct clo_addr *self =
		clo_tables_find(tables, CLO_TABLE_ADDR4, key);

	assert_non_null(self);
	return self->identity;
}

/* acme's rule, turned to globex: the program on acme's tap is asked. */
static void the_program_has_the_last_word(void **state)
{
	static const struct {
		int error;
		bool drops;
		const char *verdict, *attached, *replay;
	} cases[] = {
		{0, true, "VIOLATED", "drops", "unreached"},
		{0, false, "VIOLATED", "passes", "passes"},
		{-ENOENT, false, "VIOLATED", NULL, "unreached"},
	};
	struct clo_tables observed = *f.audit.observed;
	uint32_t acme = f.taps[TAP_ACME].interface->endpoint;
	uint32_t globex = f.taps[TAP_GLOBEX].interface->endpoint;

	(void)state;
	lead(&observed, identity_of(&observed, acme),
	     identity_of(&observed, globex));
	f.audit.observed = &observed;
	f.results[TAP_ACME].guard.from_guest.prog_id = 100;
	fixture_probe = attached;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const json_t *witness;

		program.error = cases[i].error;
		program.drops = cases[i].drops;
		program.asked = 0;
		tell();
		assert_true(program.asked > 0);
		assert_string_equal(json_string_value(json_object_get(
					    level("invariants"), "verdict")),
				    cases[i].verdict);
		witness = json_array_get(
			json_object_get(level("invariants"), "witnesses"), 0);
		assert_string_equal(
			json_string_value(json_object_get(witness, "replay")),
			cases[i].replay);
		if (cases[i].attached)
			assert_string_equal(json_string_value(json_object_get(
						    witness, "attached")),
					    cases[i].attached);
		else
			assert_true(json_is_null(
				json_object_get(witness, "attached")));
	}
	fixture_probe = NULL;
}

static void nothing_is_no_proof(void **state)
{
	(void)state;
	f.audit.n_taps = 0;
	tell();
	assert_level("ports", "NOT-COVERED", "no tap has");
	assert_level("hooks", "NOT-COVERED", "no tap");
	assert_level("programs", "NOT-COVERED", "no tap");
	assert_verdict("NOT-COVERED");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_sound_node),
		TEST(a_table_that_differs),
		TEST(what_the_taps_show),
		TEST(the_program_has_the_last_word),
		TEST(what_the_documents_mean),
		TEST(what_the_decision_code_says),
		TEST(nothing_is_no_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
