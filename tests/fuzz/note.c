/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/attest/leaf.h"
#include "agent/attest/tlog_proof.h"
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

/* What is taken for a checkpoint says again what was signed. */
static void open_checkpoint(const char *note, size_t len)
{
	struct clo_checkpoint checkpoint;

	if (clo_checkpoint_open(key, note, len, &checkpoint) < 0)
		return;
	assert(clo_note_check_name(checkpoint.origin) == 0);
	assert(checkpoint.size <= CLO_MERKLE_SIZE_MAX);
	assert(len > strlen(checkpoint.origin));
	assert(memcmp(note, checkpoint.origin, strlen(checkpoint.origin)) == 0);
}

static void open_proof(const char *text, size_t len)
{
	CLO_AUTO_MEM char *entry = NULL;
	CLO_AUTO_MEM char *again = NULL;
	struct clo_checkpoint checkpoint;
	struct clo_tlog_proof proof;

	if (clo_tlog_proof_parse(text, len, &proof, &entry) < 0)
		return;
	(void)clo_tlog_proof_check(key, &proof, NULL, &checkpoint);
	/* There is one way to write it. */
	if (memchr(proof.checkpoint, '\0', proof.checkpoint_len))
		return;
	assert(clo_tlog_proof_format(&proof, &again) == 0);
	assert(strlen(again) == len && memcmp(again, text, len) == 0);
}

/* Once as a checkpoint, once as the text of one, once as a proof, as a body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO(clo_key) struct clo_key *named = NULL;
	CLO_AUTO_MEM char *text = strndup((const char *)data, size);
	CLO_AUTO_MEM char *note = NULL;
	char origin[CLO_NOTE_NAME_MAX] = "";

	open_checkpoint((const char *)data, size);
	open_proof((const char *)data, size);
	(void)clo_leaf_key((const char *)data, size, &named);

	if (!text)
		return 0;
	(void)snprintf(origin, sizeof(origin), "%.*s", (int)strcspn(text, "\n"),
		       text);
	if (clo_note_sign(key, origin, text, &note) == 0)
		open_checkpoint(note, strlen(note));
	return 0;
}
