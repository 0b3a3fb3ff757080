/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/log_open.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/log.h"
#include "agent/base/file.h"
#include "agent/cli/output.h"

#define KEY_MAX 65536U

int clo_log_open(const struct clo_cli *cli, struct clo_store **ret_store)
{
	const char *path = cli->values[CLO_LOG_OPT_LOG];
	int r;

	if (!path)
		path = CLO_LOG_FILE;
	r = clo_store_open_read(path, ret_store);
	if (r == -EPROTO)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is no log that this version reads", path);
	if (r == -EUCLEAN)
		return clo_log_fail(cli, r);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	return CLO_EXIT_OK;
}

static int read_key(const struct clo_cli *cli, const char *path,
		    struct clo_key **ret_key)
{
	CLO_AUTO_MEM char *pem = NULL;
	size_t len;
	int r;

	r = clo_file_read(path, KEY_MAX, &pem, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	r = clo_key_parse_public(pem, len, ret_key);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s is not a public Ed25519 key in PEM", path);
	return CLO_EXIT_OK;
}

int clo_log_keys_read(const struct clo_cli *cli, struct clo_log_keys *ret_keys)
{
	int code = CLO_EXIT_OK;

	for (size_t i = 0; i < cli->n_list && code == CLO_EXIT_OK; i++) {
		code = read_key(cli, cli->list[i],
				&ret_keys->keys[ret_keys->n]);
		if (code == CLO_EXIT_OK)
			ret_keys->n++;
	}
	ret_keys->own = cli->n_list == 0;
	return code;
}

int clo_log_keys_find(const struct clo_cli *cli, struct clo_store *store,
		      struct clo_log_keys *ret_keys)
{
	int r;

	if (cli->n_list > 0)
		return clo_log_keys_read(cli, ret_keys);

	ret_keys->own = true;
	r = clo_log_own_key(store, &ret_keys->keys[0]);
	if (r == -ENOENT)
		return clo_fail(cli, CLO_EXIT_INCONCLUSIVE, "the log is empty");
	if (r < 0)
		return clo_log_fail(cli, r);
	ret_keys->n = 1;
	return CLO_EXIT_OK;
}

void clo_log_keys_done(struct clo_log_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		clo_key_free(keys->keys[i]);
	keys->n = 0;
}

int clo_log_checkpoint_open(const struct clo_log_keys *keys, const char *note,
			    size_t len, struct clo_checkpoint *ret_checkpoint)
{
	int r = -EBADMSG;

	for (size_t i = 0; i < keys->n && r == -EBADMSG; i++)
		r = clo_checkpoint_open(keys->keys[i], note, len,
					ret_checkpoint);
	return r;
}

int clo_log_head(const struct clo_cli *cli, struct clo_store *store,
		 const struct clo_log_keys *keys, char **ret_note,
		 struct clo_checkpoint *ret_head)
{
	CLO_AUTO_MEM char *note = NULL;
	int r;

	r = clo_store_checkpoint(store, 0, true, &note);
	if (r == -ENOENT)
		return clo_fail(cli, CLO_EXIT_INCONCLUSIVE,
				"the log has no checkpoint");
	if (r == 0)
		r = clo_log_checkpoint_open(keys, note, strlen(note), ret_head);
	if (r == -EBADMSG)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"the last checkpoint is not signed by this "
				"key");
	if (r < 0)
		return clo_log_fail(cli, r);

	*ret_note = CLO_TAKE(note);
	return CLO_EXIT_OK;
}

int clo_log_fail(const struct clo_cli *cli, int r)
{
	if (r == -EUCLEAN || r == -ENOENT || r == -EBADMSG)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not authentic: the log is damaged; cloison "
				"log verify tells where");
	return clo_fail(cli, CLO_EXIT_INCONCLUSIVE, "cannot read the log: %s",
			strerrordesc_np(-r));
}

int clo_log_put(const struct clo_cli *cli, const char *output, const char *text,
		const json_t *json)
{
	int r;

	if (output) {
		r = clo_file_write(output, text, strlen(text));
		if (r < 0)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"cannot write %s: %s", output,
					strerrordesc_np(-r));
	}
	if (cli->json)
		return clo_json_print(json);
	if (!output)
		clo_text_lines(stdout, text);
	return CLO_EXIT_OK;
}
