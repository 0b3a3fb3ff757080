/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"

#include <errno.h>
#include <signal.h>
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
#include "agent/sys/https.h"

#define KEY_MAX 65536U
#define FETCH_SECONDS 60

enum {
	OPT_KEY,
	OPT_TRUST,
	OPT_MAX_AGE,
	OPT_NONCE,
	OPT_REQUIRE_KEY,
	OPT_NODE_KEY,
	OPT_CHAIN,
	OPT_FORMAT,
	OPT_REQUIRE_LOG,
	OPT_LOG,
	OPT_PROOF,
	OPT_POLICY,
	OPT_CERT,
	OPT_KEY_FILE,
	OPT_CA,
};

/* What is read for a request, which borrows it. */
struct inputs {
	struct clo_key *key;
	struct clo_trust *trust;
	struct clo_node_keys *node_keys;
	struct clo_store *log;
	char *proof_text, *proof_entry;
	struct clo_tlog_proof proof;
	struct clo_verify_policy *policy;
	char *fetched;
};

static void inputs_done(struct inputs *inputs)
{
	clo_key_free(inputs->key);
	clo_trust_free(inputs->trust);
	clo_node_keys_free(inputs->node_keys);
	clo_store_free(inputs->log);
	clo_verify_policy_free(inputs->policy);
	free(inputs->proof_text);
	free(inputs->proof_entry);
	free(inputs->fetched);
}

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
	request->require_log = cli->values[OPT_REQUIRE_LOG] != NULL;
	if (cli->values[OPT_LOG] && cli->values[OPT_PROOF])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --log or --proof, not both");
	if (!cli->values[OPT_CERT] != !cli->values[OPT_KEY_FILE])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --cert needs --key-file and the other "
				"way round");
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

