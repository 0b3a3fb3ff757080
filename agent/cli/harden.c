/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/cli/client.h"
#include "agent/cli/diff.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

#define XML_MAX (4U << 20)

enum {
	OPT_PRINT,
};

static int print(const struct clo_cli *cli, const char *xml,
		 const json_t *result)
{
	const char *hardened = clo_member_text(result, "xml");

	if (cli->values[OPT_PRINT]) {
		(void)fputs(hardened, stdout);
		return 0;
	}
	return clo_diff_unified(xml, hardened, "as it is", "as it must be",
				stdout);
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *result = NULL;
	CLO_AUTO_MEM char *xml = NULL;
	const json_t *left;
	size_t len;
	int code;
	int r;

	r = clo_file_read(cli->operand, XML_MAX, &xml, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s: %s", cli->operand,
				strerrordesc_np(-r));
	request = json_pack("{s:s, s:s}", "op", "harden", "xml", xml);
	if (!request)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s: no text in UTF-8",
				cli->operand);
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;
	left = json_object_get(result, "left");
	if (!json_is_string(json_object_get(result, "xml")) ||
	    !json_is_array(left))
		return clo_fail_reply(cli);

	if (cli->json)
		(void)clo_json_print(result);
	else if (print(cli, xml, result) < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	else
		clo_report_findings(left);
	return json_array_size(left) ? CLO_EXIT_REFUSED : CLO_EXIT_OK;
}

const struct clo_command clo_command_harden = {
	.name = "harden",
	.operand = "FILE",
	.summary = "bring a domain's XML to its workload's profile",
	.details =
		"FILE is a libvirt domain, \"-\" stdin. Prints what has to "
		"change as a diff, and on\nstderr what hardening cannot "
		"settle. To apply it:\n"
		"  virsh dumpxml --inactive DOMAIN | cloison harden --print - "
		"| virsh define /dev/stdin\n"
		"Exit status 3: something is left that needs a decision.\n",
	.options = {{"print", NULL, "the whole XML as it must be"}},
	.run = run,
};
