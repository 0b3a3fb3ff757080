/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <jansson.h>

#include "policy/address.h"
#include "policy/explain.h"
#include "policy/matrix_digest.h"
#include "unit/meaning.h"

/*
 * What the lines of a plan cover, told from their words alone, against the
 * verdicts on every packet before and after.
 */

#define PLANS 100

#define PROD "acme/production/"

static const struct {
	const char *scope, *segment, *groups;
} places[] = {
	{PROD, "front", "web"},
	{PROD, "front", "web"},
	{PROD, "front", "db"},
	{PROD, "front", "web"},
	{PROD, "back", "web app"},
	{"acme/test/", "front", "web"},
	{"acme/test/", "back", "db"},
	{"bolt/production/", "front", "web"},
	{"bolt/production/", "front", "db"},
};

static bool in_block(const char *block, const char *address)
{
	struct clo_cidr cidr;
	struct clo_cidr own;

	assert_int_equal(clo_cidr_parse(block, CLO_FORM_EITHER, &cidr), 0);
	assert_int_equal(clo_cidr_parse(address, CLO_FORM_ADDRESS, &own), 0);
	if (cidr.family != own.family)
		return false;
	for (unsigned int bit = 0; bit < cidr.bits; bit++)
		if ((cidr.addr[bit / 8] ^ own.addr[bit / 8]) &
		    (0x80U >> (bit % 8)))
			return false;
	return true;
}

static bool in_cidr(const json_t *set, size_t end)
{
	const char *scope = json_string_value(json_object_get(set, "scope"));
	const char *address = meaning_ends[end].address;
	const json_t *except;
	size_t i;

	if (end < CLO_ARRAY_LEN(places) &&
	    strncmp(places[end].scope, scope, strlen(scope)) != 0)
		return false;
	if (strcmp(address, "172.16.0.1") == 0 ||
	    strcmp(address, "169.254.1.1") == 0 ||
	    !in_block(json_string_value(json_object_get(set, "name")), address))
		return false;
	json_array_foreach (json_object_get(set, "except"), i, except)
		if (in_block(json_string_value(except), address))
			return false;
	return true;
}

static bool names_identity(const json_t *name,
			   const struct clo_compiled *compiled, size_t end)
{
	uint32_t identity = meaning_identity(compiled, end);

	if (!identity)
		return json_is_null(name);
	return json_is_string(name) &&
	       !strcmp(json_string_value(name),
		       compiled->identities[identity].name);
}

static bool in_set(const json_t *set, struct clo_compiled *const both[2],
		   size_t end)
{
	const char *kind = json_string_value(json_object_get(set, "kind"));
	const char *name = json_string_value(json_object_get(set, "name"));
	size_t n;

	if (strcmp(kind, "identity") == 0)
		return names_identity(json_object_get(set, "before"), both[0],
				      end) &&
		       names_identity(json_object_get(set, "after"), both[1],
				      end);
	if (strcmp(kind, "cidr") == 0)
		return in_cidr(set, end);
	if (strcmp(kind, "service") == 0)
		return strcmp(meaning_ends[end].address, "169.254.1.1") == 0;
	if (end >= CLO_ARRAY_LEN(places))
		return false;
	n = strlen(places[end].scope);
	if (strncmp(name, places[end].scope, n) != 0)
		return false;
	return strcmp(kind, "group") == 0
		       ? strstr(places[end].groups, name + n) != NULL
		       : strcmp(places[end].segment, name + n) == 0;
}

static bool in_sets(const json_t *sets, struct clo_compiled *const both[2],
		    size_t end)
{
	const json_t *set;
	size_t i;

	json_array_foreach (sets, i, set)
		if (in_set(set, both, end))
			return true;
	return false;
}

static bool in_service(const char *text, const struct meaning_service *service)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} protos[] = {{"tcp", 6},     {"udp", 17}, {"sctp", 132}, {"icmp", 1},
		      {"icmpv6", 58}, {"gre", 47}, {"esp", 50}};

	size_t n = strcspn(text, "/");
	unsigned int first = 0;
	unsigned int last = 65535;
	int got;

	if (strcmp(text, "any") == 0)
		return service->proto != 47 && service->proto != 50;
	if (strcmp(text, "other protocols") == 0)
		return service->proto == 47 || service->proto == 50 ||
		       service->proto == 89 || service->proto == 90;
	if (text[n]) {
		got = sscanf(text + n, "/%u-%u", &first, &last);
		assert_in_range(got, 1, 2);
		last = got == 1 ? first : last;
	}
	if (strncmp(text, "proto", n) == 0)
		return first <= service->proto && service->proto <= last &&
		       (service->proto == 47 || service->proto == 50 ||
			service->proto == 89 || service->proto == 90);
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++)
		if (strlen(protos[i].name) == n &&
		    strncmp(protos[i].name, text, n) == 0)
			return protos[i].proto == service->proto &&
			       first <= service->number &&
			       service->number <= last;
	/* A protocol that no packet of the test has. */
	return false;
}