/* What is no node-key record is passed over: it may be a whole log. */
static int on_record(const char *name, const char *text, size_t len,
		     void *userdata)
{
	CLO_AUTO(clo_bundled) struct clo_bundled *bundled = NULL;
	struct clo_node_key *node_key = NULL;
	const char *reason;
	int r;

	(void)name;
	r = clo_verify_unwrap(&text, &len, &bundled);
	if (r == 0)
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

static int read_log(const struct clo_cli *cli, struct clo_store **ret_log)
{
	const char *path = cli->values[OPT_LOG];
	int r = path ? clo_store_open_read(path, ret_log) : 0;

	if (r == -EPROTO || r == -EUCLEAN)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is no log that this version reads", path);
	return r < 0 ? clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

static int read_proof(const struct clo_cli *cli, struct inputs *inputs)
{
	const char *path = cli->values[OPT_PROOF];
	size_t len;
	int code;

	if (!path)
		return CLO_EXIT_OK;
	code = read_file(cli, path, CLO_TLOG_PROOF_MAX, &inputs->proof_text,
			 &len);
	if (code == CLO_EXIT_OK &&
	    clo_tlog_proof_parse(inputs->proof_text, len, &inputs->proof,
				 &inputs->proof_entry) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is not a proof of cloison log proof", path);
	return code;
}

static bool is_url(const char *operand)
{
	return strncmp(operand, "https://", strlen("https://")) == 0;
}

static int fetch(const struct clo_cli *cli, char **ret_text, size_t *ret_len)
{
	const struct clo_https options = {
		.client.certificate = cli->values[OPT_CERT],
		.client.key = cli->values[OPT_KEY_FILE],
		.client.ca = cli->values[OPT_CA],
		.max = CLO_DSSE_MAX,
		.timeout = FETCH_SECONDS,
	};
	char error[160];
	int r;

	if (!is_url(cli->operand))
		return CLO_EXIT_OK;
	(void)signal(SIGPIPE, SIG_IGN);
	r = clo_https_get(&options, cli->operand, ret_text, ret_len, error);
	return r < 0 ? clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				cli->operand, error)
		     : CLO_EXIT_OK;
}

/* All that options name, then what is to be verified, if it is elsewhere. */
static int read_inputs(const struct clo_cli *cli, struct inputs *inputs,
		       struct clo_verify_request *request)
{
	const char *policy = cli->values[OPT_POLICY];
	int code = cli->values[OPT_KEY]
			   ? read_key(cli, &inputs->key)
			   : clo_verify_trust(cli, cli->values[OPT_TRUST],
					      &inputs->trust);

	if (code == CLO_EXIT_OK)
		code = read_node_keys(cli, &inputs->node_keys);
	if (code == CLO_EXIT_OK)
		code = read_log(cli, &inputs->log);
	if (code == CLO_EXIT_OK)
		code = read_proof(cli, inputs);
	if (code == CLO_EXIT_OK && policy)
		code = clo_verify_policy_read(cli, policy, &inputs->policy);
	if (code == CLO_EXIT_OK)
		code = fetch(cli, &inputs->fetched, &request->fetched_len);
	request->key = inputs->key;
	request->trust = inputs->trust;
	request->options.node_keys = inputs->node_keys;
	request->log = inputs->log;
	request->proof = cli->values[OPT_PROOF] ? &inputs->proof : NULL;
	request->policy = inputs->policy;
	request->fetched = inputs->fetched;
	return code;
}

static int verify_single(const struct clo_cli *cli,
			 const struct clo_verify_request *request)
{
	__attribute__((cleanup(
		clo_verify_result_done))) struct clo_verify_result result = {0};
	CLO_AUTO_MEM char *text = NULL;
	size_t len = request->fetched_len;
	int code = CLO_EXIT_OK;

	if (!request->fetched)
		code = read_file(cli, cli->operand, CLO_DSSE_MAX, &text, &len);
	if (code != CLO_EXIT_OK)
		return code;
	clo_verify_one(request, request->fetched ? request->fetched : text, len,
		       &result);
	return clo_summary_print(cli, &result);
}

static int run(const struct clo_cli *cli)
{
	__attribute__((cleanup(inputs_done))) struct inputs inputs = {0};
	struct clo_verify_request request = {0};
	int code;

	code = read_options(cli, &request);
	if (code == CLO_EXIT_OK)
		code = read_inputs(cli, &inputs, &request);
	if (code != CLO_EXIT_OK)
		return code;
	return (!request.fetched && clo_evidence_is_many(cli->operand)) ||
			       request.chain_complete || cli->values[OPT_FORMAT]
		       ? clo_verify_many(cli, &request)
		       : verify_single(cli, &request);
}

const struct clo_command clo_command_verify = {
	.name = "verify",
	.operand = "FILE|URL",
	.summary = "check attestations: offline, unprivileged",
	.details =
		"FILE is an envelope or a Sigstore bundle, - for stdin, a "
		".jsonl file of one on\neach line, or a directory of such "
		"files; an https:// URL of a gateway is fetched\nfirst. Exit "
		"status: the worst of 0 PASSED, 4 inconclusive or stale, 3 "
		"FAILED,\n1 not authentic; 2 usage, or what cannot be "
		"read.\n",
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
			[OPT_REQUIRE_LOG] = {"require-log", NULL,
					     "it must be in its node's log"},
			[OPT_LOG] = {"log", "FILE",
				     "which is this one, or a copy of it"},
			[OPT_PROOF] = {"proof", "FILE",
				       "as this proof shows (log proof)"},
			[OPT_POLICY] = {"policy", "DIR",
					"its policy and tables must be these"},
			[OPT_CERT] = {"cert", "FILE",
				      "certificate to show to a gateway (PEM)"},
			[OPT_KEY_FILE] = {"key-file", "FILE",
					  "private key of that certificate"},
			[OPT_CA] = {"ca", "FILE",
				    "who certifies the gateway, else the "
				    "system's"},
		},
	.run = run,
};
