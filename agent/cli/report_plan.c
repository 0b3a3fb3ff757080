/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

/* A plan in words that a person can approve: policy/explain.h has its shape. */

/* "web" of "acme/production/web" where the line speaks of acme/production. */
static void print_short(const char *name, const char *scope, size_t n_scope)
{
	bool own = n_scope && strncmp(name, scope, n_scope) == 0 &&
		   name[n_scope] == '/';

	clo_text_print(stdout, own ? name + n_scope + 1 : name);
}

void clo_report_texts(const json_t *texts, const char *separator)
{
	const json_t *text;
	size_t i;

	json_array_foreach (texts, i, text) {
		if (i)
			(void)fputs(separator, stdout);
		clo_text_print(stdout, json_is_string(text)
					       ? json_string_value(text)
					       : "-");
	}
}

static void print_set(const json_t *set, const char *scope, size_t n_scope)
{
	const char *kind = clo_member_text(set, "kind");
	const json_t *except = json_object_get(set, "except");
	const json_t *ranges = json_object_get(set, "addresses");

	if (strcmp(kind, "segment") == 0 || strcmp(kind, "service") == 0)
		(void)printf("%s ", kind);
	if (json_array_size(ranges)) {
		(void)fputs("outside ", stdout);
		clo_report_texts(ranges, " and ");
		return;
	}
	print_short(clo_member_text(set, "name"), scope, n_scope);
	if (json_array_size(except) == 0)
		return;
	(void)fputs(" except ", stdout);
	clo_report_texts(except, " and ");
}

void clo_report_sets(const json_t *sets, const char *scope)
{
	size_t n_scope = strlen(scope);
	const json_t *set;
	size_t i;

	json_array_foreach (sets, i, set) {
		if (i)
			(void)fputs(", ", stdout);
		print_set(set, scope, n_scope);
	}
}

/* "+ acme/production: web -> db  tcp/5432  (rule web-to-db)" */
static void print_line(const json_t *line, char sign)
{
	const char *rule = clo_member_text(line, "rule");
	const char *name = strrchr(rule, '/');
	size_t n_scope = name ? (size_t)(name - rule) : 0;
	char scope[160];

	(void)snprintf(scope, sizeof(scope), "%.*s", (int)n_scope, rule);
	(void)printf("%c ", sign);
	clo_text_print(stdout, scope);
	(void)fputs(": ", stdout);
	clo_report_sets(json_object_get(line, "from"), scope);
	(void)fputs(" -> ", stdout);
	clo_report_sets(json_object_get(line, "to"), scope);
	(void)fputs("  ", stdout);
	clo_report_texts(json_object_get(line, "services"), ", ");
	(void)fputs("  (rule ", stdout);
	clo_text_print(stdout, name ? name + 1 : rule);
	(void)fputs(")\n", stdout);
}

static void print_lines(const struct clo_cli *cli, const json_t *lines,
			char sign, enum clo_color color)
{
	const json_t *line;
	size_t i;

	clo_color_set(cli, color);
	json_array_foreach (lines, i, line)
		print_line(line, sign);
	clo_color_set(cli, CLO_COLOR_NONE);
}

static void print_value(const json_t *value)
{
	if (json_is_array(value) && json_array_size(value))
		clo_report_texts(value, ",");
	else
		clo_text_print(stdout, json_is_string(value)
					       ? json_string_value(value)
					       : "none");
}

static bool is_none(const json_t *value)
{
	return !value || json_is_null(value);
}

/* One member, if it differs; was or is may be missing. */
static bool print_member(const char *name, const json_t *was, const json_t *is,
			 const char *separator)
{
	if (is_none(was) && is_none(is))
		return false;
	if (was && json_equal(was, is))
		return false;
	(void)printf("%s%s ", separator, name);
	if (was)
		print_value(was);
	if (was && is)
		(void)fputs(" -> ", stdout);
	if (is)
		print_value(is);
	return true;
}

/* Only what differs; all of it where there was or will be nothing. */
static void print_endpoint(const json_t *change)
{
	static const char *const members[] = {
		"tenant", "environment", "segment", "groups", "addresses",
		"mac",    "mode",        "device",  "domain", "uuid"};
	const json_t *was = json_object_get(change, "was");
	const json_t *is = json_object_get(change, "is");
	bool comes = !json_is_object(was);
	bool goes = !json_is_object(is);
	const char *separator = ": ";
	size_t i;

	(void)printf("%c endpoint ", comes ? '+' : goes ? '-' : '~');
	clo_text_print(stdout, clo_member_text(change, "endpoint"));
	/* The name of what comes or goes says the first two. */
	for (i = comes || goes ? 2 : 0; i < CLO_ARRAY_LEN(members); i++)
		if (print_member(members[i], json_object_get(was, members[i]),
				 json_object_get(is, members[i]), separator))
			separator = "; ";
	(void)putchar('\n');
}

