/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

static int exit_of(const char *verdict)
{
	if (strcmp(verdict, "PASSED") == 0)
		return CLO_EXIT_OK;
	return strcmp(verdict, "FAILED") == 0 ? CLO_EXIT_REFUSED
					      : CLO_EXIT_INCONCLUSIVE;
}

static void print_duration(json_int_t seconds)
{
	if (seconds >= 86400)
		(void)printf("%" JSON_INTEGER_FORMAT " d ", seconds / 86400);
	(void)printf("%02d:%02d:%02d", (int)(seconds / 3600 % 24),
		     (int)(seconds / 60 % 60), (int)(seconds % 60));
}

static void print_node(const struct clo_cli *cli, const json_t *status,
		       const char *verdict)
{
	clo_report_line("node", clo_member_text(status, "node"));
	clo_report_label("verdict");
	clo_color_print(cli, clo_color_of(verdict), verdict);
	(void)fputs(", last proof ", stdout);
	clo_text_print(stdout, clo_member_text(status, "lastProof"));
	(void)printf(", every %" JSON_INTEGER_FORMAT " s, %" JSON_INTEGER_FORMAT
		     " records\n",
		     clo_member_int(status, "period"),
		     clo_member_int(status, "statements"));

	clo_report_label("daemon");
	clo_text_print(stdout, clo_member_text(status, "version"));
	(void)printf(", pid %" JSON_INTEGER_FORMAT ", up ",
		     clo_member_int(status, "pid"));
	print_duration(clo_member_int(status, "uptime"));
	(void)fputs(", boot ", stdout);
	clo_text_print(stdout, clo_member_text(status, "bootId"));
	(void)putchar('\n');
}

static void print_policy(const struct clo_cli *cli, const json_t *status)
{
	bool libvirt = json_is_true(json_object_get(status, "libvirt"));

	clo_report_label("policy");
	if (json_is_string(json_object_get(status, "policy"))) {
		clo_text_print(stdout, clo_member_text(status, "policy"));
		(void)printf(", epoch %" JSON_INTEGER_FORMAT "\n",
			     clo_member_int(status, "epoch"));
		if (json_is_string(json_object_get(status, "matrix")))
			clo_report_line("matrix",
					clo_member_text(status, "matrix"));
	} else {
		clo_color_print(cli, CLO_COLOR_WARN, "none in force");
		(void)putchar('\n');
	}

	clo_report_label("datapath");
	clo_text_print(stdout, clo_member_text(status, "attach"));
	(void)printf(", %" JSON_INTEGER_FORMAT " connections, libvirt ",
		     clo_member_int(status, "connections"));
	clo_color_print(cli, libvirt ? CLO_COLOR_NONE : CLO_COLOR_BAD,
			libvirt ? "connected" : "NOT CONNECTED");
	(void)putchar('\n');
}

/* The tables in force, by the code that judges packets. */
static void print_decisions(const struct clo_cli *cli, const json_t *status)
{
	const json_t *decisions = json_object_get(status, "decisions");
	const char *verdict = clo_member_text(decisions, "verdict");

	if (!json_is_object(decisions))
		return;
	clo_report_label("decisions");
	clo_color_print(cli, clo_color_of(verdict), verdict);
	(void)printf(", %" JSON_INTEGER_FORMAT
		     " verdicts asked, %" JSON_INTEGER_FORMAT " wrong",
		     clo_member_int(decisions, "verdicts"),
		     clo_member_int(decisions, "wrong"));
	if (json_is_string(json_object_get(decisions, "text"))) {
		(void)fputs(": ", stdout);
		clo_text_print(stdout, clo_member_text(decisions, "text"));
	}
	(void)putchar('\n');
}

/* The flows of before the tables in force. */
static void print_revoked(const struct clo_cli *cli, const json_t *status)
{
	const json_t *revoked = json_object_get(status, "revoked");
	const json_t *ms = json_object_get(revoked, "ms");
	bool done = json_is_true(json_object_get(revoked, "done")) &&
		    clo_member_int(revoked, "epoch") ==
			    clo_member_int(status, "epoch");

	if (!json_is_object(revoked))
		return;
	clo_report_label("flows");
	if (done && json_is_number(ms))
		(void)printf("%" JSON_INTEGER_FORMAT
			     " of before ended, the last %.1f ms after the "
			     "change of tables; %" JSON_INTEGER_FORMAT " go on",
			     clo_member_int(revoked, "ended"),
			     json_number_value(ms),
			     clo_member_int(revoked, "kept"));
	else
		clo_color_print(cli, CLO_COLOR_WARN,
				done ? "not walked: what is not allowed any "
				       "more ends with its next packet"
				     : "those of before are being walked");
	(void)putchar('\n');
}

