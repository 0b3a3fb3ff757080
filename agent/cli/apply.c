/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/cli/documents.h"
#include "agent/cli/held.h"
#include "agent/cli/output.h"
#include "agent/cli/paranoid.h"
#include "agent/cli/report.h"

enum {
	OPT_OVERRIDE,
	OPT_APPROVED,
	OPT_PARANOID,
};

static void print_milliseconds(const json_t *ms)
{
	static const char *const stages[] = {"parse", "compile", "prove",
					     "load", "readback"};
	const char *separator = "";
	json_t *value;
	size_t i;

	clo_report_label("milliseconds");
	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		value = json_object_get(ms, stages[i]);
		if (!json_is_number(value))
			continue;
		(void)printf("%s%s %.1f", separator, stages[i],
			     json_number_value(value));
		separator = ", ";
	}
	(void)putchar('\n');
}

static int print(const struct clo_cli *cli, json_t *result)
{
	const char *policy, *verdict;
	json_int_t epoch, endpoints, identities, classes, rules;
	json_t *proof, *plan, *ms;

	if (json_unpack(result,
			"{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s}",
			"policy", &policy, "epoch", &epoch, "endpoints",
			&endpoints, "identities", &identities, "classes",
			&classes, "rules", &rules, "proof", &proof, "plan",
			&plan, "ms", &ms, "verdict", &verdict) < 0)
		return clo_fail_reply(cli);
	if (cli->json)
		return clo_json_print(result);

	clo_report_plan(cli, plan);
	clo_report_line("in force", policy);
	clo_report_line(
		"matrix",
		clo_member_text(json_object_get(result, "matrix"), "digest"));
	clo_report_label("epoch");
	(void)printf("%" JSON_INTEGER_FORMAT "\n", epoch);
	clo_report_label("figures");
	(void)printf("endpoints %" JSON_INTEGER_FORMAT
		     ", identities %" JSON_INTEGER_FORMAT
		     ", service classes %" JSON_INTEGER_FORMAT
		     ", rules %" JSON_INTEGER_FORMAT "\n",
		     endpoints, identities, classes, rules);
	clo_report_proof(proof);
	if (json_object_get(result, "oracle"))
		clo_paranoid_print(json_object_get(result, "oracle"));
	print_milliseconds(ms);
	clo_report_label("verdict");
	clo_color_print(cli, clo_color_of(verdict), verdict);
	(void)putchar('\n');
	return CLO_EXIT_OK;
}

static bool is_digest(const char *text)
{
	uint8_t digest[32];

	return strncmp(text, "sha256:", 7) == 0 &&
	       clo_hex_decode(text + 7, sizeof(digest), digest) == 0;
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *documents = NULL, *request = NULL, *result = NULL;
	json_auto_t *oracle = NULL;
	int code;

	if (cli->values[OPT_APPROVED] && !is_digest(cli->values[OPT_APPROVED]))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"apply: --approved needs sha256: and 64 "
				"lower-case digits, as cloison plan prints");
	code = clo_documents_read(cli, cli->operand, &documents);
	if (code != CLO_EXIT_OK)
		return code;

	if (cli->values[OPT_PARANOID]) {
		code = clo_paranoid_check(cli, documents, &oracle);
		if (code != CLO_EXIT_OK)
			return code;
	}
	request = json_pack("{s:s, s:O, s:b, s:s*}", "op", "apply", "documents",
			    documents, "override",
			    cli->values[OPT_OVERRIDE] != NULL, "approved",
			    cli->values[OPT_APPROVED]);
	code = clo_held_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;

	if (oracle)
		(void)json_object_set(result, "oracle", oracle);
	return print(cli, result);
}

const struct clo_command clo_command_apply = {
	.name = "apply",
	.operand = "DIR",
	.summary = "put the policy in DIR in force, whole or not at all",
	.details =
		"Reads every *.json of DIR, proves the policy and puts it in "
		"force in one step.\nA policy with a flaw, or that breaks an "
		"invariant, is refused with the reasons\n(exit status 3) and "
		"nothing of it is in force.\n",
	.options =
		{
			[OPT_OVERRIDE] =
				{"override", NULL,
				 "also over the control plane's bundle"},
			[OPT_APPROVED] =
				{"approved", "DIGEST",
				 "only if this is the digest of its matrix"},
			[OPT_PARANOID] =
				{"paranoid", NULL,
				 "first compare the tables with the documents"},
		},
	.run = run,
};
