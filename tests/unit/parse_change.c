/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "policy/compile.h"
#include "policy/parse.h"
#include "unit/random_policy.h"

/*
 * Chains of documents, each a change of those before: what is read of the
 * change alone is what is read of all, to the byte of the tables; and what is
 * no change of rules, or has a flaw, is not read by the change.
 */
#ifdef CLO_SANITIZED /* slow */
#define CHAINS 100
#else
#define CHAINS 500
#endif
#define STEPS 6
#define FILES_MAX 64

static uint64_t seed; /* told at the end: a failure's is the last one */

static struct {
	uint64_t changed, flawed, others;
} seen;

/* Documents as files, one each. */
struct files {
	struct clo_document list[FILES_MAX];
	char names[FILES_MAX][16];
	char *texts[FILES_MAX];
	size_t n;
};

static struct files *files_new(const json_t *documents)
{
	struct files *files = calloc(1, sizeof(*files));

	assert_non_null(files);
	files->n = json_array_size(documents);
	assert_in_range(files->n, 1, FILES_MAX);
	for (size_t i = 0; i < files->n; i++) {
		files->texts[i] =
			json_dumps(json_array_get(documents, i),
				   i % 2 ? JSON_COMPACT : JSON_INDENT(1));
		assert_non_null(files->texts[i]);
		(void)snprintf(files->names[i], sizeof(files->names[i]), "%zu",
			       i);
		files->list[i] =
			(struct clo_document){files->names[i], files->texts[i],
					      strlen(files->texts[i])};
	}
	return files;
}

static void files_free(struct files *files)
{
	for (size_t i = 0; files && i < files->n; i++)
		free(files->texts[i]);
	free(files);
}

/* The documents of a kind that a chain has; `nth` of them. */
static json_t *find(json_t *documents, const char *kind, uint32_t nth)
{
	json_t *found = NULL;
	json_t *document;
	size_t i;

	json_array_foreach (documents, i, document) {
		if (strcmp(json_string_value(json_object_get(document, "kind")),
			   kind) != 0)
			continue;
		found = document;
		if (nth-- == 0)
			break;
	}
	return found;
}

static json_t *rules_of(json_t *documents, struct dice *dice)
{
	static const char *const names[] = {"production", "test",
					    "development"};
	json_t *tenant = find(documents, "Tenant", roll(dice, 2));

	return json_object_get(
		json_object_get(json_object_get(tenant, "environments"),
				names[roll(dice, 3)]),
		"rules");
}

/* Another port, other sides, another place, one less or one more. */
static void change_rule(json_t *rules, const json_t *others, struct dice *dice)
{
	size_t n = json_array_size(rules);
	size_t at = roll(dice, (uint32_t)n);
	json_t *rule = json_array_get(rules, at);
	json_auto_t *copy = json_deep_copy(rule);
	const json_t *other;

	switch (roll(dice, 5)) {
	case 0:
		if (json_object_get(rule, "ports"))
			(void)json_object_set_new(
				rule, "ports",
				json_pack("[s]",
					  roll(dice, 2) ? "tcp/443" : "udp"));
		break;
	case 1: /* perhaps a side that may not be: a flaw */
		other = json_array_get(others, 0);
		if (other)
			(void)json_object_set(rule, "from",
					      json_object_get(other, "from"));
		break;
	case 2:
		(void)json_array_remove(rules, at);
		(void)json_array_insert(rules, roll(dice, (uint32_t)n), copy);
		break;
	case 3:
		(void)json_array_remove(rules, at);
		break;
	default: /* perhaps a name that is taken: a flaw */
		(void)json_object_set_new(copy, "name",
					  json_sprintf("n%u", roll(dice, 9)));
		(void)json_array_append(rules, copy);
	}
}

/* Something that rules may refer to; what else a policy is made of. */
static void change_other(json_t *documents, struct dice *dice)
{
	json_t *tenant = find(documents, "Tenant", roll(dice, 2));

	switch (roll(dice, 4)) {
	case 0:
		(void)json_object_set_new(tenant, "qualification",
					  json_integer(3));
		break;
	case 1:
		(void)json_array_append_new(
			json_object_get(
				json_object_get(
					json_object_get(tenant, "environments"),
					"test"),
				"groups"),
			json_string("another"));
		break;
	case 2:
		(void)json_object_set_new(find(documents, "Node", 0), "name",
					  json_string("another"));
		break;
	default:
		(void)json_object_set_new(find(documents, "Workload", 0),
					  "domain", json_string("another"));
	}
}