/* Only what is wrong with it is worth a line. */
static void print_flow_log(const struct clo_cli *cli, const json_t *status)
{
	const json_t *monitor = json_object_get(status, "monitor");
	const json_t *log = json_object_get(monitor, "flowLog");
	json_int_t lost = clo_member_int(log, "lost");
	const char *error = json_string_value(json_object_get(log, "error"));

	if (!error && lost == 0)
		return;
	clo_report_label("flow log");
	clo_color_set(cli, error ? CLO_COLOR_BAD : CLO_COLOR_WARN);
	if (error) {
		(void)fputs("NOT WRITTEN: ", stdout);
		clo_text_print(stdout, error);
		(void)fputs(", ", stdout);
	}
	(void)printf("%" JSON_INTEGER_FORMAT " records lost", lost);
	clo_color_set(cli, CLO_COLOR_NONE);
	(void)putchar('\n');
}

/* The same of the log of attestations. */
static void print_log(const struct clo_cli *cli, const json_t *status)
{
	const json_t *log = json_object_get(status, "log");
	const char *since =
		json_string_value(json_object_get(log, "unrecordedSince"));
	bool full = json_is_true(json_object_get(log, "full"));

	if (!since && !full)
		return;
	clo_report_label("log");
	clo_color_set(cli, CLO_COLOR_BAD);
	if (full)
		(void)printf("FULL: %" JSON_INTEGER_FORMAT
			     " bytes, what passes is not recorded; ",
			     clo_member_int(log, "bytes"));
	if (since) {
		(void)fputs("audits are not recorded since ", stdout);
		clo_text_print(stdout, since);
	}
	clo_color_set(cli, CLO_COLOR_NONE);
	(void)putchar('\n');
}

static void print_coverage(const struct clo_cli *cli, const json_t *status)
{
	const json_t *endpoints = json_object_get(status, "endpoints");
	json_int_t expected = clo_member_int(endpoints, "expected");
	json_int_t guarded = clo_member_int(endpoints, "guarded");

	clo_report_label("endpoints");
	clo_color_set(cli,
		      expected == guarded ? CLO_COLOR_GOOD : CLO_COLOR_BAD);
	(void)printf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		     " guarded",
		     guarded, expected);
	clo_color_set(cli, CLO_COLOR_NONE);
	(void)printf(", %" JSON_INTEGER_FORMAT " undeclared\n",
		     clo_member_int(status, "undeclared"));
}

static void print_lists(const struct clo_cli *cli, const json_t *status)
{
	static const struct {
		const char *member;
		const char *keys[5], *titles[5];
		size_t n;
	} lists[] = {
		{"findings",
		 {"result", "control", "detail"},
		 {"RESULT", "CONTROL", "DETAIL"},
		 3},
		{"drops",
		 {"interface", "direction", "reason", "count", "passed"},
		 {"INTERFACE", "DIRECTION", "DROPPED BECAUSE", "COUNT",
		  "AUDIT ONLY"},
		 5},
		{"rules",
		 {"rule", "flows", "packets", "bytes"},
		 {"RULE", "FLOWS", "PACKETS", "BYTES"},
		 4},
	};

	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(lists); i++) {
		const json_t *rows = json_object_get(status, lists[i].member);

		if (json_array_size(rows) == 0)
			continue;
		(void)putchar('\n');
		clo_report_table(cli, rows, lists[i].keys, lists[i].titles,
				 lists[i].n);
	}
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *status = NULL;
	const json_t *value;
	const char *verdict;
	int code;

	request = json_pack("{s:s}", "op", "status");
	code = clo_client_call(cli, request, &status);
	if (code != CLO_EXIT_OK)
		return code;

	/* null before the first proof; any other type is another protocol. */
	value = json_object_get(status, "verdict");
	if (!json_is_string(value) && !json_is_null(value))
		return clo_fail_reply(cli);

	verdict = json_is_string(value) ? json_string_value(value) : "none yet";
	if (cli->json) {
		(void)clo_json_print(status);
		return exit_of(verdict);
	}

	print_node(cli, status, verdict);
	print_policy(cli, status);
	print_decisions(cli, status);
	print_revoked(cli, status);
	print_coverage(cli, status);
	print_log(cli, status);
	print_flow_log(cli, status);
	print_lists(cli, status);
	return exit_of(verdict);
}

const struct clo_command clo_command_status = {
	.name = "status",
	.summary = "show the last verdict, what is in force and guarded",
	.details = "Exit status 0 if the last verdict is PASSED, 3 if FAILED, "
		   "4 if INCONCLUSIVE or\nthere is none yet.\n",
	.run = run,
};
