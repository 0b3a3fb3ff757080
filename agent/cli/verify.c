/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/key.h"
#include "agent/attest/trust.h"
#include "agent/base/file.h"
#include "agent/cli/evidence.h"
#include "agent/cli/nonce.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"
#include "agent/cli/summary.h"
#include "agent/cli/verify_many.h"

#define KEY_MAX 65536U

enum {
	OPT_KEY,
	OPT_TRUST,
	OPT_MAX_AGE,
	OPT_NONCE,
	OPT_REQUIRE_KEY,
	OPT_NODE_KEY,
	OPT_CHAIN,
	OPT_FORMAT,
};

static int read_age(const struct clo_cli *cli, int64_t *ret_age)
{
	const char *age = cli->values[OPT_MAX_AGE];

	*ret_age = age ? clo_number_parse(age, 9999999999) : -1;
	if (age && *ret_age < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --max-age takes seconds, not %s", age);
	return CLO_EXIT_OK;
}

static int read_format(const struct clo_cli *cli,
		       enum clo_verify_format *ret_format)
{
	static const char *const words[] = {
		[CLO_VERIFY_TEXT] = "text",
		[CLO_VERIFY_JSON] = "json",
		[CLO_VERIFY_JUNIT] = "junit",
	};
	const char *text = cli->values[OPT_FORMAT];

	*ret_format = cli->json ? CLO_VERIFY_JSON : CLO_VERIFY_TEXT;
	for (size_t i = 0; text && i < CLO_ARRAY_LEN(words); i++)
		if (strcmp(text, words[i]) == 0) {
			*ret_format = (enum clo_verify_format)i;
			return CLO_EXIT_OK;
		}
	return text ? clo_fail(cli, CLO_EXIT_USAGE,
			       "verify: --format takes text, json or junit, "
			       "not %s",
			       text)
		    : CLO_EXIT_OK;
}

static int read_options(const struct clo_cli *cli,
			struct clo_verify_request *request)
{
	const char *protection = cli->values[OPT_REQUIRE_KEY];
	struct clo_verify_options *options = &request->options;
	int code;

	options->now = time(NULL);
	options->nonce = cli->values[OPT_NONCE];
	options->protection = protection ? "tpm" : NULL;
	request->chain_complete = cli->values[OPT_CHAIN] != NULL;
	if (cli->values[OPT_NODE_KEY] && !cli->values[OPT_TRUST])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --node-key needs --trust");
	if (!cli->values[OPT_KEY] == !cli->values[OPT_TRUST])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: needs --key or --trust");
	if (options->nonce && !clo_nonce_valid(options->nonce))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --nonce takes 1 to 64 bytes as "
				"hex digits");
	if (protection && strcmp(protection, "tpm-bound") != 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --require-key takes tpm-bound, not %s",
				protection);
	code = read_format(cli, &request->format);
	return code ? code : read_age(cli, &options->max_age);
}

