/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/attest/policy_bundle.h"
#include "agent/attest/statement.h"
#include "agent/base/file.h"
#include "agent/cli/documents.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"

enum {
	OPT_NODE,
	OPT_REVISION,
	OPT_SIGNING_KEY,
	OPT_NOT_AFTER,
	OPT_OUTPUT,
};

static int read_options(const struct clo_cli *cli,
			struct clo_policy_bundle *bundle)
{
	const char *const *values = cli->values;

	if (!values[OPT_NODE] || !*values[OPT_NODE] || !values[OPT_REVISION] ||
	    !values[OPT_SIGNING_KEY])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"bundle needs --node, --revision and "
				"--signing-key");
	bundle->revision =
		clo_number_parse(values[OPT_REVISION], CLO_POLICY_REVISION_MAX);
	if (bundle->revision < 1)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"--revision %s is no number from 1 to 2^53-1",
				values[OPT_REVISION]);
	if (values[OPT_NOT_AFTER] &&
	    (clo_time_parse(values[OPT_NOT_AFTER], &bundle->not_after) < 0 ||
	     bundle->not_after <= 0))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"--not-after %s is no time like "
				"2026-01-02T03:04:05Z",
				values[OPT_NOT_AFTER]);
	bundle->node = values[OPT_NODE];
	return CLO_EXIT_OK;
}

/* The bundle is the same wherever the directory lies. */
static int shorten(json_t *documents)
{
	json_t *document;
	size_t i;

	json_array_foreach (documents, i, document) {
		const char *name =
			json_string_value(json_object_get(document, "name"));

		if (json_object_set_new(document, "name",
					json_string(strrchr(name, '/') + 1)) <
		    0)
			return -ENOMEM;
	}
	return 0;
}

static int seal(const struct clo_cli *cli,
		const struct clo_policy_bundle *bundle, char **ret_envelope)
{
	const char *path = cli->values[OPT_SIGNING_KEY];
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	int r = clo_key_load(path, &key);

	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "signing key %s: %s%s",
				path, strerrordesc_np(-r),
				r == -EACCES ? " (others must not read it)"
				: r == -EINVAL
					? " (expected Ed25519, PKCS#8 PEM)"
					: "");
	r = clo_policy_bundle_seal(key, bundle, ret_envelope);
	if (r == -EMSGSIZE ||
	    (r == 0 && strlen(*ret_envelope) > CLO_POLICY_BUNDLE_MAX))
		return clo_fail(cli, CLO_EXIT_REFUSED,
				"the policy makes a bundle of more than %u "
				"MiB, which no node takes",
				CLO_POLICY_BUNDLE_MAX >> 20);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot sign: %s",
				strerrordesc_np(-r));
	return CLO_EXIT_OK;
}

static int run(const struct clo_cli *cli)
{
	const char *path = cli->values[OPT_OUTPUT];
	struct clo_policy_bundle bundle = {0};
	CLO_AUTO_MEM char *envelope = NULL;
	json_auto_t *documents = NULL;
	int code, r;

	code = read_options(cli, &bundle);
	if (code == CLO_EXIT_OK)
		code = clo_documents_read(cli, cli->operand, &documents);
	bundle.documents = documents;
	if (code == CLO_EXIT_OK && shorten(documents) < 0)
		code = clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	if (code == CLO_EXIT_OK)
		code = seal(cli, &bundle, &envelope);
	if (code != CLO_EXIT_OK)
		return code;
	assert(envelope);
	if (!path || strcmp(path, "-") == 0)
		return puts(envelope) < 0 ? CLO_EXIT_FAILED : CLO_EXIT_OK;
	r = clo_file_write(path, envelope, strlen(envelope));
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "cannot write %s: %s",
				path, strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

const struct clo_command clo_command_bundle = {
	.name = "bundle",
	.operand = "DIR",
	.summary = "sign the policy in DIR for one node",
	.details = "Reads every *.json of DIR and makes the bundle that a node "
		   "takes from the\nbroker. Nothing is proven here: see plan "
		   "--offline. Needs no daemon.\n",
	.options =
		{
			[OPT_NODE] = {"node", "NAME", "as the policy calls it"},
			[OPT_REVISION] = {"revision", "N",
					  "greater than of the one before"},
			[OPT_SIGNING_KEY] = {"signing-key", "FILE",
					     "Ed25519, PKCS#8 PEM, mode 0600"},
			[OPT_NOT_AFTER] = {"not-after", "TIME",
					   "not put in force later"},
			[OPT_OUTPUT] = {"output", "FILE", "instead of stdout"},
		},
	.run = run,
};
