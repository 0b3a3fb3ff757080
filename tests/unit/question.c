/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/question.h"

#include <stdio.h>

#include <jansson.h>

#include "policy/matrix_digest.h"
#include "unit/meaning.h"

/* Questions, about policies whose answers are known. */

#define PROD "acme/production/"
#define POLICIES 60

struct asking {
	struct made *made;
	struct clo_compiled *compiled;
	struct clo_asked asked;
	char error[160];
	json_t *answer;
};

static void begin(struct asking *asking, const struct meaning_spec *spec)
{
	*asking = (struct asking){.made = meaning_policy(spec, SIZE_MAX)};
	asking->compiled = compile_at(asking->made, 0);
	asking->asked = (struct clo_asked){.compiled = asking->compiled,
					   .within = 30 * 86400};
}

static void end(struct asking *asking)
{
	json_decref(asking->answer);
	clo_compiled_free(asking->compiled);
	made_free(asking->made);
}

static const json_t *ask(struct asking *asking, const char *question)
{
	json_decref(asking->answer);
	asking->error[0] = '\0';
	asking->answer = clo_question_find(question)->answer(&asking->asked,
							     asking->error);
	return asking->answer;
}

static const char *verdict(const json_t *answer)
{
	const char *word =
		json_string_value(json_object_get(answer, "verdict"));

	return word ? word : "-";
}

static void put_names(char *text, const json_t *sets)
{
	const json_t *set;
	size_t i;

	json_array_foreach (sets, i, set) {
		(void)strcat(text, i ? "+" : "");
		(void)strcat(text, json_is_string(set)
					   ? json_string_value(set)
					   : json_string_value(json_object_get(
						     set, "name")));
	}
}

/* "from > to services by rules\n" each. */
static void check_lines(const json_t *lines, const char *expected)
{
	char text[2048] = "";
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		put_names(text, json_object_get(line, "from"));
		(void)strcat(text, " > ");
		put_names(text, json_object_get(line, "to"));
		(void)strcat(text, " ");
		put_names(text, json_object_get(line, "services"));
		(void)strcat(text, " by ");
		put_names(text, json_object_get(line, "rules"));
		(void)strcat(text, "\n");
	}
	assert_string_equal(text, expected);
}

static const struct meaning_spec known = {
	.rules = {{0, "web", "db", "tcp/80,tcp/443"},
		  {0, "db", "@dns", "udp/53"},
		  {0, "8.0.0.0/8", "front", "tcp/443"},
		  {1, "web", "acme/test/db", "any"}},
	.n = 4,
};

static void reach_is_told(void **state)
{
	struct asking asking;

	(void)state;
	begin(&asking, &known);
	asking.asked.of = PROD "db";
	check_lines(json_object_get(ask(&asking, "reach"), "in"), PROD
		    "web > " PROD "db tcp/80+tcp/443 by " PROD "r1\n"
		    "outside 8.0.0.0/8 > " PROD "db tcp/443 by " PROD "r3\n");
	check_lines(json_object_get(asking.answer, "out"),
		    PROD "db > outside 169.254.1.1/32 udp/53 by " PROD "r2\n");
	asking.asked.service = "tcp/443";
	check_lines(json_object_get(ask(&asking, "reach"), "in"), PROD
		    "web > " PROD "db tcp/443 by " PROD "r1\n"
		    "outside 8.0.0.0/8 > " PROD "db tcp/443 by " PROD "r3\n");
	check_lines(json_object_get(asking.answer, "out"), "");
	asking.asked.of = "acme/test/w6/0";
	asking.asked.service = NULL;
	check_lines(json_object_get(ask(&asking, "reach"), "in"),
		    "acme/test/web > acme/test/db any by acme/test/r1\n");
	asking.asked.of = "8.1.2.0/24";
	check_lines(json_object_get(ask(&asking, "reach"), "out"),
		    "outside 8.0.0.0/8 > " PROD "front tcp/443 by " PROD
		    "r3\n");
	asking.asked.of = "9.0.0.0/8";
	check_lines(json_object_get(ask(&asking, "reach"), "out"), "");
	asking.asked.of = "dns";
	check_lines(json_object_get(ask(&asking, "reach"), "in"),
		    PROD "db > outside 169.254.1.1/32 udp/53 by " PROD "r2\n");
	end(&asking);
}

