/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/attest/store.h"
#include "agent/attest/store_reader.h"
#include "agent/attest/tile.h"
#include "agent/gateway/route.h"

/*
 * The log's tree, as C2SP's tlog-tiles has it below /v1/log. It is the same
 * for all: there are digests, signatures and keys in it, and nothing of what
 * was attested.
 */
#define CHECKPOINT_TYPE "text/plain; charset=utf-8"
#define TILE_TYPE "application/octet-stream"

static int open_tree(const struct clo_call *call,
		     struct clo_reader **ret_reader,
		     struct clo_store **ret_tree)
{
	int r = clo_reader_open(call->gateway->options->log, ret_reader);

	return r < 0 ? r : clo_reader_tree(*ret_reader, ret_tree);
}

void clo_answer_checkpoint(const struct clo_call *call,
			   struct clo_answer *answer)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct clo_store *tree = NULL;
	char *note = NULL;
	int r;

	r = open_tree(call, &reader, &tree);
	if (r == 0)
		r = clo_store_checkpoint(tree, 0, true, &note);
	if (r == -ENOENT)
		clo_answer_problem(answer, 404, "the log is empty");
	else if (r < 0)
		clo_answer_failure(answer, r, "the log cannot be read");
	else
		clo_answer_text(answer, CHECKPOINT_TYPE, note);
}

void clo_answer_tile(const struct clo_call *call, struct clo_answer *answer)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct clo_store *tree = NULL;
	char path[CLO_CAPTURE_MAX + 8];
	struct clo_tile tile;
	char *data = NULL;
	size_t len = 0;
	int r;

	(void)snprintf(path, sizeof(path), "tile/%s", call->capture);
	if (clo_tile_parse(path, &tile) < 0) {
		clo_answer_problem(answer, 400, "no path of a tile");
		return;
	}
	r = open_tree(call, &reader, &tree);
	if (r == 0)
		r = clo_store_tile(tree, &tile, &data, &len);
	if (r == -ENOENT)
		clo_answer_problem(answer, 404, "no such tile");
	else if (r < 0)
		clo_answer_failure(answer, r, "the log cannot be read");
	else
		clo_answer_bytes(answer, TILE_TYPE, data, len);
}
