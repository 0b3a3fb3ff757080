/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/cli/prove.h"
#include "agent/cli/report.h"

static enum clo_color color_of(const char *verdict)
{
	if (strcmp(verdict, "PROVED") == 0)
		return CLO_COLOR_GOOD;
	return strcmp(verdict, "NOT-COVERED") == 0 ? CLO_COLOR_WARN
						   : CLO_COLOR_BAD;
}

/* In a column, so that what follows stands below one another. */
static void print_verdict(const struct clo_cli *cli, const json_t *object)
{
	const char *verdict = clo_member_text(object, "verdict");
	int width = clo_text_width(verdict);

	clo_color_print(cli, color_of(verdict), verdict);
	(void)printf("%*s", width < 13 ? 13 - width : 1, "");
}

static void print_invariants(const struct clo_cli *cli, const json_t *proof)
{
	json_t *invariant;
	size_t i;

	json_array_foreach (json_object_get(proof, "invariants"), i,
			    invariant) {
		(void)printf("  %" JSON_INTEGER_FORMAT " ",
			     clo_member_int(invariant, "number"));
		clo_text_pad(stdout, clo_member_text(invariant, "name"), 24);
		print_verdict(cli, invariant);
		(void)printf("%" JSON_INTEGER_FORMAT
			     " looked at, %" JSON_INTEGER_FORMAT
			     " broken, %" JSON_INTEGER_FORMAT " excepted",
			     clo_member_int(invariant, "forbidden"),
			     clo_member_int(invariant, "broken"),
			     clo_member_int(invariant, "excepted"));
		if (json_is_string(json_object_get(invariant, "gap"))) {
			(void)fputs("; gap: ", stdout);
			clo_text_print(stdout,
				       clo_member_text(invariant, "gap"));
		}
		(void)putchar('\n');
	}
}

static void print_member(const json_t *witness, const char *key)
{
	if (!json_is_string(json_object_get(witness, key)))
		return;
	(void)printf("    %-9s", key);
	clo_text_print(stdout, clo_member_text(witness, key));
	(void)putchar('\n');
}

static void print_fields(json_t *witness)
{
	json_t *fields = json_object_get(witness, "fields");
	const char *key;
	json_t *value;

	if (!json_is_object(fields))
		return;
	(void)fputs("    fields ", stdout);
	json_object_foreach (fields, key, value) {
		(void)putchar(' ');
		clo_text_print(stdout, key);
		(void)putchar('=');
		if (json_is_integer(value))
			(void)printf("%" JSON_INTEGER_FORMAT,
				     json_integer_value(value));
		else
			clo_text_print(stdout,
				       json_is_string(value)
					       ? json_string_value(value)
					       : "-");
	}
	(void)putchar('\n');
}

/* What the decision code in the kernel says and the policy does not. */
static void print_contradiction(const json_t *witness)
{
	static const struct {
		const char *before, *key;
	} parts[] = {
		{"wrong: ", "from"},         {" > ", "to"},
		{" on ", "service"},         {": the kernel says ", "kernel"},
		{", the policy ", "policy"}, {", witness ", "packet"},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(parts); i++) {
		(void)fputs(parts[i].before, stdout);
		clo_text_print(stdout, clo_member_text(witness, parts[i].key));
	}
	(void)putchar('\n');
}

static void print_witnesses(const json_t *witnesses)
{
	static const char *const members[] = {"hex", "scapy", "replay",
					      "attached", "reason"};
	json_auto_t *one = NULL;
	json_t *witness;
	size_t i, k;

	json_array_foreach (witnesses, i, witness) {
		one = json_pack("[O]", witness);
		(void)fputs("  ", stdout);
		if (json_is_string(json_object_get(witness, "kernel")))
			print_contradiction(witness);
		else
			clo_report_breaches(stdout, one);
		json_decref(one);
		one = NULL;
		print_fields(witness);
		for (k = 0; k < CLO_ARRAY_LEN(members); k++)
			print_member(witness, members[k]);
	}
}

static void print_level(const struct clo_cli *cli, const json_t *level)
{
	const json_t *ms = json_object_get(level, "ms");
	json_t *difference;
	size_t i;

	clo_text_pad(stdout, clo_member_text(level, "name"), 16);
	print_verdict(cli, level);
	(void)printf("%" JSON_INTEGER_FORMAT " ",
		     clo_member_int(level, "lookedAt"));
	clo_text_print(stdout, clo_member_text(level, "counts"));
	(void)printf(", %" JSON_INTEGER_FORMAT " wrong, %.1f ms: ",
		     clo_member_int(level, "wrong"),
		     json_is_number(ms) ? json_number_value(ms) : 0.0);
	clo_text_print(stdout, json_is_string(json_object_get(level, "text"))
				       ? clo_member_text(level, "text")
				       : clo_member_text(level, "question"));
	(void)putchar('\n');
	json_array_foreach (json_object_get(level, "differences"), i,
			    difference) {
		(void)fputs("  ", stdout);
		clo_text_print(stdout, clo_member_text(difference, "text"));
		(void)putchar('\n');
	}
	print_invariants(cli, json_object_get(level, "proof"));
	print_witnesses(json_object_get(level, "witnesses"));
}

void clo_prove_print(const struct clo_cli *cli, const json_t *result)
{
	json_t *level;
	size_t i;

	json_array_foreach (json_object_get(result, "levels"), i, level)
		print_level(cli, level);
	clo_text_pad(stdout, "verdict", 16);
	clo_color_print(cli, color_of(clo_member_text(result, "verdict")),
			clo_member_text(result, "verdict"));
	(void)putchar('\n');
}

void clo_prove_print_selftest(const struct clo_cli *cli, const json_t *result)
{
	bool passed = json_is_true(json_object_get(result, "passed"));
	json_t *plant;
	size_t i;

	json_array_foreach (json_object_get(result, "plants"), i, plant) {
		const char *outcome = clo_member_text(plant, "result");

		clo_text_pad(stdout, clo_member_text(plant, "name"), 46);
		clo_color_print(
			cli,
			strcmp(outcome, "found") == 0      ? CLO_COLOR_GOOD
			: strcmp(outcome, "no place") == 0 ? CLO_COLOR_DIM
			: strcmp(outcome, "not run") == 0  ? CLO_COLOR_WARN
							   : CLO_COLOR_BAD,
			outcome);
		(void)fputs(": ", stdout);
		clo_text_print(stdout, clo_member_text(plant, "text"));
		(void)putchar('\n');
	}
	(void)printf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " ",
		     clo_member_int(result, "found"),
		     clo_member_int(result, "planted"));
	clo_color_print(cli, passed ? CLO_COLOR_GOOD : CLO_COLOR_BAD, "found");
	if (clo_member_int(result, "notRun"))
		(void)printf(", %" JSON_INTEGER_FORMAT " not run",
			     clo_member_int(result, "notRun"));
	(void)putchar('\n');
}
