/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/cli/paranoid.h"
#include "check.h"
#include "policy/compile.h"

/*
 * `--paranoid` with a compiler that errs: nothing else finds it, and neither
 * plan nor apply goes on.
 */
static bool errs;

/* The linker gives these names. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);
int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);

int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws)
{
	int r = __real_clo_compile(policy, now, ret_compiled, flaws);

	/* The only row is lost. */
	if (r == 0 && errs)
		(*ret_compiled)->tables->table[CLO_TABLE_PAIRS].n = 0;
	return r;
}

/* NOLINTEND(bugprone-reserved-identifier) */

#define TEXT                                                                   \
	"[{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\",\"name\":\"n\","    \
	"\"bridges\":[\"br0\"]},"                                              \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Tenant\",\"name\":\"acme\"" \
	",\"qualification\":1,\"environments\":{\"production\":{"              \
	"\"segments\":[{\"name\":\"s\",\"cidrs\":[\"10.0.0.0/24\"]}],"         \
	"\"groups\":[\"web\"],\"rules\":[{\"name\":\"out\",\"from\":"          \
	"{\"group\":\"web\"},\"to\":{\"cidr\":\"192.0.2.0/24\"},"              \
	"\"ports\":[\"tcp/443\"]}]}}},"                                        \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Workload\",\"name\":\"w\"," \
	"\"tenant\":\"acme\",\"environment\":\"production\",\"interfaces\":["  \
	"{\"mac\":\"52:54:00:00:00:01\",\"segment\":\"s\",\"addresses\":["     \
	"\"10.0.0.5\"],\"groups\":[\"web\"]}]}]"

/* Its JSON on stdout would be the test's own output. */
static int check(json_t **ret_oracle, char ret_text[1024])
{
	const struct clo_cli cli = {.json = false};
	json_auto_t *documents = NULL;
	FILE *saved = stderr;
	FILE *file = fmemopen(ret_text, 1024, "w");
	int code;

	assert_non_null(file);
	memset(ret_text, 0, 1024);
	documents = json_pack("[{s:s, s:s}]", "name", "all.json", "text", TEXT);
	assert_non_null(documents);
	stderr = file;
	code = clo_paranoid_check(&cli, documents, ret_oracle);
	stderr = saved;
	(void)fclose(file);
	return code;
}

static void a_compiler_that_errs_is_refused(void **state)
{
	json_t *oracle = NULL;
	char text[1024];

	(void)state;
	errs = true;
	assert_int_equal(check(&oracle, text), CLO_EXIT_REFUSED);
	assert_null(oracle);
	assert_non_null(strstr(text, "10.0.0.5 > 192.0.2.0 tcp/443: the "
				     "documents allow (rule "
				     "acme/production/out), the tables deny"));
}

static void a_compiler_that_does_not_is_not(void **state)
{
	json_t *oracle = NULL;
	char text[1024];

	(void)state;
	errs = false;
	assert_int_equal(check(&oracle, text), CLO_EXIT_OK);
	assert_string_equal(text, "");
	assert_int_equal(json_integer_value(json_object_get(oracle, "allowed")),
			 1);
	json_decref(oracle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compiler_that_errs_is_refused),
		cmocka_unit_test(a_compiler_that_does_not_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