static bool change(json_t *documents, struct dice *dice)
{
	uint32_t n = roll(dice, 4);

	if (roll(dice, 8) == 0) {
		change_other(documents, dice);
		return false;
	}
	while (n-- > 0) {
		json_t *rules = rules_of(documents, dice);

		if (json_array_size(rules))
			change_rule(rules, rules_of(documents, dice), dice);
	}
	return true;
}

static int parse(const struct files *files, struct clo_policy **ret_policy)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;

	assert_int_equal(clo_flaws_new(&flaws), 0);
	return clo_policy_parse(files->list, files->n, RANDOM_BEGIN, ret_policy,
				flaws);
}

static struct clo_compiled *compile(const struct clo_policy *policy)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_compiled *compiled = NULL;

	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(
		clo_compile(policy, RANDOM_BEGIN + 1, &compiled, flaws), 0);
	return compiled;
}

static void check_rule(const struct clo_rule_doc *a,
		       const struct clo_rule_doc *b)
{
	assert_string_equal(a->full, b->full);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->file, b->file);
	assert_int_equal(a->line, b->line);
}

static void check_equal(const struct clo_policy *a, const struct clo_policy *b)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *one = compile(a);
	CLO_AUTO(clo_compiled) struct clo_compiled *other = compile(b);
	struct clo_difference difference;

	assert_memory_equal(a->digest, b->digest, sizeof(a->digest));
	assert_int_equal(a->values, b->values);
	assert_int_equal(
		clo_tables_compare(one->tables, other->tables, &difference, 1),
		0);
	assert_memory_equal(one->tables->gen.tables_digest,
			    other->tables->gen.tables_digest, 32);
	for (uint32_t i = 1; i < one->tables->gen.rules; i++) {
		check_rule(one->rules[i], other->rules[i]);
		assert_int_equal(one->excepted[i] != NULL,
				 other->excepted[i] != NULL);
	}
}

/* What a chain stands on. */
struct stand {
	json_t *documents;
	struct files *files;
	struct clo_policy *policy;
};

/* Takes the step if its documents have no flaw. */
static void step(struct stand *stand, struct dice *dice)
{
	struct stand next = {.documents = json_deep_copy(stand->documents)};
	struct clo_policy *whole = NULL;
	bool of_rules = change(next.documents, dice);
	int r, full;

	/* as it was already */
	of_rules |= json_equal(next.documents, stand->documents);
	next.files = files_new(next.documents);
	full = parse(next.files, &whole);
	r = clo_policy_parse_change(stand->policy, stand->files->list,
				    stand->files->n, next.files->list,
				    next.files->n, RANDOM_BEGIN, &next.policy);
	assert_int_equal(r, full < 0 || !of_rules ||
					    stand->policy->changes >
						    stand->policy->whole
				    ? -EAGAIN
				    : 0);
	seen.changed += r == 0;
	seen.flawed += full < 0;
	seen.others += !of_rules;
	if (r == 0)
		check_equal(next.policy, whole);
	else
		next.policy = CLO_TAKE(whole);
	clo_policy_free(whole);

	if (next.policy) {
		struct stand old = *stand;

		*stand = next;
		next = old;
	}
	clo_policy_free(next.policy);
	files_free(next.files);
	json_decref(next.documents);
}

/* An exception that has ended is a flaw, whatever else changed. */
static void check_end(const struct stand *stand)
{
	struct clo_policy *next = NULL;

	if (stand->policy->n_exceptions == 0)
		return;
	assert_int_equal(clo_policy_parse_change(
				 stand->policy, stand->files->list,
				 stand->files->n, stand->files->list,
				 stand->files->n, RANDOM_END + 86400, &next),
			 -EAGAIN);
}

