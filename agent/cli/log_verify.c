/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/attest/log.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/cli/log_open.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

enum {
	OPT_CHECKPOINT = CLO_LOG_OPTS,
	OPT_OUTPUT,
};

static const char *word_of(enum clo_verify_exit exit)
{
	return exit == CLO_VERIFY_PASSED          ? "WHOLE"
	       : exit == CLO_VERIFY_NOT_AUTHENTIC ? "NOT AUTHENTIC"
						  : "INCONCLUSIVE";
}

/* The checkpoint that was checked, and by which key; NULL: there is none. */
struct head {
	char *note;
	char *verifier; /* as other tools take keys */
};

static void head_done(struct head *head)
{
	free(head->note);
	free(head->verifier);
}

static int find_head(const struct clo_cli *cli, struct clo_store *store,
		     struct clo_log_keys *keys, struct head *head)
{
	struct clo_checkpoint checkpoint;
	int code = CLO_EXIT_OK;

	if (keys->own)
		code = clo_log_keys_find(cli, store, keys);
	if (code == CLO_EXIT_OK)
		code = clo_log_head(cli, store, keys, &head->note, &checkpoint);
	for (size_t i = 0; i < keys->n && code == CLO_EXIT_OK; i++) {
		if (clo_checkpoint_open(keys->keys[i], head->note,
					strlen(head->note), &checkpoint) == 0)
			return clo_note_verifier(keys->keys[i],
						 checkpoint.origin,
						 &head->verifier) < 0
				       ? clo_log_fail(cli, -ENOMEM)
				       : CLO_EXIT_OK;
	}
	return code;
}

static int print_json(const struct clo_store *store,
		      const struct clo_log_keys *keys, const struct head *head,
		      const struct clo_log_result *result)
{
	json_auto_t *json = NULL;
	char root[CLO_SHA256_HEX];

	clo_hex_encode(result->root, sizeof(result->root), root);
	json = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s?, s:s, s:s?}",
		"verdict", word_of(result->exit), "reason", result->reason,
		"log", clo_store_origin(store), "entries",
		(json_int_t)result->entries, "removed",
		(json_int_t)result->removed, "boots", (json_int_t)result->boots,
		"checkpoints", (json_int_t)result->checkpoints, "root",
		result->exit == CLO_VERIFY_PASSED ? root : NULL, "keys",
		keys->own ? "log" : "given", "verifier", head->verifier);
	(void)clo_json_print(json);
	return (int)result->exit;
}

static int print(const struct clo_cli *cli, const struct clo_store *store,
		 const struct clo_log_keys *keys, const struct head *head,
		 const struct clo_log_result *result)
{
	const char *word = word_of(result->exit);
	char root[CLO_SHA256_HEX];

	if (cli->json)
		return print_json(store, keys, head, result);

	clo_color_print(cli, clo_color_of(word), word);
	(void)printf(": %s\n", result->reason);
	if (result->exit != CLO_VERIFY_PASSED)
		return (int)result->exit;
	clo_hex_encode(result->root, sizeof(result->root), root);
	clo_report_line("log", clo_store_origin(store));
	clo_report_line("root", root);
	clo_report_line("verifier", head->verifier);
	clo_report_line("keys", keys->own ? "as the log itself names them: "
					    "--key checks whose it is"
					  : "as given");
	return (int)result->exit;
}

/* What is to be said, and kept, of a log that was checked. */
static int tell(const struct clo_cli *cli, struct clo_store *store,
		struct clo_log_keys *keys, const struct clo_log_result *result)
{
	__attribute__((cleanup(head_done))) struct head head = {0};
	const char *output = cli->values[OPT_OUTPUT];
	int code = CLO_EXIT_OK;
	int r = 0;

	if (result->exit == CLO_VERIFY_PASSED)
		code = find_head(cli, store, keys, &head);
	if (code != CLO_EXIT_OK)
		return code;
	if (output && head.note)
		r = clo_file_write(output, head.note, strlen(head.note));
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot write %s: %s",
				output, strerrordesc_np(-r));
	return print(cli, store, keys, &head, result);
}

static int run(const struct clo_cli *cli)
{
	__attribute__((cleanup(clo_log_keys_done))) struct clo_log_keys keys = {
		0};
	const char *path = cli->values[OPT_CHECKPOINT];
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	CLO_AUTO_MEM char *checkpoint = NULL;
	struct clo_log_result result;
	size_t len = 0;
	int code, r;

	code = clo_log_keys_read(cli, &keys);
	if (code != CLO_EXIT_OK)
		return code;
	r = path ? clo_file_read(path, CLO_NOTE_MAX, &checkpoint, &len) : 0;
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	code = clo_log_open(cli, &store);
	if (code != CLO_EXIT_OK)
		return code;

	clo_log_verify(store,
		       &(struct clo_log_options){.keys = keys.keys,
						 .n_keys = keys.n,
						 .checkpoint = checkpoint,
						 .checkpoint_len = len},
		       &result);
	return tell(cli, store, &keys, &result);
}

const struct clo_command clo_command_log_verify = {
	.name = "log verify",
	.summary = "check the whole log: entries, tree, chain, signatures",
	.details = "With --checkpoint also that it goes on from one that was "
		   "kept elsewhere. Exit\nstatus 0 whole, 1 not authentic, 2 "
		   "usage or an unreadable file, 4 empty or not\nto be "
		   "checked.\n",
	.options =
		{
			CLO_LOG_OPTIONS,
			[OPT_CHECKPOINT] = {"checkpoint", "FILE",
					    "it must go on from this one"},
			[OPT_OUTPUT] = {"output", "FILE",
					"the checkpoint, to be kept elsewhere"},
		},
	.list = "key",
	.run = run,
};
