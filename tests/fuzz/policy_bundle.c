/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/policy_bundle.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "agent/attest/dsse.h"
#include "tests/fixture_key.h"

static struct clo_key *key;
static struct clo_trust *trust;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	CLO_AUTO_MEM char *pem = NULL;
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *store = NULL;
	char reason[200];
	int r;

	(void)argc;
	(void)argv;
	key = fixture_key(FIXTURE_KEY_1);
	r = clo_key_public_pem(key, &pem);
	assert(r == 0);
	store = json_pack("{s:s, s:s, s:[{s:s, s:s, s:[s]}]}", "apiVersion",
			  "cloison/v1", "kind", "TrustStore", "keys", "name",
			  "plane", "pem", pem, "roles", "policy");
	text = json_dumps(store, 0);
	r = clo_trust_parse(text, strlen(text), &trust, reason);
	assert(r == 0);
	return 0;
}

static void assert_line(const char *reason)
{
	assert(reason[0]);
	for (const char *c = reason; *c; c++)
		assert(*c >= ' ' && *c <= '~');
}

/* Refused in one printable line, or all members within their bounds. */
static void open_bundle(const char *envelope, size_t len)
{
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *bundle = NULL;
	char reason[200] = "";
	int r = clo_policy_bundle_open(trust, envelope, len, 1767323045,
				       &bundle, reason);

	if (r == -EBADMSG) {
		assert_line(reason);
		return;
	}
	assert(r == 0 && bundle->node && bundle->documents);
	assert(bundle->revision >= 1 &&
	       bundle->revision <= CLO_POLICY_REVISION_MAX);
}

/* Once as an envelope, once as what a good signature covers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO_MEM char *envelope = NULL;

	open_bundle((const char *)data, size);
	if (clo_dsse_sign_as(key, CLO_POLICY_BUNDLE_TYPE, (const char *)data,
			     size, &envelope) == 0)
		open_bundle(envelope, strlen(envelope));
	return 0;
}
