/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attest/sha256.h"
#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/core/reserve.h"
#include "policy/parse.h"

#define INDEX "policy.json"
#define TEXTS "policy"
#define BLOCK 4096U /* a file takes whole ones */

/* Earlier versions kept the texts in it, escaped: at most twice as long. */
#define INDEX_MAX (2 * CLO_POLICY_MAX + CLO_DOCUMENT_MAX)

static int open_state(const char *state_dir)
{
	int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_texts(int state)
{
	int fd = openat(state, TEXTS,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* What is no file of ours, or larger than ours are, is damage. */
static int read_kept(int dir, const char *name, size_t max, char **ret_text,
		     size_t *ret_len)
{
	int r = clo_file_read_own(dir, name, max, ret_text, ret_len);

	return r == -EINVAL || r == -EFBIG ? -EBADMSG : r;
}

static int read_index(int state, json_t **ret_documents, time_t *ret_accepted)
{
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *index = NULL;
	json_t *documents;
	json_int_t accepted;
	size_t len = 0;
	int r;

	r = read_kept(state, INDEX, INDEX_MAX, &text, &len);
	if (r < 0)
		return r;
	index = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!index || json_unpack(index, "{s:I, s:o}", "accepted", &accepted,
				  "documents", &documents) < 0)
		return -EBADMSG;
	if (!json_is_array(documents))
		return -EBADMSG;

	*ret_documents = json_incref(documents);
	*ret_accepted = (time_t)accepted;
	return 0;
}

static bool is_digest(const char *name, size_t len)
{
	return len == CLO_SHA256_HEX - 1 &&
	       strspn(name, "0123456789abcdef") >= len;
}

/* The texts by their digests, each once, and the index that names them. */
static int describe(const json_t *documents, time_t accepted, json_t *texts,
		    json_t **ret_index)
{
	json_auto_t *list = json_array();
	size_t n = json_array_size(documents);
	int r;

	if (!json_is_array(documents))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const json_t *document = json_array_get(documents, i);
		json_t *name = json_object_get(document, "name");
		json_t *text = json_object_get(document, "text");
		char digest[CLO_SHA256_HEX];

		if (!json_is_string(name) || !json_is_string(text))
			return -EINVAL;
		r = clo_sha256_hex(json_string_value(text),
				   json_string_length(text), digest);
		if (r < 0)
			return r;
		if (json_object_set(texts, digest, text) < 0 ||
		    json_array_append_new(list,
					  json_pack("{s:O, s:s}", "name", name,
						    "sha256", digest)) < 0)
			return -ENOMEM;
	}

	*ret_index = json_pack("{s:I, s:O}", "accepted", (json_int_t)accepted,
			       "documents", list);
	return *ret_index ? 0 : -ENOMEM;
}

static int make_texts(int state)
{
	if (mkdirat(state, TEXTS, 0700) == 0) {
		if (fsync(state) < 0)
			return -errno;
	} else if (errno != EEXIST) {
		return -errno;
	}
	return open_texts(state);
}

/* A file gets its name when all of it is on the disk: the name vouches. */
static bool is_kept(int dir, const char *digest, size_t len)
{
	struct stat st;

	return fstatat(dir, digest, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (size_t)st.st_size == len;
}

static int write_new(int dir, json_t *texts)
{
	const char *digest;
	const json_t *text;
	int r;

	json_object_foreach (texts, digest, text) {
		size_t len = json_string_length(text);

		if (is_kept(dir, digest, len))
			continue;
		r = clo_file_replace_at(dir, digest, json_string_value(text),
					len);
		if (r < 0)
			return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

static int write_texts(int state, json_t *texts)
{
	CLO_AUTO_FD int dir = make_texts(state);

	return dir < 0 ? dir : write_new(dir, texts);
}

int clo_keep_save(const char *state_dir, const json_t *documents,
		  time_t accepted)
{
	CLO_AUTO_FD int state = open_state(state_dir);
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *texts = json_object();
	json_auto_t *index = NULL;
	int r;

	if (state < 0)
		return state;
	r = describe(documents, accepted, texts, &index);
	if (r < 0)
		return r;
	text = json_dumps(index, JSON_COMPACT);
	if (!text)
		return -ENOMEM;

	r = write_texts(state, texts);
	if (r == -ENOSPC && clo_reserve_drop(state_dir))
		r = write_texts(state, texts);
	if (r < 0) {
		clo_keep_sweep(state_dir); /* of the half that is there */
		return r;
	}
	return clo_reserve_replace(state_dir, INDEX, text);
}

static int load_text(int dir, const char *digest, json_t **ret_text)
{
	CLO_AUTO_MEM char *text = NULL;
	char found[CLO_SHA256_HEX];
	size_t len = 0;
	int r;

	if (dir < 0)
		return -EBADMSG; /* the whole directory is missing */
	r = read_kept(dir, digest, CLO_DOCUMENT_MAX, &text, &len);
	if (r == -ENOENT || r == -ELOOP)
		return -EBADMSG;
	if (r == 0)
		r = clo_sha256_hex(text, len, found);
	if (r < 0)
		return r;
	if (strcmp(found, digest) != 0)
		return -EBADMSG;

	*ret_text = json_stringn(text, len);
	return *ret_text ? 0 : -EBADMSG;
}

/* What an entry of the index names, or has in itself; reterr_file: of whom. */
static int find_text(int dir, const json_t *entry, json_t **ret_text,
		     char reterr_file[CLO_KEEP_FILE])
{
	const json_t *name = json_object_get(entry, "name");
	const json_t *digest = json_object_get(entry, "sha256");
	json_t *text = json_object_get(entry, "text");

	(void)snprintf(reterr_file, CLO_KEEP_FILE, INDEX);
	if (!json_is_string(name))
		return -EBADMSG;
	if (json_is_string(text)) {
		*ret_text = json_incref(text);
		return 0;
	}
	if (!is_digest(json_string_value(digest), json_string_length(digest)))
		return -EBADMSG;
	(void)snprintf(reterr_file, CLO_KEEP_FILE, TEXTS "/%s (%.100s)",
		       json_string_value(digest), json_string_value(name));
	return load_text(dir, json_string_value(digest), ret_text);
}

static int load_documents(int state, const json_t *list, json_t *documents,
			  char reterr_file[CLO_KEEP_FILE])
{
	CLO_AUTO_FD int dir = open_texts(state);
	size_t left = CLO_POLICY_MAX;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		json_auto_t *text = NULL;
		json_t *document;
		int r;

		r = find_text(dir, entry, &text, reterr_file);
		if (r < 0)
			return r;
		if (json_string_length(text) > left)
			return -EFBIG;
		left -= json_string_length(text);
		document =
			json_pack("{s:O, s:O}", "name",
				  json_object_get(entry, "name"), "text", text);
		if (json_array_append_new(documents, document) < 0)
			return -ENOMEM;
	}
	return 0;
}

int clo_keep_load(const char *state_dir, json_t **ret_documents,
		  time_t *ret_accepted, char reterr_file[CLO_KEEP_FILE])
{
	CLO_AUTO_FD int state = open_state(state_dir);
	json_auto_t *documents = json_array();
	json_auto_t *list = NULL;
	time_t accepted;
	int r;

	(void)snprintf(reterr_file, CLO_KEEP_FILE, INDEX);
	if (state < 0)
		return state;
	r = read_index(state, &list, &accepted);
	if (r == 0)
		r = load_documents(state, list, documents, reterr_file);
	if (r < 0)
		return r;

	*ret_documents = CLO_TAKE(documents);
	*ret_accepted = accepted;
	return 0;
}

/* The digests that the index names, as members of an object. */
static int read_named(int state, json_t **ret_named)
{
	json_auto_t *index = NULL;
	json_auto_t *named = json_object();
	time_t accepted;
	int r;

	r = read_index(state, &index, &accepted);
	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t i = 0; i < json_array_size(index); i++) {
		const json_t *digest =
			json_object_get(json_array_get(index, i), "sha256");

		if (json_is_string(digest) &&
		    json_object_set_new(named, json_string_value(digest),
					json_true()) < 0)
			return -ENOMEM;
	}
	*ret_named = CLO_TAKE(named);
	return *ret_named ? 0 : -ENOMEM;
}

/* How a save names a text, or a draft of one. */
static bool is_ours(const char *name)
{
	size_t len = strcspn(name, ".");

	return is_digest(name, len) &&
	       (!name[len] || strcmp(name + len, CLO_FILE_DRAFT) == 0);
}

/* Bytes on the disk of what stays. */
static size_t sweep(DIR *dir, const json_t *named)
{
	const struct dirent *entry;
	size_t stays = 0;
	struct stat st;

	while ((entry = readdir(dir))) {
		if (!is_ours(entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (json_object_get(named, entry->d_name))
			stays += ((size_t)st.st_size / BLOCK + 1) * BLOCK;
		else
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	return stays;
}

void clo_keep_sweep(const char *state_dir)
{
	CLO_AUTO_FD int state = open_state(state_dir);
	CLO_AUTO_FD int fd = -1;
	json_auto_t *named = NULL;
	size_t stays;
	DIR *dir;

	if (state < 0 || read_named(state, &named) < 0)
		return;
	fd = open_texts(state);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return;
	(void)clo_take_fd(&fd);
	stays = sweep(dir, named);
	(void)closedir(dir);
	clo_reserve_hold(state_dir, 2 * stays);
}

void clo_keep_forget(const char *state_dir)
{
	CLO_AUTO_FD int state = open_state(state_dir);

	if (state < 0)
		return;
	if ((unlinkat(state, INDEX, 0) < 0 && errno != ENOENT) ||
	    fsync(state) < 0)
		return;
	clo_keep_sweep(state_dir);
	(void)unlinkat(state, TEXTS, AT_REMOVEDIR);
}
