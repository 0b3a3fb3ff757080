/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/policy_bundle.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"

#define DEPTH 3 /* object, documents, document */
#define VERSION "cloison/v1"
#define KIND "PolicyBundle"

static int refuse(char reason[200], const char *what, const char *key)
{
	(void)snprintf(reason, 200, "%s%s%s", what, key ? ": key " : "",
		       key ? key : "");
	return -EBADMSG;
}

int clo_policy_bundle_seal(const struct clo_key *key,
			   const struct clo_policy_bundle *bundle,
			   char **ret_envelope)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	char when[21];

	clo_time_format(bundle->not_after, when);
	root = json_pack("{s:s, s:s, s:s, s:I, s:s*, s:O}", "apiVersion",
			 VERSION, "kind", KIND, "node", bundle->node,
			 "revision", (json_int_t)bundle->revision, "notAfter",
			 bundle->not_after ? when : NULL, "documents",
			 bundle->documents);
	if (!root)
		return -EINVAL; /* a name that is not UTF-8 */
	payload = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	if (!payload)
		return -ENOMEM;
	return clo_dsse_sign_as(key, CLO_POLICY_BUNDLE_TYPE, payload,
				strlen(payload), ret_envelope);
}

static int read_payload(struct clo_policy_bundle *bundle, const char *payload,
			size_t len, char reason[200])
{
	const char *version, *kind, *not_after = NULL;
	json_int_t revision;
	int r;

	r = clo_json_parse(payload, len, DEPTH, &bundle->root);
	if (r == -EBADMSG)
		return refuse(reason, "signed, but not strict JSON", NULL);
	if (r < 0)
		return r;
	if (json_unpack(bundle->root, "{s:s, s:s, s:s, s:I, s?s, s:o!}",
			"apiVersion", &version, "kind", &kind, "node",
			&bundle->node, "revision", &revision, "notAfter",
			&not_after, "documents", &bundle->documents) < 0 ||
	    strcmp(version, VERSION) != 0 || strcmp(kind, KIND) != 0)
		return refuse(reason, "signed, but not a " KIND " of " VERSION,
			      NULL);
	if (revision < 1 || revision > CLO_POLICY_REVISION_MAX)
		return refuse(reason, "signed, but its revision is none", NULL);
	if (not_after && (clo_time_parse(not_after, &bundle->not_after) < 0 ||
			  bundle->not_after <= 0))
		return refuse(reason, "signed, but its notAfter is no time",
			      NULL);
	bundle->revision = revision;
	return 0;
}

static int open_signed(struct clo_policy_bundle *bundle,
		       const struct clo_trusted *trusted, const char *envelope,
		       size_t len, char reason[200])
{
	CLO_AUTO_MEM char *payload = NULL;
	size_t payload_len;
	int r;

	r = clo_dsse_open_as(trusted->key, CLO_POLICY_BUNDLE_TYPE, envelope,
			     len, &payload, &payload_len);
	if (r == -EBADMSG)
		return refuse(reason, "its signature is false", NULL);
	if (r == 0)
		r = clo_sha256_hex(payload, payload_len, bundle->digest);
	if (r == 0)
		r = read_payload(bundle, payload, payload_len, reason);
	if (r < 0)
		return r;
	assert(bundle->node);
	if (trusted->node && strcmp(trusted->node, bundle->node) != 0)
		return refuse(reason,
			      "for a node that its key does not speak for",
			      trusted->name);
	bundle->bound = trusted->node;
	memcpy(bundle->key_id, trusted->id, sizeof(bundle->key_id));
	return 0;
}

int clo_policy_bundle_open(const struct clo_trust *trust, const char *envelope,
			   size_t len, time_t now,
			   struct clo_policy_bundle **ret_bundle,
			   char ret_reason[200])
{
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *bundle = NULL;
	const struct clo_trusted *trusted;
	const char *flaw;
	char id[65];
	int r;

	if (len > CLO_POLICY_BUNDLE_MAX)
		return refuse(ret_reason, "longer than 8 MiB", NULL);
	r = clo_dsse_key_id(CLO_POLICY_BUNDLE_TYPE, envelope, len, id);
	if (r == -EBADMSG)
		return refuse(ret_reason,
			      "not an envelope of a policy that names its key",
			      NULL);
	if (r < 0)
		return r;
	trusted = clo_trust_find(trust, id, CLO_TRUST_POLICY);
	if (!trusted)
		return refuse(ret_reason,
			      "signed by a key that is not trusted with "
			      "policies",
			      NULL);
	/* the time is ours: whoever has an old key may write any into it */
	flaw = clo_trusted_flaw(trusted, now);
	if (flaw)
		return refuse(ret_reason, flaw, trusted->name);
	bundle = calloc(1, sizeof(*bundle));
	if (!bundle)
		return -ENOMEM;
	r = open_signed(bundle, trusted, envelope, len, ret_reason);
	if (r < 0)
		return r;

	*ret_bundle = CLO_TAKE(bundle);
	return 0;
}

void clo_policy_bundle_free(struct clo_policy_bundle *bundle)
{
	if (!bundle)
		return;

	json_decref(bundle->root);
	free(bundle);
}
