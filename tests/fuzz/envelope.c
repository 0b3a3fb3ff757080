/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/node_key.h"
#include "agent/attest/verify.h"
#include "tests/fixture_key.h"

static struct clo_key *key;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	key = fixture_key(FIXTURE_KEY_1);
	return 0;
}

/* What a verdict always brings: one printable line, and a shown statement. */
static void verify(const char *envelope, size_t len)
{
	/* The time of the corpus, so that PASSED can be reached. */
	const struct clo_verify_options options = {
		.now = 1767323045,
		.max_age = -1,
	};
	struct clo_verify_result result;

	clo_verify(key, envelope, len, &options, &result);
	assert(result.reason[0] != '\0');
	for (const char *c = result.reason; *c; c++)
		assert(*c >= ' ' && *c <= '~');
	assert(result.statement || result.exit == CLO_VERIFY_NOT_AUTHENTIC);
	clo_verify_result_done(&result);
}

static void open_record(const char *envelope, size_t len)
{
	struct clo_node_key *node_key = NULL;
	const char *reason = NULL;

	if (clo_node_key_open(envelope, len, &node_key, &reason) == -EBADMSG)
		assert(reason);
	clo_node_key_free(node_key);
}

/* Once as an envelope, once as what a good signature covers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO_MEM char *envelope = NULL;

	verify((const char *)data, size);
	open_record((const char *)data, size);
	if (clo_dsse_sign(key, (const char *)data, size, &envelope) == 0) {
		verify(envelope, strlen(envelope));
		open_record(envelope, strlen(envelope));
	}
	return 0;
}
