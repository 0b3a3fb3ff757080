/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/attest/tlog_proof.h"
#include "agent/base/hex.h"
#include "agent/cli/log_open.h"
#include "agent/cli/output.h"

enum {
	OPT_BOOT = CLO_LOG_OPTS,
	OPT_OUTPUT,
};

/* The entry that the operand names. */
static int find(const struct clo_cli *cli, struct clo_store *store,
		uint64_t *ret_index)
{
	const char *name = cli->operand;
	uint8_t digest[CLO_SHA256_SIZE];
	uint64_t sequence;
	int r;

	if (clo_hex_decode(name, sizeof(digest), digest) == 0)
		r = clo_store_find_digest(store, digest, ret_index);
	else if (clo_checkpoint_number(name, strlen(name), &sequence) == 0)
		r = clo_store_find_sequence(store, cli->values[OPT_BOOT],
					    sequence, ret_index);
	else
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log proof: takes a payload's SHA-256 in hex "
				"or a sequence number, not %s",
				name);
	if (r == -ENOENT)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"the log has no such entry: %s", name);
	return r < 0 ? clo_log_fail(cli, r) : CLO_EXIT_OK;
}

/* Of the only entry in a range; the body is for the caller to free. */
static int take_body(void *userdata, const struct clo_entry *entry)
{
	char **body = userdata;

	if (!entry->body) /* it is gone */
		return 0;
	*body = strdup(entry->body);
	return *body ? 0 : -ENOMEM;
}

/* Nothing is handed out that does not hold. */
static int make(struct clo_store *store, const struct clo_checkpoint *head,
		const char *note, uint64_t index, char **ret_text,
		char **ret_body)
{
	const struct clo_store_range only = {.from = index, .to = index + 1};
	struct clo_merkle_source source = clo_store_source(store);
	struct clo_tlog_proof proof = {.index = index,
				       .checkpoint = note,
				       .checkpoint_len = strlen(note)};
	CLO_AUTO_MEM char *body = NULL;
	uint8_t hash[CLO_SHA256_SIZE];
	int r;

	r = clo_store_each(store, &only, take_body, &body);
	if (r < 0 || !body)
		return r < 0 ? r : -ENOENT;
	proof.entry = body;
	proof.entry_len = strlen(body);
	r = clo_merkle_inclusion(&source, index, head->size, &proof.path);
	if (r == 0)
		r = clo_merkle_leaf(body, proof.entry_len, hash);
	if (r == 0)
		r = clo_merkle_check_inclusion(hash, index, head->size,
					       &proof.path, head->root);
	if (r == 0)
		r = clo_tlog_proof_format(&proof, ret_text);
	if (r == 0)
		*ret_body = CLO_TAKE(body);
	return r == -EINVAL ? -EBADMSG : r;
}

static int put(const struct clo_cli *cli, const struct clo_checkpoint *head,
	       uint64_t index, const char *text, const char *body)
{
	json_auto_t *json =
		json_pack("{s:s, s:I, s:I, s:s, s:s}", "log", head->origin,
			  "index", (json_int_t)index, "size",
			  (json_int_t)head->size, "entry", body, "proof", text);

	return clo_log_put(cli, cli->values[OPT_OUTPUT], text, json);
}

static int run(const struct clo_cli *cli)
{
	__attribute__((cleanup(clo_log_keys_done))) struct clo_log_keys keys = {
		0};
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	CLO_AUTO_MEM char *note = NULL;
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *body = NULL;
	struct clo_checkpoint head;
	uint64_t index = 0;
	int code, r;

	code = clo_log_open(cli, &store);
	if (code == CLO_EXIT_OK)
		code = clo_log_keys_find(cli, store, &keys);
	if (code == CLO_EXIT_OK)
		code = find(cli, store, &index);
	if (code == CLO_EXIT_OK)
		code = clo_log_head(cli, store, &keys, &note, &head);
	if (code != CLO_EXIT_OK)
		return code;

	r = make(store, &head, note, index, &text, &body);
	return r < 0 ? clo_log_fail(cli, r)
		     : put(cli, &head, index, text, body);
}

const struct clo_command clo_command_log_proof = {
	.name = "log proof",
	.operand = "DIGEST|SEQUENCE",
	.summary = "print a proof that the log has a statement",
	.details = "DIGEST is the SHA-256 of its payload, SEQUENCE its number "
		   "in its boot. The proof\nis a C2SP tlog-proof; its extra "
		   "data is the entry.\n",
	.options =
		{
			CLO_LOG_OPTIONS,
			[OPT_BOOT] = {"boot", "ID", "of SEQUENCE; else latest"},
			[OPT_OUTPUT] = {"output", "FILE",
					"write it there instead"},
		},
	.list = "key",
	.run = run,
};
