/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/summary.h"

#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

static void print_head(const struct clo_cli *cli, const json_t *predicate)
{
	const json_t *node = json_object_get(predicate, "node");
	const json_t *chain = json_object_get(predicate, "chain");
	const json_t *policy = json_object_get(predicate, "policy");
	const json_t *key = json_object_get(predicate, "key");
	const char *verdict = clo_member_text(predicate, "verdict");
	bool whole = !json_is_string(json_object_get(predicate, "scope"));

	clo_report_label("verdict");
	clo_color_print(cli, clo_color_of(verdict), verdict);
	(void)putchar('\n');
	clo_report_line("node", clo_member_text(node, "name"));
	clo_report_line("scope", whole ? "the whole node"
				       : clo_member_text(predicate, "scope"));
	clo_report_line("time", clo_member_text(predicate, "time"));
	clo_report_line("boot", clo_member_text(node, "bootId"));
	clo_report_label("sequence");
	(void)printf("%" JSON_INTEGER_FORMAT "\n",
		     clo_member_int(chain, "sequence"));
	clo_report_line("policy", clo_member_text(policy, "digest"));
	clo_report_label("key");
	clo_text_print(stdout, clo_member_text(key, "id"));
	(void)fputs(", protection ", stdout);
	clo_text_print(stdout, clo_member_text(key, "protection"));
	(void)putchar('\n');
	if (json_is_string(json_object_get(predicate, "nonce")))
		clo_report_line("nonce", clo_member_text(predicate, "nonce"));
}

static void print_coverage(const struct clo_cli *cli, const json_t *coverage)
{
	bool complete = json_is_true(json_object_get(coverage, "complete"));
	json_t *name;
	size_t i;

	clo_report_label("coverage");
	(void)printf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		     " endpoints observed, ",
		     clo_member_int(coverage, "observed"),
		     clo_member_int(coverage, "expected"));
	clo_color_print(cli, complete ? CLO_COLOR_GOOD : CLO_COLOR_BAD,
			complete ? "complete" : "INCOMPLETE");
	json_array_foreach (json_object_get(coverage, "missing"), i, name) {
		(void)fputs(i ? ", " : "; missing: ", stdout);
		clo_text_print(stdout, json_is_string(name)
					       ? json_string_value(name)
					       : "-");
	}
	(void)putchar('\n');
}

static void print_control(const struct clo_cli *cli, const json_t *control)
{
	const char *result = clo_member_text(control, "result");
	const char *detail = clo_member_text(control, "detail");

	clo_color_set(cli, clo_color_of(result));
	clo_text_pad(stdout, result, LABEL_WIDTH);
	clo_color_set(cli, CLO_COLOR_NONE);
	clo_text_print(stdout, clo_member_text(control, "id"));
	if (json_is_true(json_object_get(control, "excepted")))
		(void)fputs(" (excepted)", stdout);
	(void)fputs(": ", stdout);
	clo_text_print(stdout, clo_member_text(control, "method"));
	(void)fputs(detail[0] == '\0' ? "" : "; ", stdout);
	clo_text_print(stdout, detail);
	(void)putchar('\n');
}

/* Mandatory ones, and others where they failed. */
static void print_controls(const struct clo_cli *cli, const json_t *controls)
{
	size_t i, others = 0;
	json_t *control;

	json_array_foreach (controls, i, control) {
		if (json_is_true(json_object_get(control, "mandatory")) ||
		    strcmp(clo_member_text(control, "result"), "FAIL") == 0)
			print_control(cli, control);
		else
			others++;
	}
	if (others > 0)
		(void)printf("%zu other controls are in the statement\n",
			     others);
}

static void print_gaps(const json_t *gaps)
{
	json_t *gap;
	size_t i;

	if (json_array_size(gaps) == 0)
		clo_report_line("gaps", "none");

	json_array_foreach (gaps, i, gap) {
		bool closed = json_is_string(json_object_get(gap, "to"));

		clo_report_label("gap");
		clo_text_print(stdout, clo_member_text(gap, "from"));
		(void)fputs(" to ", stdout);
		clo_text_print(stdout,
			       closed ? clo_member_text(gap, "to") : "now");
		(void)fputs(": ", stdout);
		clo_text_print(stdout, clo_member_text(gap, "reason"));
		(void)putchar('\n');
	}
}

static void print_violations(const json_t *violations)
{
	json_t *violation;
	size_t i;

	json_array_foreach (violations, i, violation) {
		clo_report_label("violation");
		clo_text_print(stdout, clo_member_text(violation, "control"));
		(void)fputs(": ", stdout);
		clo_text_print(stdout, clo_member_text(violation, "detail"));
		(void)putchar('\n');
	}
}

static void print_gap(const json_t *gap)
{
	clo_report_label("gap");
	clo_text_print(stdout, clo_member_text(gap, "from"));
	(void)fputs(" to ", stdout);
	clo_text_print(stdout, json_is_string(json_object_get(gap, "to"))
				       ? clo_member_text(gap, "to")
				       : "now");
	(void)fputs(", ", stdout);
	clo_text_print(stdout, clo_member_text(gap, "reason"));
	if (json_object_get(gap, "count"))
		(void)printf(", %" JSON_INTEGER_FORMAT " records removed",
			     clo_member_int(gap, "count"));
	(void)putchar('\n');
}

/* What was measured; of other kinds there is only what they tell. */
static void print_body(const struct clo_cli *cli, const json_t *predicate)
{
	const json_t *violations = json_object_get(predicate, "violations");
	const json_t *statement = json_object_get(predicate, "statement");
	const json_t *gap = json_object_get(predicate, "gap");

	if (gap) {
		print_gap(gap);
		return;
	}
	if (statement) {
		clo_report_line("statement",
				clo_member_text(statement, "digest"));
		return;
	}
	if (violations) {
		print_violations(violations);
		return;
	}
	print_coverage(cli, json_object_get(predicate, "coverage"));
	print_gaps(json_object_get(predicate, "gaps"));
	print_controls(cli, json_object_get(predicate, "controls"));
}

static int print_json(const struct clo_verify_result *result,
		      const json_t *predicate)
{
	json_auto_t *document = NULL;

	document =
		json_pack("{s:b, s:s, s:b, s:O?, s:O}", "verified", 1, "reason",
			  result->reason, "stale", (int)result->stale,
			  "verdict", json_object_get(predicate, "verdict"),
			  "statement", result->statement);
	if (document)
		(void)clo_json_print(document);
	return (int)result->exit;
}

int clo_summary_print(const struct clo_cli *cli,
		      const struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");

	if (result->exit == CLO_VERIFY_NOT_AUTHENTIC)
		return clo_fail(cli, CLO_EXIT_FAILED, "not authentic: %s",
				result->reason);
	if (!predicate)
		return clo_fail(cli, CLO_EXIT_INCONCLUSIVE, "cannot verify: %s",
				result->reason);
	if (cli->json)
		return print_json(result, predicate);
	if (!json_object_get(predicate, "verdict")) {
		(void)puts(result->reason); /* a node-key record */
		return (int)result->exit;
	}

	print_head(cli, predicate);
	print_body(cli, predicate);
	clo_report_label("verified");
	clo_color_set(cli, result->exit == CLO_VERIFY_PASSED ? CLO_COLOR_GOOD
							     : CLO_COLOR_BAD);
	clo_text_print(stdout, result->reason);
	clo_color_set(cli, CLO_COLOR_NONE);
	(void)putchar('\n');
	return (int)result->exit;
}
