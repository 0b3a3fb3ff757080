/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/attest/logged.h"
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

/* What is taken and written again is taken for the same. */
static void format_again(const struct clo_bundled *bundled)
{
	struct clo_checkpoint head = {.size = bundled->size};
	const struct clo_bundle again = {
		.envelope = bundled->envelope,
		.time = (time_t)bundled->time,
		.body = bundled->body,
		.index = bundled->proof.index,
		.path = &bundled->proof.path,
		.head = &head,
		.note = bundled->note,
		.log_id = bundled->root,
	};
	CLO_AUTO(clo_bundled) struct clo_bundled *twice = NULL;
	CLO_AUTO_MEM char *text = NULL;

	memcpy(head.root, bundled->root, sizeof(head.root));
	assert(clo_bundle_format(&again, &text) == 0);
	assert(clo_bundle_is_claimed(text, strlen(text)));
	assert(clo_bundle_parse(text, strlen(text), &twice) == 0);
	assert(strcmp(twice->envelope, bundled->envelope) == 0);
	assert(strcmp(twice->note, bundled->note) == 0);
	assert(twice->size == bundled->size && twice->time == bundled->time);
	assert(twice->proof.path.n == bundled->proof.path.n);
	assert(memcmp(twice->root, bundled->root, sizeof(twice->root)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO(clo_bundled) struct clo_bundled *bundled = NULL;
	const struct clo_log_trust by = {.key = key};

	if (clo_bundle_parse((const char *)data, size, &bundled) < 0)
		return 0;
	format_again(bundled);
	(void)clo_logged_bundle_flaw(&by, bundled);
	return 0;
}