/* By bit of the meaning: how many of the lines cover it, and the last's rule. */
struct covered {
	uint8_t n;
	const char *rule;
};

static void cover(const json_t *lines, struct clo_compiled *const both[2],
		  struct covered *ret_covered)
{
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		const json_t *services = json_object_get(line, "services");
		bool to[MEANING_ENDS];
		bool service[MEANING_SERVICES] = {0};

		for (size_t end = 0; end < MEANING_ENDS; end++)
			to[end] =
				in_sets(json_object_get(line, "to"), both, end);
		for (size_t s = 0; s < MEANING_SERVICES; s++)
			for (size_t k = 0; k < json_array_size(services); k++)
				service[s] |= in_service(
					json_string_value(
						json_array_get(services, k)),
					&meaning_services[s]);
		for (size_t at = 0; at < MEANING_BITS; at++) {
			size_t pair = at / MEANING_SERVICES;

			if (!service[at % MEANING_SERVICES] ||
			    !to[pair % MEANING_ENDS] ||
			    !in_sets(json_object_get(line, "from"), both,
				     pair / MEANING_ENDS))
				continue;
			ret_covered[at].n++;
			ret_covered[at].rule = json_string_value(
				json_object_get(line, "rule"));
		}
	}
}

/* Each packet that changes is in one line, of its rule; no other is in any. */
static void check_exact(uint32_t seed, const json_t *plan,
			struct clo_compiled *const both[2],
			uint32_t *const meanings[2], int after)
{
	struct covered *covered = calloc(MEANING_BITS, sizeof(*covered));

	assert_non_null(covered);
	cover(json_object_get(json_object_get(plan, "folded"),
			      after ? "gained" : "lost"),
	      both, covered);
	for (size_t at = 0; at < MEANING_BITS; at++) {
		uint32_t rule = meanings[after][at];
		bool changes = rule && !meanings[!after][at];

		if (covered[at].n != changes ||
		    (changes && strcmp(covered[at].rule,
				       both[after]->rules[rule]->full) != 0))
			fail_msg("seed %u: %s > %s, %u/%u: %u lines, %s", seed,
				 meaning_ends[at / MEANING_SERVICES /
					      MEANING_ENDS]
					 .address,
				 meaning_ends[at / MEANING_SERVICES %
					      MEANING_ENDS]
					 .address,
				 meaning_services[at % MEANING_SERVICES].proto,
				 meaning_services[at % MEANING_SERVICES].number,
				 covered[at].n,
				 changes ? "changes" : "does not change");
	}
	free(covered);
}

static void check_counts(const json_t *plan, const char *list)
{
	const json_t *lines =
		json_object_get(json_object_get(plan, "folded"), list);
	json_int_t flows = 0;
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line)
		flows += json_integer_value(json_object_get(line, "flows"));
	assert_int_equal(flows, json_array_size(json_object_get(plan, list)));
	assert_int_equal(flows,
			 json_integer_value(json_object_get(
				 json_object_get(plan, "counts"), list)));
}

/* Nothing changes if and only if the digest of the matrix does not. */
static void check_digests(uint32_t seed, const json_t *plan,
			  struct clo_compiled *const both[2])
{
	static const char *const members[] = {"gained", "lost", "endpoints",
					      "exceptions", "settings"};
	char digests[2][CLO_MATRIX_DIGEST];
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		assert_int_equal(clo_matrix_digest(both[i], NULL, digests[i]),
				 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(members); i++)
		n += json_array_size(json_object_get(plan, members[i]));
	if ((n == 0) != !strcmp(digests[0], digests[1]))
		fail_msg("seed %u: %zu changes, %s and %s", seed, n, digests[0],
			 digests[1]);
}

static void lines_are_the_union_of_their_flows(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= PLANS; seed++) {
		struct meaning_spec specs[2];
		struct made *made[2];
		struct clo_compiled *both[2];
		uint32_t *meanings[2];
		json_t *plan;

		meaning_roll(seed * 7919, &specs[0]);
		specs[1] = specs[0];
		if (roll(2))
			meaning_roll(seed * 104729, &specs[1]);
		else
			specs[1].rules[roll((uint32_t)specs[1].n)] =
				meaning_roll_rule();
		for (int i = 0; i < 2; i++) {
			made[i] = meaning_policy(&specs[i], SIZE_MAX);
			both[i] = compile_at(made[i], 0);
			meanings[i] = meaning_of(both[i]);
		}
		plan = clo_explain_plan(both[0], both[1], 0);
		assert_non_null(plan);
		for (int i = 0; i < 2; i++) {
			check_exact(seed, plan, both, meanings, i);
			check_counts(plan, i ? "gained" : "lost");
		}
		check_digests(seed, plan, both);
		json_decref(plan);
		for (int i = 0; i < 2; i++) {
			free(meanings[i]);
			clo_compiled_free(both[i]);
			made_free(made[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_union_of_their_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
