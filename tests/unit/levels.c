/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "check.h"
#include "policy/prove_levels.h"
#include "unit/judged.h"

/* The level that asks what the documents mean. */

static struct made *world(void)
{
	struct made *made = made_new();

	made_tenant(made, "acme", 7);
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.2");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/5432");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "udp/53");
	made_exception(made, "net.default-deny", "acme/production/r2", 500,
		       1500);
	return made;
}

static const struct clo_leveled *ask(const struct clo_proving *proving)
{
	static struct clo_leveled leveled;
	int r;

	leveled = (struct clo_leveled){0};
	assert_string_equal(clo_levels[0].name, "documents");
	assert_true(clo_levels[0].applies(proving));
	r = clo_levels[0].run(proving, &leveled);
	assert_int_equal(r, 0);
	return &leveled;
}

/* At whatever time they were compiled: the exception is in force, or over. */
static void sound_tables(void **state)
{
	static const time_t times[] = {100, 1000, 2000};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(times); i++) {
		struct made *made = world();
		struct clo_compiled *compiled = compile_at(made, times[i]);
		const struct clo_proving proving = {.compiled = compiled,
						    .documents = true};
		const struct clo_leveled *leveled = ask(&proving);

		assert_int_equal(leveled->proven, CLO_PROVEN);
		assert_int_equal(leveled->wrong, 0);
		assert_true(leveled->looked_at > 0);
		clo_compiled_free(compiled);
		made_free(made);
	}
}

static void other_tables(void **state)
{
	struct made *made = world();
	struct clo_compiled *compiled = compile_at(made, 1000);
	struct clo_compiled *later = compile_at(made, 2000);
	const struct clo_proving proving = {.compiled = compiled,
					    .observed = later->tables,
					    .documents = true};
	const struct clo_leveled *leveled = ask(&proving);

	(void)state;
	assert_int_equal(leveled->proven, CLO_VIOLATED);
	assert_true(leveled->wrong > 0);
	assert_true(leveled->text[0] != '\0');
	clo_compiled_free(later);
	clo_compiled_free(compiled);
	made_free(made);
}

/* The daemon does not wait for it. */
static void only_if_asked(void **state)
{
	const struct clo_proving proving = {0};

	(void)state;
	assert_false(clo_levels[0].applies(&proving));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_tables),
		cmocka_unit_test(other_tables),
		cmocka_unit_test(only_if_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
