/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/documents.h"
#include "agent/cli/held.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "agent/cli/paranoid.h"
#include "agent/cli/report.h"

enum {
	OPT_OFFLINE,
	OPT_MATRIX,
	OPT_PARANOID,
};

static int print(const struct clo_cli *cli, const json_t *result)
{
	const json_t *plan = json_object_get(result, "plan");
	const json_t *breaches = json_object_get(result, "breaches");
	bool breached;

	if (!json_is_object(plan) || !json_is_array(breaches))
		return clo_fail_reply(cli);

	breached = clo_report_breached(breaches);
	if (cli->json) {
		(void)clo_json_print(result);
	} else {
		clo_report_plan(cli, plan);
		clo_report_proof(json_object_get(result, "proof"));
		if (json_object_get(result, "oracle"))
			clo_paranoid_print(json_object_get(result, "oracle"));
		clo_report_breaches(stdout, breaches);
		clo_report_line(
			"matrix",
			clo_member_text(json_object_get(result, "matrix"),
					"digest"));
		clo_report_label("result");
		clo_color_print(cli, breached ? CLO_COLOR_BAD : CLO_COLOR_GOOD,
				breached ? "apply would refuse it"
					 : "apply would accept it");
		(void)putchar('\n');
	}

	return breached ? CLO_EXIT_REFUSED : CLO_EXIT_OK;
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *documents = NULL, *request = NULL, *result = NULL;
	json_auto_t *oracle = NULL;
	int code;

	code = clo_documents_read(cli, cli->operand, &documents);
	if (code != CLO_EXIT_OK)
		return code;

	if (cli->values[OPT_PARANOID]) {
		code = clo_paranoid_check(cli, documents, &oracle);
		if (code != CLO_EXIT_OK)
			return code;
	}

	if (cli->values[OPT_OFFLINE]) {
		code = clo_offline_plan(cli, documents, &result);
	} else {
		request = json_pack("{s:s, s:O}", "op", "plan", "documents",
				    documents);
		code = clo_held_call(cli, request, &result);
	}
	if (code != CLO_EXIT_OK)
		return code;

	if (cli->values[OPT_MATRIX])
		code = clo_offline_matrix(
			cli, documents,
			clo_member_text(json_object_get(result, "matrix"),
					"digest"),
			cli->values[OPT_MATRIX]);
	if (oracle)
		(void)json_object_set(result, "oracle", oracle);
	return code == CLO_EXIT_OK ? print(cli, result) : code;
}

const struct clo_command clo_command_plan = {
	.name = "plan",
	.operand = "DIR",
	.summary = "show what apply would change or break",
	.details =
		"Prints which groups would gain (+) or lose (-) which flows, "
		"endpoints that move,\nexceptions, and each breach with its "
		"rule and a packet that shows it; and the\ndigest by which "
		"apply --approved knows it. Exit status 3 if apply would "
		"refuse\nthe policy.\n",
	.options =
		{
			[OPT_OFFLINE] =
				{"offline", NULL,
				 "no daemon: prove here, against no policy"},
			[OPT_MATRIX] =
				{"matrix", "FILE",
				 "write the flow matrix, canonical, to approve"},
			[OPT_PARANOID] =
				{"paranoid", NULL,
				 "also compare the tables with the documents"},
		},
	.run = run,
};
