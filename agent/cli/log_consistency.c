/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/attest/tlog_proof.h"
#include "agent/base/file.h"
#include "agent/cli/log_open.h"
#include "agent/cli/output.h"

enum {
	OPT_OUTPUT = CLO_LOG_OPTS,
};

/* Of OLDSIZE: the tree that the log had then. */
static int old_of_size(const struct clo_cli *cli, struct clo_store *store,
		       const struct clo_checkpoint *head, uint64_t size,
		       struct clo_checkpoint *ret_old)
{
	struct clo_merkle_source source = clo_store_source(store);
	int r;

	*ret_old = *head;
	ret_old->size = size;
	if (size > head->size)
		return CLO_EXIT_OK; /* said by compare() */
	r = clo_merkle_root(&source, size, ret_old->root);
	return r < 0 ? clo_log_fail(cli, r) : CLO_EXIT_OK;
}

static int find_old(const struct clo_cli *cli, struct clo_store *store,
		    const struct clo_log_keys *keys,
		    const struct clo_checkpoint *head,
		    struct clo_checkpoint *ret_old)
{
	const char *name = cli->operand;
	CLO_AUTO_MEM char *note = NULL;
	uint64_t size;
	size_t len;
	int r;

	if (clo_checkpoint_number(name, strlen(name), &size) == 0)
		return old_of_size(cli, store, head, size, ret_old);
	r = clo_file_read(name, CLO_NOTE_MAX, &note, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", name,
				strerrordesc_np(-r));
	r = clo_log_checkpoint_open(keys, note, len, ret_old);
	if (r == -EBADMSG)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"%s is no checkpoint signed by this key", name);
	return r < 0 ? clo_log_fail(cli, r) : CLO_EXIT_OK;
}

/* The proof, if the newer tree goes on from the older one. */
static int compare(const struct clo_cli *cli, struct clo_store *store,
		   const struct clo_checkpoint *old,
		   const struct clo_checkpoint *head,
		   struct clo_merkle_proof *ret_path)
{
	struct clo_merkle_source source = clo_store_source(store);
	int r;

	if (strcmp(old->origin, head->origin) != 0)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not consistent: the checkpoint is of another "
				"log, %s",
				old->origin);
	if (old->size > head->size)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not consistent: the log was cut, or never had "
				"%" PRIu64 " entries: it has %" PRIu64,
				old->size, head->size);
	if (old->size == head->size && memcmp(old->root, head->root, 32) != 0)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not consistent: two trees of %" PRIu64
				" entries are signed",
				old->size);
	r = clo_merkle_consistency(&source, old->size, head->size, ret_path);
	if (r == 0)
		r = clo_merkle_check_consistency(
			old->size, old->root, head->size, head->root, ret_path);
	if (r == -EBADMSG)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not consistent: the first %" PRIu64
				" entries are others now",
				old->size);
	return r < 0 ? clo_log_fail(cli, r) : CLO_EXIT_OK;
}

static int put(const struct clo_cli *cli, const struct clo_checkpoint *old,
	       const struct clo_checkpoint *head,
	       const struct clo_merkle_proof *path, const char *note)
{
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *json = NULL;
	int r;

	r = clo_tlog_growth_format(old->size, path, note, &text);
	if (r < 0)
		return clo_log_fail(cli, r);
	json = json_pack("{s:s, s:I, s:I, s:s}", "log", head->origin, "oldSize",
			 (json_int_t)old->size, "size", (json_int_t)head->size,
			 "proof", text);
	return clo_log_put(cli, cli->values[OPT_OUTPUT], text, json);
}

static int run(const struct clo_cli *cli)
{
	__attribute__((cleanup(clo_log_keys_done))) struct clo_log_keys keys = {
		0};
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	CLO_AUTO_MEM char *note = NULL;
	struct clo_merkle_proof path;
	struct clo_checkpoint head = {0};
	struct clo_checkpoint old = {0};
	int code;

	code = clo_log_open(cli, &store);
	if (code == CLO_EXIT_OK)
		code = clo_log_keys_find(cli, store, &keys);
	if (code == CLO_EXIT_OK)
		code = clo_log_head(cli, store, &keys, &note, &head);
	if (code == CLO_EXIT_OK)
		code = find_old(cli, store, &keys, &head, &old);
	if (code == CLO_EXIT_OK)
		code = compare(cli, store, &old, &head, &path);
	return code == CLO_EXIT_OK ? put(cli, &old, &head, &path, note) : code;
}

const struct clo_command clo_command_log_consistency = {
	.name = "log consistency",
	.operand = "OLDSIZE|CHECKPOINT",
	.summary = "print a proof that the log only grew since then",
	.details = "CHECKPOINT is a file that was kept elsewhere, OLDSIZE a "
		   "number of entries. The\nproof is what a C2SP tlog-witness "
		   "takes: old size, hashes, checkpoint.\n",
	.options =
		{
			CLO_LOG_OPTIONS,
			[OPT_OUTPUT] = {"output", "FILE",
					"write it there instead"},
		},
	.list = "key",
	.run = run,
};