static void a_change_is_read_as_the_whole(void **state)
{
	(void)state;
	for (seed = 1; seed <= CHAINS; seed++) {
		struct dice dice = dice_new(seed ^ 0xc4a46e);
		struct made *made = random_policy(seed, RANDOM_LEGAL);
		struct stand stand = {
			.documents = random_documents(&made->policy, NULL)};

		stand.files = files_new(stand.documents);
		assert_int_equal(parse(stand.files, &stand.policy), 0);
		check_end(&stand);
		for (int i = 0; i < STEPS; i++)
			step(&stand, &dice);
		clo_policy_free(stand.policy);
		files_free(stand.files);
		json_decref(stand.documents);
		made_free(made);
	}
	assert_in_range(seen.changed, CHAINS * 2, UINT64_MAX);
	assert_in_range(seen.flawed, CHAINS / 10, UINT64_MAX);
	assert_in_range(seen.others, CHAINS / 10, UINT64_MAX);
}

static const char node[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Node\", \"name\": \"n\","
	" \"bridges\": [\"br0\"], \"addresses\": [\"192.0.2.1\"]}";
#define TENANT                                                                 \
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\", "              \
	"\"name\": \"acme\", \"qualification\": 1, \"environments\": "         \
	"{\"test\": {\"segments\": [{\"name\": \"s\", "                        \
	"\"cidrs\": [\"10.0.0.0/24\"]}], \"groups\": [\"g\"], \"rules\": [%s]}}}"
#define RULE                                                                   \
	"{\"name\": \"%s\", \"from\": {\"group\": \"g\"}, \"to\": "            \
	"{\"group\": \"g\"}, \"ports\": [\"tcp/%u\"]}"

/* A node and a tenant of one rule. */
static void two_files(char text[1024], const char *name, unsigned int port,
		      struct clo_document ret_files[2])
{
	char rule[256];

	(void)snprintf(rule, sizeof(rule), RULE, name, port);
	(void)snprintf(text, 1024, TENANT, rule);
	ret_files[0] = (struct clo_document){"node", node, sizeof(node) - 1};
	ret_files[1] = (struct clo_document){"acme", text, strlen(text)};
}

/* However many they are, what they share is let go some time. */
static void changes_do_not_pile_up(void **state)
{
	char texts[2][1024];
	struct clo_document files[2][2];
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_policy *policy = NULL;
	int r = 0;
	unsigned int n;

	(void)state;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	two_files(texts[0], "r", 1, files[0]);
	assert_int_equal(clo_policy_parse(files[0], 2, 0, &policy, flaws), 0);
	for (n = 1; n < 1000 && r == 0; n++) {
		struct clo_policy *next = NULL;

		two_files(texts[n % 2], "r", 1 + n, files[n % 2]);
		r = clo_policy_parse_change(policy, files[(n + 1) % 2], 2,
					    files[n % 2], 2, 0, &next);
		if (r < 0)
			break;
		clo_policy_free(policy);
		policy = next;
		assert_int_equal(clo_policy_rules(policy, 0, CLO_ENV_TEST)
					 .items[0]
					 .ports[0]
					 .first,
				 1 + n);
	}
	assert_int_equal(r, -EAGAIN);
	assert_in_range(n, 3, 10);
	clo_policy_free(policy);
}

static void other_files_are_no_change(void **state)
{
	char texts[2][1024];
	char twice[1200];
	struct clo_document was[2];
	struct clo_document is[2];
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	struct clo_policy *next = NULL;

	(void)state;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	two_files(texts[0], "r", 1, was);
	assert_int_equal(clo_policy_parse(was, 2, 0, &policy, flaws), 0);

	two_files(texts[1], "r", 2, is);
	is[1].name = "other";
	assert_int_equal(
		clo_policy_parse_change(policy, was, 2, is, 2, 0, &next),
		-EAGAIN);
	assert_int_equal(
		clo_policy_parse_change(policy, was, 2, was, 1, 0, &next),
		-EAGAIN);
	/* the same key twice, no JSON, nothing at all */
	(void)snprintf(twice, sizeof(twice), "{\"name\": \"acme\", %s",
		       texts[1] + 1);
	for (size_t i = 0; i < 3; i++) {
		const char *const bad[] = {twice, "{", ""};

		is[1] = (struct clo_document){"acme", bad[i], strlen(bad[i])};
		assert_int_equal(clo_policy_parse_change(policy, was, 2, is, 2,
							 0, &next),
				 -EAGAIN);
	}
	assert_null(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_read_as_the_whole),
		cmocka_unit_test(changes_do_not_pile_up),
		cmocka_unit_test(other_files_are_no_change),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	if (r)
		print_error("seed %llu\n", (unsigned long long)seed);
	return r;
}
