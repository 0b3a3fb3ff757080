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

static bool is_same(const struct clo_bundled *a, const struct clo_bundled *b)
{
	return strcmp(a->envelope, b->envelope) == 0 &&
	       strcmp(a->note, b->note) == 0 && a->size == b->size &&
	       a->time == b->time && a->proof.path.n == b->proof.path.n &&
	       memcmp(a->root, b->root, sizeof(a->root)) == 0;
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
	int r;

	memcpy(head.root, bundled->root, sizeof(head.root));
	r = clo_bundle_format(&again, &text);
	if (r == 0)
		r = clo_bundle_parse(text, strlen(text), &twice);
	assert(r == 0 && is_same(twice, bundled));
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