static void names_are_checked(void **state)
{
	static const struct {
		const char *name, *error;
	} cases[] = {
		{"nobody", "no such tenant"},
		{PROD "none", "no such tenant"},
		{"group:" PROD "front", "no such group"},
		{"segment:" PROD "web", "no such segment"},
		{"10.0.0.2", "that is endpoint " PROD "w2/0"},
		{"", "printable"},
		{"a\xc3\xa9", "printable"},
	};
	struct asking asking;

	(void)state;
	begin(&asking, &known);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		asking.asked.of = cases[i].name;
		assert_null(ask(&asking, "reach"));
		assert_non_null(strstr(asking.error, cases[i].error));
	}
	asking.asked.of = "cidr:10.0.0.2";
	assert_non_null(ask(&asking, "reach"));
	asking.asked.service = "tcp/70000";
	assert_null(ask(&asking, "reach"));
	assert_non_null(strstr(asking.error, "service: "));
	end(&asking);
}

static void isolation_is_proved_or_shown(void **state)
{
	static const struct {
		const char *a, *b, *service, *verdict, *packet;
	} cases[] = {
		{PROD "web", PROD "db", NULL, "VIOLATED",
		 "10.0.0.1 > 10.0.0.2 tcp/80"},
		{PROD "db", PROD "web", "tcp/443", "VIOLATED",
		 "10.0.0.1 > 10.0.0.2 tcp/443"},
		{PROD "web", PROD "db", "udp/1-65535", "PROVED", NULL},
		{"acme/production", "acme/test", NULL, "PROVED", NULL},
		{"acme", "bolt", NULL, "PROVED", NULL},
		{PROD "front", "8.128.0.0/9", NULL, "VIOLATED",
		 "8.128.0.0 > 10.0.0.1 tcp/443"},
		{PROD "front", "9.0.0.0/8", NULL, "PROVED", NULL},
		{PROD "back", "0.0.0.0/0", NULL, "PROVED", NULL},
		{PROD "db", "dns", NULL, "VIOLATED",
		 "10.0.0.2 > 169.254.1.1 udp/53"},
		{PROD "app", "dns", NULL, "PROVED", NULL},
		/* Nobody is in it: that proves nothing. */
		{PROD "ops", PROD "db", NULL, "NOT-COVERED", NULL},
	};
	struct asking asking;

	(void)state;
	begin(&asking, &known);
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const json_t *answer;

		asking.asked.of = cases[i].a;
		asking.asked.other = cases[i].b;
		asking.asked.service = cases[i].service;
		answer = ask(&asking, "isolated");
		assert_string_equal(asking.error, "");
		assert_string_equal(verdict(answer), cases[i].verdict);
		if (cases[i].packet)
			assert_string_equal(
				json_string_value(json_object_get(
					json_array_get(json_object_get(answer,
								       "flows"),
						       0),
					"packet")),
				cases[i].packet);
	}
	asking.asked.service = NULL;
	asking.asked.of = PROD "front";
	asking.asked.other = PROD "web";
	assert_null(ask(&asking, "isolated"));
	assert_non_null(strstr(asking.error, "both have the endpoint"));
	end(&asking);
}

/* What the matrix does not decide keeps the verdict from PROVED. */
static void isolation_names_its_gaps(void **state)
{
	struct asking asking;

	(void)state;
	begin(&asking, &known);
	asking.asked.of = PROD "app";
	asking.asked.other = "bolt";
	assert_string_equal(verdict(ask(&asking, "isolated")), "PROVED");
	asking.made->policy.workloads[6].interfaces[0].mode = CLO_MODE_AUDIT;
	assert_string_equal(verdict(ask(&asking, "isolated")), "NOT-COVERED");
	asking.made->policy.workloads[6].interfaces[0].mode =
		CLO_MODE_QUARANTINE;
	assert_string_equal(verdict(ask(&asking, "isolated")), "PROVED");
	made_forensics(asking.made, "9.9.9.9/32");
	assert_string_equal(verdict(ask(&asking, "isolated")), "NOT-COVERED");
	end(&asking);

	begin(&asking, &known);
	asking.asked.of = PROD "w1/0";
	asking.asked.other = PROD "w3/0";
	assert_string_equal(verdict(ask(&asking, "isolated")), "PROVED");
	made_multicast(asking.made, "acme", CLO_ENV_PRODUCTION, 0, "239.1.1.1");
	assert_string_equal(verdict(ask(&asking, "isolated")), "VIOLATED");
	end(&asking);
}

