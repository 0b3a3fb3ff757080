/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"
#include "agent/cli/trace.h"

#define STAGE_WIDTH 12 /* columns */

int clo_trace_exit(const json_t *trace)
{
	const char *verdict = clo_member_text(trace, "verdict");
	const json_t *kernel = json_object_get(trace, "kernel");

	if (strcmp(verdict, "allow") != 0 && strcmp(verdict, "drop") != 0)
		return -1;
	if (json_is_false(json_object_get(kernel, "agrees")))
		return CLO_EXIT_FAILED;
	return strcmp(verdict, "allow") == 0 ? CLO_EXIT_OK : CLO_EXIT_REFUSED;
}

static void print_steps(const json_t *steps)
{
	json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *stage =
			json_string_value(json_object_get(step, "stage"));

		(void)printf("%2zu  ", i + 1);
		if (stage)
			clo_text_pad(stdout, stage, STAGE_WIDTH);
		clo_text_print(stdout, clo_member_text(step, "lookup"));
		(void)fputs(" [", stdout);
		clo_text_print(stdout, clo_member_text(step, "key"));
		(void)fputs("] = ", stdout);
		clo_text_print(stdout, clo_member_text(step, "result"));
		(void)putchar('\n');
	}
}

static void print_counters(const json_t *trace)
{
	const json_t *counters = json_object_get(trace, "counters");
	const json_t *rule = json_object_get(counters, "rule");
	const json_t *drop = json_object_get(counters, "drop");
	json_auto_t *text = NULL;

	if (json_is_object(rule))
		text = json_sprintf("%lld flows, %lld packets, %lld bytes by "
				    "this rule",
				    (long long)clo_member_int(rule, "flows"),
				    (long long)clo_member_int(rule, "packets"),
				    (long long)clo_member_int(rule, "bytes"));
	else if (json_is_object(drop))
		text = json_sprintf("%lld drops for this reason on %s",
				    (long long)clo_member_int(drop, "count"),
				    clo_member_text(drop, "interface"));
	if (text)
		clo_report_line("counters", json_string_value(text));
}

static void print_allow(const json_t *allow)
{
	const json_t *rule = json_object_get(allow, "rule");
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *where = NULL;

	if (json_is_string(json_object_get(allow, "none")))
		clo_report_line("no rule helps",
				clo_member_text(allow, "none"));
	if (!json_is_object(rule))
		return;
	text = json_dumps(rule, 0);
	where = json_sprintf("tenant %s, environment %s",
			     clo_member_text(allow, "tenant"),
			     clo_member_text(allow, "environment"));
	clo_report_line("would allow", text ? text : "-");
	clo_report_line("where", json_string_value(where));
}

static void print_kernel(const struct clo_cli *cli, const json_t *kernel)
{
	const json_t *agrees = json_object_get(kernel, "agrees");

	if (!json_is_object(kernel))
		return;
	clo_report_label("kernel");
	if (json_is_boolean(agrees)) {
		clo_color_print(cli,
				json_is_true(agrees) ? CLO_COLOR_GOOD
						     : CLO_COLOR_BAD,
				json_is_true(agrees) ? "agrees" : "ERROR");
		(void)fputs(": ", stdout);
	} else {
		(void)fputs("not run: ", stdout);
	}
	clo_text_print(stdout, clo_member_text(kernel, "text"));
	(void)putchar('\n');
}

void clo_trace_print(const struct clo_cli *cli, const json_t *trace)
{
	static const char *const makers[] = {"rule", "invariant", "reason"};
	const char *verdict = clo_member_text(trace, "verdict");
	const char *mode = json_string_value(json_object_get(trace, "mode"));
	bool allowed = strcmp(verdict, "allow") == 0;
	/* What was let through has no reason for a drop. */
	size_t i, n = CLO_ARRAY_LEN(makers) - (allowed ? 1 : 0);

	print_steps(json_object_get(trace, "steps"));
	clo_report_label("verdict");
	clo_color_print(cli, allowed ? CLO_COLOR_GOOD : CLO_COLOR_BAD, verdict);
	(void)putchar('\n');
	if (mode && strcmp(mode, "enforce") != 0)
		clo_report_line("mode", mode);
	for (i = 0; i < n; i++) {
		if (json_is_string(json_object_get(trace, makers[i])))
			clo_report_line(makers[i],
					clo_member_text(trace, makers[i]));
	}
	print_counters(trace);
	if (!allowed)
		print_allow(json_object_get(trace, "allow"));
	print_kernel(cli, json_object_get(trace, "kernel"));
}

/* "tcp 10.0.0.1 61234 > 10.0.0.2 443" */
static json_t *packet_text(const json_t *packet)
{
	const json_t *proto = json_object_get(packet, "protocol");
	const char *kind = json_string_value(json_object_get(packet, "kind"));

	if (!json_object_get(packet, "source"))
		return json_sprintf(
			"ethertype 0x%04x",
			(unsigned int)clo_member_int(packet, "ethertype"));
	if (!json_object_get(packet, "sourcePort"))
		return json_sprintf("%s %s > %s",
				    proto ? clo_member_text(packet, "protocol")
					  : (kind ? kind : "-"),
				    clo_member_text(packet, "source"),
				    clo_member_text(packet, "destination"));
	return json_sprintf(
		"%s %s %lld > %s %lld", clo_member_text(packet, "protocol"),
		clo_member_text(packet, "source"),
		(long long)clo_member_int(packet, "sourcePort"),
		clo_member_text(packet, "destination"),
		(long long)clo_member_int(packet, "destinationPort"));
}

void clo_trace_print_all(const struct clo_cli *cli, const json_t *traces)
{
	static const char *const keys[] = {"frame", "packet", "verdict", "why"};
	static const char *const titles[] = {"FRAME", "PACKET", "VERDICT",
					     "RULE OR REASON"};
	json_auto_t *rows = json_array();
	json_t *trace;
	size_t i;

	json_array_foreach (traces, i, trace) {
		const char *rule =
			json_string_value(json_object_get(trace, "rule"));
		const char *verdict = clo_member_text(trace, "verdict");
		bool allowed = strcmp(verdict, "allow") == 0;

		(void)json_array_append_new(
			rows,
			json_pack(
				"{s:o, s:o, s:s, s:s}", "frame",
				json_sprintf("%lld", (long long)clo_member_int(
							     trace, "number")),
				"packet",
				packet_text(json_object_get(trace, "packet")),
				"verdict",
				clo_trace_exit(trace) == CLO_EXIT_FAILED
					? "ERROR"
					: verdict,
				"why",
				allowed ? (rule ? rule : "-")
					: clo_member_text(trace, "reason")));
	}
	clo_report_table(cli, rows, keys, titles, CLO_ARRAY_LEN(keys));
}