static int read_file(const struct clo_cli *cli, const char *path, size_t max,
		     char **ret_text, size_t *ret_len)
{
	int r = clo_file_read(path, max, ret_text, ret_len);

	return r < 0 ? clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

static int read_key(const struct clo_cli *cli, struct clo_key **ret_key)
{
	const char *path = cli->values[OPT_KEY];
	CLO_AUTO_MEM char *pem = NULL;
	size_t len;
	int code;

	code = read_file(cli, path, KEY_MAX, &pem, &len);
	if (code == CLO_EXIT_OK && clo_key_parse_public(pem, len, ret_key) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is not a public Ed25519 key in PEM", path);
	return code;
}

static int read_trust(const struct clo_cli *cli, struct clo_trust **ret_trust)
{
	const char *path = cli->values[OPT_TRUST];
	CLO_AUTO_MEM char *text = NULL;
	char reason[200] = "out of memory";
	size_t len;
	int code;

	code = read_file(cli, path, CLO_TRUST_MAX, &text, &len);
	if (code == CLO_EXIT_OK &&
	    clo_trust_parse(text, len, ret_trust, reason) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "%s: %s", path, reason);
	return code;
}

/* What is no node-key record is passed over: it may be a whole log. */
static int on_record(const char *name, const char *text, size_t len,
		     void *userdata)
{
	struct clo_node_key *node_key = NULL;
	const char *reason;
	int r;

	(void)name;
	r = clo_node_key_open(text, len, &node_key, &reason);
	if (r == -ENOMSG)
		return 0;
	return r < 0 ? r : clo_node_keys_add(userdata, node_key);
}

static int read_node_keys(const struct clo_cli *cli,
			  struct clo_node_keys **ret_keys)
{
	const char *path = cli->values[OPT_NODE_KEY];
	CLO_AUTO_MEM char *unread = NULL;
	int r = clo_node_keys_new(ret_keys);

	if (!path)
		return CLO_EXIT_OK;
	if (r == 0)
		r = clo_evidence_each(path, on_record, *ret_keys, &unread);
	if (r == -EBADMSG && !unread)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not authentic: a node-key record in %s", path);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				unread ? unread : path, strerrordesc_np(-r));
	return clo_node_keys_count(*ret_keys)
		       ? CLO_EXIT_OK
		       : clo_fail(cli, CLO_EXIT_USAGE,
				  "%s: no node-key record is there", path);
}

static int verify_single(const struct clo_cli *cli,
			 const struct clo_verify_request *request)
{
	__attribute__((cleanup(
		clo_verify_result_done))) struct clo_verify_result result = {0};
	CLO_AUTO_MEM char *envelope = NULL;
	size_t len;
	int code;

	code = read_file(cli, cli->operand, CLO_DSSE_MAX, &envelope, &len);
	if (code != CLO_EXIT_OK)
		return code;
	clo_verify_one(request, envelope, len, &result);
	return clo_summary_print(cli, &result);
}

static int run(const struct clo_cli *cli)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	CLO_AUTO(clo_trust) struct clo_trust *trust = NULL;
	CLO_AUTO(clo_node_keys) struct clo_node_keys *node_keys = NULL;
	struct clo_verify_request request = {0};
	int code;

	code = read_options(cli, &request);
	if (code == CLO_EXIT_OK)
		code = cli->values[OPT_KEY] ? read_key(cli, &key)
					    : read_trust(cli, &trust);
	if (code == CLO_EXIT_OK)
		code = read_node_keys(cli, &node_keys);
	if (code != CLO_EXIT_OK)
		return code;
	request.key = key;
	request.trust = trust;
	request.options.node_keys = node_keys;
	return clo_evidence_is_many(cli->operand) || request.chain_complete ||
			       cli->values[OPT_FORMAT]
		       ? clo_verify_many(cli, &request)
		       : verify_single(cli, &request);
}

const struct clo_command clo_command_verify = {
	.name = "verify",
	.operand = "FILE",
	.summary = "check attestations: offline, unprivileged",
	.details = "FILE is an envelope, - for stdin, a .jsonl file of one on "
		   "each line, or a\ndirectory of such files. Exit status: the "
		   "worst of 0 PASSED, 4 inconclusive or\nstale, 3 FAILED, 1 "
		   "not authentic; 2 usage or an unreadable file.\n",
	.options =
		{
			[OPT_KEY] = {"key", "FILE",
				     "the node's public key (PEM)"},
			[OPT_TRUST] = {"trust", "FILE",
				       "a trust store: keys, nodes, times"},
			[OPT_MAX_AGE] =
				{"max-age", "SECONDS",
				 "else 3 times the statement's own period"},
			[OPT_NONCE] = {"nonce", "HEX",
				       "it must answer this challenge"},
			[OPT_REQUIRE_KEY] = {"require-key", "tpm-bound",
					     "the key must be bound to a TPM"},
			[OPT_NODE_KEY] = {"node-key", "FILE",
					  "records that bind keys to TPMs"},
			[OPT_CHAIN] = {"chain-complete", NULL,
				       "no statement of a boot may be missing"},
			[OPT_FORMAT] = {"format", "FORMAT",
					"text, json or junit"},
		},
	.run = run,
};