static void check_rules(const json_t *answer, const char *list,
			const char *expected)
{
	char text[1024] = "";
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(answer, list), i, rule) {
		const json_t *by = json_object_get(rule, "by");
		const json_t *side = json_object_get(rule, "side");

		(void)strcat(text, i ? " " : "");
		(void)strcat(text,
			     json_string_value(json_object_get(rule, "rule")));
		if (by) {
			(void)strcat(text, "<");
			put_names(text, by);
		}
		if (side) {
			(void)strcat(text, ":");
			(void)strcat(text, json_string_value(side));
		}
	}
	assert_string_equal(text, expected);
}

static void rules_are_sorted_out(void **state)
{
	static const struct meaning_spec spec = {
		.rules = {{0, "web", "db", "tcp/80-90"},
			  {0, "web", "db", "tcp/85"}, /* by r1 */
			  {0, "app", "db", "tcp/1-50"}, /* r4 grants it too */
			  {0, "web", "db", "tcp/1-60"},
			  {0, "ops", "db", "any"},
			  {0, "web", "ops", "any"},
			  {0, "ops", "acme/test/ops", "any"},
			  {0, "8.0.0.0/8", "9.0.0.0/8", "any"},
			  {1, "web", "acme/test/db", "icmp"}},
		.n = 9,
	};
	uint64_t packets[10] = {0, 7, 0, 0, 0, 0, 0, 0, 0, 3};
	struct asking asking;
	const json_t *answer;

	(void)state;
	begin(&asking, &spec);
	answer = ask(&asking, "rules");
	check_rules(answer, "shadowed", PROD "r2<" PROD "r1");
	check_rules(answer, "redundant", PROD "r3");
	check_rules(answer, "unused",
		    PROD "r5:from " PROD "r6:to " PROD "r7:both " PROD
			 "r8:outside");
	assert_null(json_object_get(answer, "neverHit"));
	asking.asked.packets = packets;
	asking.asked.n_packets = CLO_ARRAY_LEN(packets);
	asking.asked.since = 4711;
	answer = ask(&asking, "rules");
	check_rules(answer, "neverHit", PROD "r3 " PROD "r4");
	assert_int_equal(json_integer_value(json_object_get(answer, "since")),
			 4711);
	end(&asking);
}

static void exceptions_about_to_end_are_told(void **state)
{
	static const time_t days[] = {29, 30, 31};
	struct asking asking;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(days); i++) {
		begin(&asking, &known);
		made_exception(asking.made, "net.cross-tenant-deny", PROD "r1",
			       0, 86400 * days[i]);
		assert_int_equal(json_array_size(json_object_get(
					 ask(&asking, "rules"), "exceptions")),
				 days[i] <= 30);
		end(&asking);
	}
	begin(&asking, &known);
	made_exception(asking.made, "net.cross-tenant-deny", PROD "r1", 100,
		       200);
	clo_compiled_free(asking.compiled);
	asking.compiled = compile_at(asking.made, 0);
	asking.asked.compiled = asking.compiled;
	check_rules(ask(&asking, "rules"), "asleep", PROD "r1");
	end(&asking);
}

static bool lists_rule(const json_t *answer, const char *list, const char *full)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(answer, list), i, rule)
		if (!strcmp(json_string_value(json_object_get(rule, "rule")),
			    full))
			return true;
	return false;
}

/* A rule is said to be of no use if and only if the matrix without it is the
 * same, to the digest. */
