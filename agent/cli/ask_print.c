/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "agent/base/auto.h"
#include "agent/cli/ask.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

static void print_flow(const json_t *line)
{
	(void)fputs("  ", stdout);
	clo_report_sets(json_object_get(line, "from"), "");
	(void)fputs(" -> ", stdout);
	clo_report_sets(json_object_get(line, "to"), "");
	(void)fputs("  ", stdout);
	clo_report_texts(json_object_get(line, "services"), ", ");
	(void)fputs("  (rule ", stdout);
	clo_report_texts(json_object_get(line, "rules"), ", ");
	(void)fputs(")\n", stdout);
	if (json_is_string(json_object_get(line, "packet"))) {
		(void)fputs("    witness ", stdout);
		clo_text_print(stdout, clo_member_text(line, "packet"));
		(void)putchar('\n');
	}
}

static void print_flows(const json_t *lines)
{
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line)
		print_flow(line);
	if (json_array_size(lines) == 0)
		(void)puts("  nothing");
}

static void print_omitted(const json_t *answer)
{
	json_int_t omitted = clo_member_int(answer, "omitted");

	if (omitted)
		(void)printf("%" JSON_INTEGER_FORMAT " more are not listed\n",
			     omitted);
}

void clo_ask_print_reach(const struct clo_cli *cli, const json_t *answer)
{
	(void)cli;
	(void)fputs("who may reach ", stdout);
	clo_text_print(stdout, clo_member_text(answer, "of"));
	(void)fputs(":\n", stdout);
	print_flows(json_object_get(answer, "in"));
	(void)fputs("what it may reach:\n", stdout);
	print_flows(json_object_get(answer, "out"));
	print_omitted(answer);
}

static void print_list(const char *label, const json_t *texts)
{
	const json_t *text;
	size_t i;

	json_array_foreach (texts, i, text)
		clo_report_line(label, json_is_string(text)
					       ? json_string_value(text)
					       : "-");
}

void clo_ask_print_isolated(const struct clo_cli *cli, const json_t *answer)
{
	const char *verdict = clo_member_text(answer, "verdict");
	const json_t *flows = json_object_get(answer, "flows");

	if (json_array_size(flows))
		print_flows(flows);
	print_omitted(answer);
	print_list("shared", json_object_get(answer, "shared"));
	print_list("not covered", json_object_get(answer, "gaps"));
	clo_report_label("enumerated");
	(void)printf("%" JSON_INTEGER_FORMAT
		     " pairs of classes, %" JSON_INTEGER_FORMAT " verdicts\n",
		     clo_member_int(answer, "pairs"),
		     clo_member_int(answer, "verdicts"));
	clo_report_label("isolated");
	clo_color_print(cli, clo_color_of(verdict), verdict);
	(void)putchar('\n');
}

static void print_side(const char *side)
{
	static const char *const texts[][2] = {
		{"from", ": nobody is what it allows from"},
		{"to", ": nobody is what it allows to"},
		{"both", ": nobody is on either side"},
		{"outside", ": both sides are outside"},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
		if (strcmp(side, texts[i][0]) == 0)
			(void)fputs(texts[i][1], stdout);
}

static void print_rules(const char *label, const json_t *rules)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		const json_t *by = json_object_get(rule, "by");

		clo_report_label(label);
		clo_text_print(stdout, clo_member_text(rule, "rule"));
		if (json_is_string(json_object_get(rule, "file"))) {
			(void)fputs(" (", stdout);
			clo_text_print(stdout, clo_member_text(rule, "file"));
			(void)printf(":%" JSON_INTEGER_FORMAT ")",
				     clo_member_int(rule, "line"));
		}
		if (json_is_string(json_object_get(rule, "side"))) {
			print_side(clo_member_text(rule, "side"));
		}
		if (json_array_size(by)) {
			(void)fputs(": by ", stdout);
			clo_report_texts(by, ", ");
		}
		(void)putchar('\n');
	}
}

static void print_exceptions(const json_t *exceptions)
{
	const json_t *exception;
	size_t i;

	json_array_foreach (exceptions, i, exception) {
		clo_report_label("exception");
		clo_text_print(stdout, clo_member_text(exception, "exception"));
		(void)fputs(" to ", stdout);
		clo_text_print(stdout, clo_member_text(exception, "control"));
		(void)printf(" ends in %" JSON_INTEGER_FORMAT " days\n",
			     clo_member_int(exception, "daysLeft"));
	}
}

static void print_since(const json_t *answer)
{
	time_t since = (time_t)clo_member_int(answer, "since");
	char text[32] = "-";
	struct tm tm;

	if (!json_is_integer(json_object_get(answer, "since")))
		return;
	if (gmtime_r(&since, &tm))
		(void)strftime(text, sizeof(text), "%FT%TZ", &tm);
	clo_report_label("counted since");
	(void)printf("%s\n", text);
}

void clo_ask_print_rules(const struct clo_cli *cli, const json_t *answer)
{
	static const struct {
		const char *member, *label;
	} lists[] = {
		{"unused", "unused"},      {"asleep", "asleep"},
		{"shadowed", "shadowed"},  {"redundant", "redundant"},
		{"neverHit", "never hit"},
	};

	(void)cli;
	for (size_t i = 0; i < CLO_ARRAY_LEN(lists); i++)
		print_rules(lists[i].label,
			    json_object_get(answer, lists[i].member));
	print_exceptions(json_object_get(answer, "exceptions"));
	print_omitted(answer);
	print_since(answer);
	clo_report_label("rules");
	(void)printf("%" JSON_INTEGER_FORMAT "\n",
		     clo_member_int(answer, "rules"));
}
