/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/matrix_digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include <jansson.h>

#include "agent/base/hex.h"
#include "unit/meaning.h"

/* The digest of the approved matrix: equal if and only if the meaning is. */

#define POLICIES 150

struct digest {
	char text[CLO_MATRIX_DIGEST];
};

static struct digest digest_of(struct made *made, time_t now)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	struct digest digest;

	compiled = compile_at(made, now);
	assert_int_equal(clo_matrix_digest(compiled, NULL, digest.text), 0);
	made_free(made);
	return digest;
}

static void check_same(struct digest a, struct digest b, bool same)
{
	assert_int_equal(strlen(a.text), 71);
	assert_true((strcmp(a.text, b.text) == 0) == same);
}

static struct digest digest_of_rules(const struct meaning_spec *spec)
{
	return digest_of(meaning_policy(spec, SIZE_MAX), 0);
}

static const struct meaning_spec plain = {
	.rules = {{0, "web", "db", "tcp/1-9"},
		  {0, "web", "8.0.0.0/8", "tcp/443"},
		  {0, "10.0.0.0/8", "db", "tcp/5"}},
	.n = 3,
};

/* Other rules, other classes, other blocks, the same flows. */
static void meaning_alone_counts(void **state)
{
	static const struct meaning_spec other = {
		.rules = {{0, "web", "8.0.0.0/9", "tcp/443"},
			  {0, "web", "db", "tcp/3-9"},
			  {0, "web", "8.128.0.0/9", "tcp/443"},
			  {0, "10.0.0.2/31", "db", "tcp/5"},
			  {0, "10.0.0.0/8", "db", "tcp/5"},
			  {0, "web", "db", "tcp/1-4"},
			  {0, "ops", "0.0.0.0/0", "any"}},
		.n = 7,
	};

	(void)state;
	check_same(digest_of_rules(&plain), digest_of_rules(&other), true);
}

/* The document: its own SHA-256, JSON, and what it says. */
static void the_document_is_what_was_digested(void **state)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	struct made *made = meaning_policy(&plain, SIZE_MAX);
	CLO_AUTO_MEM char *text = NULL;
	char digest[CLO_MATRIX_DIGEST];
	json_auto_t *document = NULL;
	uint8_t bytes[32];
	char hex[65];
	size_t n;
	FILE *file = open_memstream(&text, &n);

	(void)state;
	compiled = compile_at(made, 0);
	assert_non_null(file);
	assert_int_equal(clo_matrix_digest(compiled, file, digest), 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(EVP_Digest(text, n, bytes, NULL, EVP_sha256(), NULL),
			 1);
	clo_hex_encode(bytes, 32, hex);
	assert_string_equal(digest + 7, hex);

	document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(document);
	assert_non_null(
		strstr(text, "{\"from\":\"acme/production/front{web}\",\"to\":"
			     "\"acme/production/front{db}\",\"services\":["
			     "\"tcp/1-9\"]}"));
	assert_non_null(strstr(
		text, "{\"from\":\"acme/production/back{web,app}\",\"to\":"
		      "\"outside 8.0.0.0/8\",\"services\":[\"tcp/443\"]}"));
	assert_non_null(strstr(text, "{\"addresses\":\"8.0.0.0/8\",\"class\":"
				     "\"outside 8.0.0.0/8\"}"));
	/* Nothing without a flow is listed outside. */
	assert_int_equal(json_array_size(json_object_get(document, "outside")),
			 2);
	assert_int_equal(
		json_array_size(json_object_get(document, "endpoints")), 8);
	made_free(made);
}

/* No flow is too small to matter, and no binding. */
static void every_change_shows(void **state)
{
	struct digest base = digest_of_rules(&plain);
	struct clo_interface_doc *interface;
	struct meaning_spec spec = plain;
	struct made *made;

	(void)state;
	spec.rules[0].ports = "tcp/1-10";
	check_same(base, digest_of_rules(&spec), false);
	spec.rules[0] = (struct meaning_rule){0, "db", "web", "tcp/1-9"};
	check_same(base, digest_of_rules(&spec), false);
	spec = plain;
	spec.rules[1].to = "8.0.0.0/8-8.1.2.3/32";
	check_same(base, digest_of_rules(&spec), false);

	for (int change = 0; change < 6; change++) {
		made = meaning_policy(&plain, SIZE_MAX);
		interface = made->policy.workloads[1].interfaces;
		if (change == 0)
			interface->mac[5] ^= 0x80;
		else if (change == 1)
			interface->addresses[0].addr[3] ^= 64;
		else if (change == 2)
			interface->mode = CLO_MODE_AUDIT;
		else if (change == 3)
			interface->groups[0] = 3;
		else if (change == 4)
			made_forensics(made, "9.9.9.9/32");
		else
			made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, DB,
				      "10.0.0.77");
		check_same(base, digest_of(made, 0), false);
	}
}

static struct made *excepted(time_t not_after)
{
	struct made *made = meaning_policy(&plain, SIZE_MAX);

	made_exception(made, "net.cross-tenant-deny", "acme/production/r1", 100,
		       not_after);
	return made;
}

static void exceptions_show(void **state)
{
	struct digest base = digest_of(excepted(200), 150);

	(void)state;
	check_same(base, digest_of(excepted(200), 199), true);
	check_same(base, digest_of(excepted(201), 150), false);
	/* It has ended, and the flow with it. */
	check_same(base, digest_of(excepted(200), 200), false);
	check_same(base, digest_of_rules(&plain), false);
}

/* A random policy and a small change of it: no packet tells them apart, or the
 * digests do. */
static void digests_are_equal_if_meanings_are(void **state)
{
	size_t n_same = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= POLICIES; seed++) {
		struct meaning_spec specs[2];
		struct digest digests[2];
		uint32_t *meanings[2];
		size_t at;
		bool same;

		meaning_roll(seed, &specs[0]);
		specs[1] = specs[0];
		at = roll((uint32_t)specs[1].n);
		if (roll(2))
			specs[1].rules[at] = meaning_roll_rule();
		else
			specs[1].rules[specs[1].n++] = meaning_roll_rule();
		for (int i = 0; i < 2; i++) {
			struct made *made = meaning_policy(&specs[i], SIZE_MAX);
			struct clo_compiled *compiled = compile_at(made, 0);

			meanings[i] = meaning_of(compiled);
			assert_int_equal(clo_matrix_digest(compiled, NULL,
							   digests[i].text),
					 0);
			clo_compiled_free(compiled);
			made_free(made);
		}
		same = meaning_equal(meanings[0], meanings[1]);
		if ((strcmp(digests[0].text, digests[1].text) == 0) != same)
			fail_msg("seed %u: meanings are %s", seed,
				 same ? "equal" : "different");
		n_same += same;
		free(meanings[0]);
		free(meanings[1]);
	}
	assert_in_range(n_same, POLICIES / 10, POLICIES * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meaning_alone_counts),
		cmocka_unit_test(the_document_is_what_was_digested),
		cmocka_unit_test(every_change_shows),
		cmocka_unit_test(exceptions_show),
		cmocka_unit_test(digests_are_equal_if_meanings_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