static void useless_rules_change_nothing(void **state)
{
	size_t n[2] = {0};

	(void)state;
	for (uint32_t seed = 1; seed <= POLICIES; seed++) {
		char digest[CLO_MATRIX_DIGEST];
		struct meaning_spec spec;
		struct asking asking;
		size_t numbers[MEANING_SCOPES] = {0};

		meaning_roll(seed * 31337, &spec);
		begin(&asking, &spec);
		assert_int_equal(
			clo_matrix_digest(asking.compiled, NULL, digest), 0);
		(void)ask(&asking, "rules");
		for (size_t i = 0; i < spec.n; i++) {
			struct made *less = meaning_policy(&spec, i);
			struct clo_compiled *compiled = compile_at(less, 0);
			char without[CLO_MATRIX_DIGEST];
			char full[64];
			bool useless;

			(void)snprintf(
				full, sizeof(full), "%s/%s/r%zu",
				meaning_scopes[spec.rules[i].scope].tenant,
				clo_environment_name(
					meaning_scopes[spec.rules[i].scope]
						.environment),
				++numbers[spec.rules[i].scope]);
			assert_int_equal(
				clo_matrix_digest(compiled, NULL, without), 0);
			useless = lists_rule(asking.answer, "unused", full) ||
				  lists_rule(asking.answer, "shadowed", full) ||
				  lists_rule(asking.answer, "redundant", full);
			if (useless != !strcmp(digest, without))
				fail_msg("seed %u: %s is %s", seed, full,
					 useless ? "needed" : "useless");
			n[useless]++;
			clo_compiled_free(compiled);
			made_free(less);
		}
		end(&asking);
	}
	assert_in_range(n[0], 60, SIZE_MAX);
	assert_in_range(n[1], 60, SIZE_MAX);
}

/* The ends of the packets, by the name of one endpoint or block each. */
static const char *const end_names[] = {
	PROD "w1/0",
	NULL,
	PROD "w2/0",
	PROD "w3/0",
	PROD "w4/0",
	"acme/test/w5/0",
	"acme/test/w6/0",
	"bolt/production/w7/0",
	"bolt/production/w8/0",
};

static bool any_packet(const uint32_t *meaning, size_t a, size_t b)
{
	for (size_t s = 0; s < MEANING_SERVICES; s++)
		if (meaning[(a * MEANING_ENDS + b) * MEANING_SERVICES + s] ||
		    meaning[(b * MEANING_ENDS + a) * MEANING_SERVICES + s])
			return true;
	return false;
}

/* The first endpoint has two addresses, ends 0 and 1. */
static bool any_flow(const uint32_t *meaning, size_t a, size_t b)
{
	return any_packet(meaning, a, b) ||
	       (a == 0 && any_packet(meaning, 1, b)) ||
	       (b == 0 && any_packet(meaning, a, 1));
}

static void isolation_is_as_the_packets_say(void **state)
{
	size_t n[2] = {0};

	(void)state;
	for (uint32_t seed = 1; seed <= POLICIES / 10; seed++) {
		struct meaning_spec spec;
		struct asking asking;
		uint32_t *meaning;

		meaning_roll(seed * 65537, &spec);
		begin(&asking, &spec);
		meaning = meaning_of(asking.compiled);
		for (size_t a = 0; a < CLO_ARRAY_LEN(end_names); a++)
			/* Another third of the ends for each policy. */
			for (size_t b = a + 1 + seed % 3; b < MEANING_ENDS;
			     b += 3) {
				char block[64];
				bool apart;

				if (!end_names[a] ||
				    (b < CLO_ARRAY_LEN(end_names) &&
				     !end_names[b]))
					continue;
				(void)snprintf(block, sizeof(block), "cidr:%s",
					       meaning_ends[b].address);
				asking.asked.of = end_names[a];
				asking.asked.other =
					b < CLO_ARRAY_LEN(end_names)
						? end_names[b]
						: block;
				apart = !strcmp(
					verdict(ask(&asking, "isolated")),
					"PROVED");
				if (apart == any_flow(meaning, a, b))
					fail_msg("seed %u: %s and %s: %s %s",
						 seed, asking.asked.of,
						 asking.asked.other,
						 verdict(asking.answer),
						 asking.error);
				n[apart]++;
			}
		free(meaning);
		end(&asking);
	}
	assert_in_range(n[0], 20, SIZE_MAX);
	assert_in_range(n[1], 20, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reach_is_told),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(isolation_is_proved_or_shown),
		cmocka_unit_test(isolation_names_its_gaps),
		cmocka_unit_test(rules_are_sorted_out),
		cmocka_unit_test(exceptions_about_to_end_are_told),
		cmocka_unit_test(useless_rules_change_nothing),
		cmocka_unit_test(isolation_is_as_the_packets_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
