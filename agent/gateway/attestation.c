/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/attest/bundle.h"
#include "agent/attest/inclusion.h"
#include "agent/attest/store_reader.h"
#include "agent/base/hex.h"
#include "agent/gateway/filter.h"
#include "agent/gateway/route.h"

#define PROOF_TYPE "text/plain; charset=utf-8"

/* A text of a record that the caller may see; caller frees. */
typedef int text_fn(struct clo_reader *reader, int64_t id, char **ret_text);

struct found {
	const struct clo_who *who;
	int64_t id;
};

static int take_found(struct clo_reader *reader, const struct clo_row *row,
		      void *userdata)
{
	struct found *found = userdata;

	(void)reader;
	if (!clo_who_sees(found->who, row->scope))
		return -ENOENT; /* as one that is not there */
	found->id = row->id;
	return 0;
}

/* The record that the path names. */
static void answer_with(const struct clo_call *call, struct clo_answer *answer,
			const char *type, text_fn *text_of)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct found found = {.who = &call->who};
	uint8_t digest[32];
	char *text = NULL;
	int r;

	if (clo_hex_decode(call->capture, sizeof(digest), digest) < 0) {
		clo_answer_problem(answer, 400,
				   "a digest is 64 lower-case hex digits");
		return;
	}
	r = clo_reader_open(call->gateway->options->log, &reader);
	if (r == 0)
		r = clo_reader_find(reader, digest, take_found, &found);
	if (r == 0)
		r = text_of(reader, found.id, &text);
	if (r == -ENOENT)
		clo_answer_problem(answer, 404, "no such attestation");
	else if (r < 0)
		clo_answer_failure(answer, r, "the log cannot be read");
	else
		clo_answer_text(answer, type, text);
}

static int read_inclusion(struct clo_reader *reader, int64_t id,
			  struct clo_inclusion **ret_inclusion)
{
	struct clo_store *tree = NULL;
	uint64_t index = 0;
	int r;

	r = clo_reader_tree(reader, &tree);
	if (r == 0)
		r = clo_reader_leaf(reader, id, &index);
	return r < 0 ? r : clo_inclusion_new(tree, index, ret_inclusion);
}

static int bundle_of(struct clo_reader *reader, int64_t id, char **ret_text)
{
	CLO_AUTO(clo_inclusion) struct clo_inclusion *inclusion = NULL;
	int r;

	r = read_inclusion(reader, id, &inclusion);
	return r < 0 ? r : clo_inclusion_bundle(inclusion, ret_text);
}

static int proof_of(struct clo_reader *reader, int64_t id, char **ret_text)
{
	CLO_AUTO(clo_inclusion) struct clo_inclusion *inclusion = NULL;
	int r;

	r = read_inclusion(reader, id, &inclusion);
	return r < 0 ? r : clo_inclusion_proof(inclusion, ret_text);
}

void clo_answer_one(const struct clo_call *call, struct clo_answer *answer)
{
	answer_with(call, answer, CLO_ENVELOPE_TYPE, clo_reader_envelope);
}

void clo_answer_bundle(const struct clo_call *call, struct clo_answer *answer)
{
	answer_with(call, answer, CLO_BUNDLE_TYPE, bundle_of);
}

void clo_answer_proof(const struct clo_call *call, struct clo_answer *answer)
{
	answer_with(call, answer, PROOF_TYPE, proof_of);
}