/* As the matrix document has it: compact JSON. */
static void print_json(const json_t *value)
{
	CLO_AUTO_MEM char *text =
		json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	clo_text_print(stdout, text ? text : "-");
}

static void print_setting(const json_t *change)
{
	const json_t *was = json_object_get(change, "was");
	const json_t *is = json_object_get(change, "is");

	(void)printf("%c ", is_none(was) ? '+' : is_none(is) ? '-' : '~');
	clo_text_print(stdout, clo_member_text(change, "of"));
	(void)fputs(": ", stdout);
	clo_text_print(stdout, clo_member_text(change, "member"));
	(void)putchar(' ');
	if (!is_none(was))
		print_json(was);
	if (!is_none(was) && !is_none(is))
		(void)fputs(" -> ", stdout);
	if (!is_none(is))
		print_json(is);
	(void)putchar('\n');
}

static void print_exception(const json_t *change)
{
	const char *what = clo_member_text(change, "change");

	(void)fputs("! exception ", stdout);
	clo_text_print(stdout, clo_member_text(change, "exception"));
	(void)putchar(' ');
	clo_text_print(stdout, what);
	(void)fputs(": ", stdout);
	clo_text_print(stdout, clo_member_text(change, "control"));
	(void)fputs(", rules ", stdout);
	clo_report_texts(json_object_get(change, "rules"), ",");
	(void)printf(", %s, %" JSON_INTEGER_FORMAT " days left\n",
		     json_is_true(json_object_get(change, "inForce"))
			     ? "in force"
			     : "not in force",
		     clo_member_int(change, "daysLeft"));
}

static void print_idle(const json_t *change)
{
	const char *what = clo_member_text(change, "change");

	(void)fputs("  rule ", stdout);
	clo_text_print(stdout, clo_member_text(change, "rule"));
	(void)printf(" is %s and %s nothing\n",
		     strcmp(what, "added") == 0 ? "added" : "removed",
		     strcmp(what, "added") == 0 ? "gains" : "loses");
}

static void print_each(const json_t *list, void (*print)(const json_t *))
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		print(item);
}

/* Nothing is left out in silence. */
static void print_omitted(const json_t *plan)
{
	json_int_t flows =
		clo_member_int(json_object_get(plan, "folded"), "omitted");
	const json_t *counts = json_object_get(plan, "counts");
	static const char *const lists[] = {"endpoints", "exceptions",
					    "idleRules"};

	if (flows)
		(void)printf("%" JSON_INTEGER_FORMAT
			     " flows more change and are not listed\n",
			     flows);
	for (size_t i = 0; i < CLO_ARRAY_LEN(lists); i++) {
		json_int_t n = clo_member_int(counts, lists[i]) -
			       (json_int_t)json_array_size(
				       json_object_get(plan, lists[i]));

		if (n > 0)
			(void)printf("%" JSON_INTEGER_FORMAT
				     " %s more change and are not listed\n",
				     n, lists[i]);
	}
}

void clo_report_plan(const struct clo_cli *cli, const json_t *plan)
{
	const json_t *folded = json_object_get(plan, "folded");
	const json_t *counts = json_object_get(plan, "counts");

	print_lines(cli, json_object_get(folded, "gained"), '+',
		    CLO_COLOR_GOOD);
	print_lines(cli, json_object_get(folded, "lost"), '-', CLO_COLOR_BAD);
	print_each(json_object_get(plan, "settings"), print_setting);
	print_each(json_object_get(plan, "endpoints"), print_endpoint);
	print_each(json_object_get(plan, "exceptions"), print_exception);
	print_each(json_object_get(plan, "idleRules"), print_idle);
	print_omitted(plan);
	(void)printf("%" JSON_INTEGER_FORMAT
		     " flows gained, %" JSON_INTEGER_FORMAT
		     " lost, %" JSON_INTEGER_FORMAT " unchanged\n",
		     clo_member_int(counts, "gained"),
		     clo_member_int(counts, "lost"),
		     clo_member_int(counts, "unchanged"));
}
