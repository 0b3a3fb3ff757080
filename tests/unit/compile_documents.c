/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "policy/compile.h"
#include "policy/parse.h"
#include "policy/prove.h"

/* The documents of a real policy, all the way to the proof. */

#define NOW 1767225600 /* 2026-01-01 */

static const char *const names[] = {"acme.json", "exception.json",
				    "globex.json", "node.json",
				    "workloads.json"};

#define DOCUMENTS CLO_ARRAY_LEN(names)

static char *read_file(const char *name, size_t *ret_len)
{
	char path[256];
	char *text = calloc(1, 1U << 20);
	FILE *file;

	assert_non_null(text);
	(void)snprintf(path, sizeof(path),
		       CLO_SOURCE_DIR "/tests/data/policy/base/%s", name);
	file = fopen(path, "re");
	assert_non_null(file);
	*ret_len = fread(text, 1, 1U << 20, file);
	assert_in_range(*ret_len, 2, (1U << 20) - 1);
	(void)fclose(file);
	return text;
}

struct chain {
	struct clo_policy *policy;
	struct clo_compiled *compiled;
};

/* Rotated by `first`, and backwards if `back`. */
static void compile_documents(size_t first, bool back, struct chain *chain)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document documents[DOCUMENTS];
	char *texts[DOCUMENTS];

	for (size_t i = 0; i < DOCUMENTS; i++) {
		size_t at = (first + (back ? DOCUMENTS - i : i)) % DOCUMENTS;

		texts[i] = read_file(names[at], &documents[i].len);
		documents[i].name = names[at];
		documents[i].text = texts[i];
	}
	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(clo_policy_parse(documents, DOCUMENTS, NOW,
					  &chain->policy, flaws),
			 0);
	assert_int_equal(
		clo_compile(chain->policy, NOW, &chain->compiled, flaws), 0);
	for (size_t i = 0; i < DOCUMENTS; i++)
		free(texts[i]);
}

static void chain_free(struct chain *chain)
{
	clo_compiled_free(chain->compiled);
	clo_policy_free(chain->policy);
}

static void any_order_gives_the_same_tables(void **state)
{
	struct chain first;

	(void)state;
	compile_documents(0, false, &first);
	assert_true(first.compiled->tables->gen.identities > 3);
	for (size_t i = 1; i < 2 * DOCUMENTS; i++) {
		struct chain other;

		compile_documents(i % DOCUMENTS, i >= DOCUMENTS, &other);
		assert_int_equal(clo_tables_compare(first.compiled->tables,
						    other.compiled->tables,
						    NULL, 0),
				 0);
		chain_free(&other);
	}
	chain_free(&first);
}

static void a_real_policy_proves(void **state)
{
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	CLO_AUTO_MEM bool *excepted = NULL;
	struct chain chain;
	uint32_t n_rules;
	char text[160];

	(void)state;
	compile_documents(0, false, &chain);
	n_rules = chain.compiled->tables->gen.rules;
	excepted = calloc(n_rules, sizeof(*excepted));
	assert_non_null(proof);
	assert_non_null(excepted);
	for (uint32_t i = 0; i < n_rules; i++)
		excepted[i] = chain.compiled->excepted[i] != NULL;
	assert_int_equal(clo_prove(chain.compiled->tables, excepted, n_rules,
				   proof, text),
			 0);
	assert_true(proof->allowed > 0);
	assert_int_equal(proof->breached - proof->excepted, 0);
	chain_free(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_gives_the_same_tables),
		cmocka_unit_test(a_real_policy_proves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
