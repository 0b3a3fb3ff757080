/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "agent/attest/key.h"
#include "agent/attest/verify.h"
#include "agent/base/file.h"
#include "agent/cli/client.h"
#include "agent/cli/nonce.h"
#include "agent/cli/output.h"
#include "agent/cli/summary.h"

enum {
	OPT_SCOPE,
	OPT_NONCE,
	OPT_OUTPUT,
	OPT_SUMMARY,
};

static int write_envelope(const struct clo_cli *cli, const char *text)
{
	const char *path = cli->values[OPT_OUTPUT];
	int r;

	if (!path)
		return CLO_EXIT_OK;

	r = clo_file_write(path, text, strlen(text));
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot write %s: %s",
				path, strerrordesc_np(-r));
	return CLO_EXIT_OK;
}

/* A summary is of a verified statement; the key is the daemon's word. */
static int summarise(const struct clo_cli *cli, const char *text)
{
	__attribute__((cleanup(
		clo_verify_result_done))) struct clo_verify_result result = {0};
	const struct clo_verify_options options = {
		.now = time(NULL),
		.max_age = -1,
		.nonce = cli->values[OPT_NONCE],
	};
	json_auto_t *request = NULL, *reply = NULL;
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	const char *pem;
	int code;

	request = json_pack("{s:s}", "op", "key");
	code = clo_client_call(cli, request, &reply);
	if (code != CLO_EXIT_OK)
		return code;

	pem = clo_member_text(reply, "pem");
	if (clo_key_parse_public(pem, strlen(pem), &key) < 0)
		return clo_fail_reply(cli);

	clo_verify(key, text, strlen(text), &options, &result);
	return clo_summary_print(cli, &result);
}

static int print(const struct clo_cli *cli, const json_t *envelope)
{
	CLO_AUTO_MEM char *text = NULL;
	int code;

	text = json_dumps(envelope, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (!text)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");

	code = write_envelope(cli, text);
	if (code != CLO_EXIT_OK)
		return code;
	if (cli->values[OPT_SUMMARY])
		return summarise(cli, text);
	if (!cli->values[OPT_OUTPUT] || cli->json)
		(void)puts(text);
	return CLO_EXIT_OK;
}

/* Lower case is the protocol's one spelling; "" without a nonce. */
static void spell_nonce(const char *nonce, char ret_text[CLO_NONCE_DIGITS + 1])
{
	size_t i;

	for (i = 0; nonce && nonce[i]; i++)
		ret_text[i] = (char)tolower((unsigned char)nonce[i]);
	ret_text[i] = '\0';
}

static int run(const struct clo_cli *cli)
{
	char spelt[CLO_NONCE_DIGITS + 1];
	const char *nonce = cli->values[OPT_NONCE];
	json_auto_t *request = NULL, *result = NULL;
	const json_t *envelope;
	int code;

	if (nonce && !clo_nonce_valid(nonce))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"attest: --nonce takes 1 to 64 bytes as "
				"hex digits");

	spell_nonce(nonce, spelt);
	request = json_pack("{s:s, s:s*, s:s*}", "op", "attest", "scope",
			    cli->values[OPT_SCOPE], "nonce",
			    nonce ? spelt : NULL);
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;

	envelope = json_object_get(result, "envelope");
	if (!json_is_object(envelope))
		return clo_fail_reply(cli);

	return print(cli, envelope);
}

const struct clo_command clo_command_attest = {
	.name = "attest",
	.summary = "print the latest signed attestation, or a fresh one",
	.details = "Prints the DSSE envelope; with --summary what it says "
		   "instead, with the exit status\nof verify. The summary "
		   "takes the daemon's word for the key: an auditor uses "
		   "verify.\n",
	.options =
		{
			[OPT_SCOPE] = {"scope", "TENANT/ENV",
				       "of one scope, not of the node"},
			[OPT_NONCE] =
				{"nonce", "HEX",
				 "prove anew and sign this challenge with it"},
			[OPT_OUTPUT] = {"output", "FILE",
					"write the envelope there"},
			[OPT_SUMMARY] = {"summary", NULL,
					 "what it says, for people"},
		},
	.run = run,
};
