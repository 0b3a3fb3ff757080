/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "agent/attest/credential.h"
#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/node_key.h"
#include "agent/attest/quote_json.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"

#define CHALLENGE_MAX 4096
#define DEPTH 4

enum {
	OPT_SECRET,
	OPT_ANSWER,
	OPT_ACTIVATE,
};

static int read_json(const struct clo_cli *cli, const char *path,
		     json_t **ret_root)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;
	int r = clo_file_read(path, CHALLENGE_MAX, &text, &len);

	if (r == 0)
		r = clo_json_parse(text, len, DEPTH, ret_root);
	return r < 0 ? clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

/* On the node: its TPM gives back what was wrapped for it. */
static int activate(const struct clo_cli *cli)
{
	json_auto_t *challenge = NULL, *request = NULL, *result = NULL;
	const char *credential, *secret, *value;
	int code = read_json(cli, cli->operand, &challenge);

	if (code != CLO_EXIT_OK)
		return code;
	credential =
		json_string_value(json_object_get(challenge, "credential"));
	secret = json_string_value(json_object_get(challenge, "secret"));
	if (!credential || !secret)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s is no challenge",
				cli->operand);
	request = json_pack("{s:s, s:s, s:s}", "op", "activate", "credential",
			    credential, "secret", secret);
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;
	value = json_string_value(json_object_get(result, "value"));
	if (!value)
		return clo_fail_reply(cli);
	if (cli->json)
		return clo_json_print(result);
	clo_text_print(stdout, value);
	(void)putchar('\n');
	return CLO_EXIT_OK;
}

static int read_record(const struct clo_cli *cli,
		       struct clo_node_key **ret_record)
{
	CLO_AUTO_MEM char *text = NULL;
	const char *reason;
	size_t len;
	int r = clo_file_read(cli->operand, CLO_DSSE_MAX, &text, &len);

	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				cli->operand, strerrordesc_np(-r));
	r = clo_node_key_open(text, len, ret_record, &reason);
	if (r == -ENOMSG)
		reason = "it is no node-key record";
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "not authentic: %s",
				reason)
		     : CLO_EXIT_OK;
}

/* Never over another: that one may still be waiting for its answer. */
static int save_secret(const struct clo_cli *cli, const char *value,
		       const char *ak_id)
{
	const char *path = cli->values[OPT_SECRET];
	json_auto_t *root =
		json_pack("{s:s, s:s}", "value", value, "ak", ak_id);
	CLO_AUTO_FD int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		     0600);

	if (fd < 0 || !root || json_dumpfd(root, fd, JSON_INDENT(1)) < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot write %s: %s",
				path, fd < 0 ? strerrordesc_np(errno) : "-");
	return CLO_EXIT_OK;
}

static int challenge(const struct clo_cli *cli,
		     const struct clo_node_key *record)
{
	const json_t *ek = json_object_get(
		json_object_get(record->statement, "predicate"), "ek");
	struct clo_credential credential;
	json_auto_t *document = NULL;
	uint8_t area[512], value[32];
	char text[65];
	size_t len;
	int code;

	if (getrandom(value, sizeof(value), 0) != sizeof(value))
		return clo_fail(cli, CLO_EXIT_FAILED, "no random numbers");
	if (clo_hex_from_json(ek, area, sizeof(area), &len) < 0 ||
	    clo_credential_make(area, len, record->ak.name, value,
				&credential) < 0)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"the record's ek is no endorsement key");
	clo_hex_encode(value, sizeof(value), text);
	code = save_secret(cli, text, record->ak_id);
	explicit_bzero(value, sizeof(value));
	explicit_bzero(text, sizeof(text));
	if (code != CLO_EXIT_OK)
		return code;
	document = json_pack(
		"{s:o, s:o}", "credential",
		clo_hex_to_json(credential.object, credential.object_len),
		"secret",
		clo_hex_to_json(credential.secret, credential.secret_len));
	return document ? clo_json_print(document)
			: clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
}

/* What the trust store then holds. */
static int conclude(const struct clo_cli *cli,
		    const struct clo_node_key *record)
{
	const char *node = json_string_value(json_object_get(
		json_object_get(json_object_get(record->statement, "predicate"),
				"node"),
		"name"));
	json_auto_t *secret = NULL, *entry = NULL;
	const char *value, *ak;
	int code = read_json(cli, cli->values[OPT_SECRET], &secret);

	if (code != CLO_EXIT_OK)
		return code;
	value = json_string_value(json_object_get(secret, "value"));
	ak = json_string_value(json_object_get(secret, "ak"));
	if (!value || !ak || strcmp(ak, record->ak_id) != 0)
		return clo_fail(cli, CLO_EXIT_REFUSED,
				"the secret is not of this record's "
				"attestation key");
	if (strcmp(value, cli->values[OPT_ANSWER]) != 0)
		return clo_fail(cli, CLO_EXIT_REFUSED,
				"that is not the answer: the attestation key "
				"is not in the TPM of that endorsement key");
	entry = json_pack("{s:s, s:[s], s:s, s:s+}", "name", node, "roles",
			  "attest", "node", node, "ak", "000b", ak);
	return entry ? clo_json_print(entry)
		     : clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
}

static int run(const struct clo_cli *cli)
{
	CLO_AUTO(clo_node_key) struct clo_node_key *record = NULL;
	int code;

	if (cli->values[OPT_ACTIVATE])
		return activate(cli);
	if (!cli->values[OPT_SECRET])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"enrol: needs --secret or --activate");
	code = read_record(cli, &record);
	if (code != CLO_EXIT_OK)
		return code;
	assert(record);
	return cli->values[OPT_ANSWER] ? conclude(cli, record)
				       : challenge(cli, record);
}

const struct clo_command clo_command_enrol = {
	.name = "enrol",
	.operand = "FILE",
	.summary = "make sure whose TPM an attestation key is in",
	.details = "FILE is a node-key record: prints a challenge for its TPM "
		   "and keeps the answer in\nthe --secret file. On the node, "
		   "with --activate, FILE is that challenge: prints\nthe "
		   "answer. Then --answer compares it and prints the entry for "
		   "a trust store.\nThe endorsement key's certificate is for "
		   "you to check.\n",
	.options =
		{
			[OPT_SECRET] = {"secret", "FILE",
					"what only that TPM can answer"},
			[OPT_ANSWER] = {"answer", "HEX", "what it answered"},
			[OPT_ACTIVATE] = {"activate", NULL,
					  "have this node's TPM answer"},
		},
	.run = run,
};
