/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/file.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"

enum {
	OPT_OUTPUT,
	OPT_LOG,
};

static int run(const struct clo_cli *cli)
{
	const char *path = cli->values[OPT_OUTPUT];
	json_auto_t *request = NULL, *result = NULL;
	const json_t *key;
	const char *pem;
	int code, r;

	request = json_pack("{s:s}", "op", "key");
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;

	key = cli->values[OPT_LOG] ? json_object_get(result, "log") : result;
	pem = json_string_value(json_object_get(key, "pem"));
	if (!pem || strncmp(pem, "-----BEGIN PUBLIC KEY-----", 26) != 0)
		return clo_fail_reply(cli);

	if (path) {
		r = clo_file_write(path, pem, strlen(pem));
		if (r < 0)
			return clo_fail(cli, CLO_EXIT_FAILED,
					"cannot write %s: %s", path,
					strerrordesc_np(-r));
	}
	if (cli->json)
		return clo_json_print(result);

	if (!path)
		clo_text_lines(stdout, pem);
	return CLO_EXIT_OK;
}

const struct clo_command clo_command_key = {
	.name = "key",
	.summary = "print the node's public key",
	.details = "The PEM text that verify takes as --key, or with --log the "
		   "one that log verify\ntakes: with a TPM they differ. Fetch "
		   "it once, over a channel you trust.\n",
	.options =
		{
			[OPT_OUTPUT] = {"output", "FILE",
					"write it there instead"},
			[OPT_LOG] = {"log", NULL, "the key that signs the log"},
		},
	.run = run,
};
