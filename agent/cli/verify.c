/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/key.h"
#include "agent/base/file.h"
#include "agent/cli/nonce.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"
#include "agent/cli/summary.h"

#define KEY_MAX 65536U

enum {
	OPT_KEY,
	OPT_MAX_AGE,
	OPT_NONCE,
};

static int read_options(const struct clo_cli *cli,
			struct clo_verify_options *ret_options)
{
	const char *age = cli->values[OPT_MAX_AGE];

	*ret_options = (struct clo_verify_options){
		.now = time(NULL),
		.max_age = -1,
		.nonce = cli->values[OPT_NONCE],
	};
	if (!cli->values[OPT_KEY])
		return clo_fail(cli, CLO_EXIT_USAGE, "verify: needs --key");
	if (ret_options->nonce && !clo_nonce_valid(ret_options->nonce))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --nonce takes 1 to 64 bytes as "
				"hex digits");
	if (!age)
		return CLO_EXIT_OK;
	ret_options->max_age = clo_number_parse(age, 9999999999);
	if (ret_options->max_age < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"verify: --max-age takes seconds, not %s", age);
	return CLO_EXIT_OK;
}

static int read_key(const struct clo_cli *cli, struct clo_key **ret_key)
{
	const char *path = cli->values[OPT_KEY];
	CLO_AUTO_MEM char *pem = NULL;
	size_t len;
	int r;

	r = clo_file_read(path, KEY_MAX, &pem, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	r = clo_key_parse_public(pem, len, ret_key);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is not a public Ed25519 key in PEM", path);
	return CLO_EXIT_OK;
}

static int run(const struct clo_cli *cli)
{
	__attribute__((cleanup(
		clo_verify_result_done))) struct clo_verify_result result = {0};
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	CLO_AUTO_MEM char *envelope = NULL;
	struct clo_verify_options options;
	size_t len;
	int code, r;

	code = read_options(cli, &options);
	if (code == CLO_EXIT_OK)
		code = read_key(cli, &key);
	if (code != CLO_EXIT_OK)
		return code;

	r = clo_file_read(cli->operand, CLO_DSSE_MAX, &envelope, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				cli->operand, strerrordesc_np(-r));

	clo_verify(key, envelope, len, &options, &result);
	return clo_summary_print(cli, &result);
}

const struct clo_command clo_command_verify = {
	.name = "verify",
	.operand = "FILE",
	.summary = "check an attestation: offline, unprivileged",
	.details = "FILE may be - for stdin. Exit status 0 PASSED, 1 not "
		   "authentic, 2 usage or an\nunreadable file, 3 FAILED, 4 "
		   "inconclusive or stale.\n",
	.options =
		{
			[OPT_KEY] = {"key", "FILE",
				     "the node's public key (PEM)"},
			[OPT_MAX_AGE] =
				{"max-age", "SECONDS",
				 "else 3 times the statement's own period"},
			[OPT_NONCE] = {"nonce", "HEX",
				       "it must answer this challenge"},
		},
	.run = run,
};
