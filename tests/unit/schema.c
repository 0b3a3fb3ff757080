/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "policy_base.h"

/*
 * The JSON Schemas and the parser accept the same documents, as far as a schema
 * can say it. Each case stands among the base documents that it may refer to.
 */

#define EXPAND                                                                 \
	"/usr/bin/python3 " POLICY_DATA                                        \
	"schema-cases/expand.py " CLO_SOURCE_DIR "/policy/schema " POLICY_DATA \
	"base"

/* node.json needs nothing, tenants the Node, the rest Node and tenants. */
static size_t count_base(const char *what)
{
	if (strncmp(what, "node.json", strlen("node.json")) == 0)
		return 0;
	if (strncmp(what, "tenant.json", strlen("tenant.json")) == 0)
		return 1;
	return 3;
}

static bool parser_accepts(const struct clo_document *base, const char *what,
			   const char *text)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document documents[BASE_COUNT];
	size_t n = count_base(what);
	int r;

	memcpy(documents, base, n * sizeof(*base));
	documents[n] = (struct clo_document){"case", text, strlen(text)};
	assert_int_equal(clo_flaws_new(&flaws), 0);
	r = clo_policy_parse(documents, n + 1, POLICY_NOW, &policy, flaws);
	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r == 0, clo_flaws_count(flaws) == 0);
	return r == 0;
}

static void schemas_agree_with_parser(void **state)
{
	struct clo_document base[BASE_COUNT];
	size_t room = 0, cases = 0, wrong = 0;
	FILE *expand = popen(EXPAND, "re");
	char *line = NULL;

	(void)state;
	assert_non_null(expand);
	base_read(base);
	while (getline(&line, &room, expand) > 0) {
		char *rest = line;
		bool expected = strcmp(strsep(&rest, "\t"), "good") == 0;
		bool schema = strcmp(strsep(&rest, "\t"), "good") == 0;
		const char *what = strsep(&rest, "\t");
		bool parser = parser_accepts(base, what, rest);

		cases++;
		if (schema == expected && parser == expected)
			continue;
		wrong++;
		print_error("%s: expected %d, schema %d, parser %d\n", what,
			    expected, schema, parser);
	}
	free(line);
	base_done(base);
	assert_int_equal(pclose(expand), 0);
	assert_true(cases > 300);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas_agree_with_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
