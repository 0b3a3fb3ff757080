/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/tlog_proof.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/base64.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

static int print_base64(FILE *file, const void *data, size_t len)
{
	CLO_AUTO_MEM char *text = NULL;
	int r;

	r = clo_base64_encode(data, len, &text);
	if (r < 0)
		return r;
	return fprintf(file, "%s\n", text) < 0 ? -ENOMEM : 0;
}

static int print_proof(FILE *file, const struct clo_tlog_proof *proof)
{
	int r = 0;

	if (fputs(FIRST_LINE "\n", file) < 0)
		return -ENOMEM;
	if (proof->entry) {
		if (fputs("extra ", file) < 0)
			return -ENOMEM;
		r = print_base64(file, proof->entry, proof->entry_len);
	}
	if (r == 0 &&
	    fprintf(file, "index %llu\n", (unsigned long long)proof->index) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < proof->path.n && r == 0; i++)
		r = print_base64(file, proof->path.hashes[i], CLO_SHA256_SIZE);
	if (r == 0 && fprintf(file, "\n%.*s", (int)proof->checkpoint_len,
			      proof->checkpoint) < 0)
		return -ENOMEM;
	return r;
}

int clo_tlog_proof_format(const struct clo_tlog_proof *proof, char **ret_text)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len = 0;
	FILE *file;
	int r;

	file = open_memstream(&text, &len);
	if (!file)
		return -errno;
	r = print_proof(file, proof);
	if (fclose(file) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	if (len > CLO_TLOG_PROOF_MAX)
		return -EMSGSIZE;

	*ret_text = CLO_TAKE(text);
	return 0;
}

static int print_growth(FILE *file, uint64_t old_size,
			const struct clo_merkle_proof *path,
			const char *checkpoint)
{
	int r = 0;

	if (fprintf(file, "old %llu\n", (unsigned long long)old_size) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < path->n && r == 0; i++)
		r = print_base64(file, path->hashes[i], CLO_SHA256_SIZE);
	if (r == 0 && fprintf(file, "\n%s", checkpoint) < 0)
		return -ENOMEM;
	return r;
}

int clo_tlog_growth_format(uint64_t old_size,
			   const struct clo_merkle_proof *path,
			   const char *checkpoint, char **ret_text)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len = 0;
	FILE *file;
	int r;

	file = open_memstream(&text, &len);
	if (!file)
		return -errno;
	r = print_growth(file, old_size, path, checkpoint);
	if (fclose(file) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return r;

	*ret_text = CLO_TAKE(text);
	return 0;
}

/* A line of the text, without its end, that begins so and goes on. */
struct line {
	const char *text;
	size_t len;
};

static int take_line(const char **text, const char *end, struct line *ret_line)
{
	const char *stop = memchr(*text, '\n', (size_t)(end - *text));

	if (!stop)
		return -EBADMSG;

	*ret_line = (struct line){*text, (size_t)(stop - *text)};
	*text = stop + 1;
	return 0;
}

/* What stands behind the word and its space. */
static bool behind(const struct line *line, const char *word,
		   struct line *ret_rest)
{
	size_t n = strlen(word);

	if (line->len <= n || memcmp(line->text, word, n) != 0)
		return false;

	*ret_rest = (struct line){line->text + n, line->len - n};
	return true;
}

/* First line, extra data if any, index. */
static int read_head(const char **text, const char *end,
		     struct clo_tlog_proof *proof, char **entry)
{
	struct line line;
	struct line rest;
	int r;

	r = take_line(text, end, &line);
	if (r < 0)
		return r;
	if (line.len != strlen(FIRST_LINE) ||
	    memcmp(line.text, FIRST_LINE, line.len) != 0)
		return -EBADMSG;
	r = take_line(text, end, &line);
	if (r == 0 && behind(&line, "extra ", &rest)) {
		r = clo_base64_decode(rest.text, rest.len, entry,
				      &proof->entry_len);
		proof->entry = *entry;
		if (r == 0)
			r = take_line(text, end, &line);
	}
	if (r < 0)
		return r;
	if (!behind(&line, "index ", &rest))
		return -EBADMSG;
	return clo_checkpoint_number(rest.text, rest.len, &proof->index);
}

/* The hashes, and the empty line that ends them. */
static int read_path(const char **text, const char *end,
		     struct clo_merkle_proof *path)
{
	struct line line;
	int r;

	for (path->n = 0;; path->n++) {
		r = take_line(text, end, &line);
		if (r < 0)
			return r;
		if (line.len == 0)
			return 0;
		if (path->n == CLO_ARRAY_LEN(path->hashes))
			return -EBADMSG;
		r = clo_base64_decode_exact(line.text, line.len,
					    CLO_SHA256_SIZE,
					    path->hashes[path->n]);
		if (r < 0)
			return r;
	}
}

int clo_tlog_proof_parse(const char *text, size_t len,
			 struct clo_tlog_proof *ret_proof, char **ret_entry)
{
	CLO_AUTO_MEM char *entry = NULL;
	struct clo_tlog_proof proof = {0};
	const char *end = text + len;
	int r;

	if (len > CLO_TLOG_PROOF_MAX)
		return -EBADMSG;
	r = read_head(&text, end, &proof, &entry);
	if (r == 0)
		r = read_path(&text, end, &proof.path);
	if (r < 0)
		return r;
	proof.checkpoint = text;
	proof.checkpoint_len = (size_t)(end - text);

	*ret_proof = proof;
	*ret_entry = CLO_TAKE(entry);
	return 0;
}

int clo_tlog_proof_check(const struct clo_key *key,
			 const struct clo_tlog_proof *proof,
			 const uint8_t leaf[CLO_SHA256_SIZE],
			 struct clo_checkpoint *ret_checkpoint)
{
	struct clo_checkpoint checkpoint;
	uint8_t hash[CLO_SHA256_SIZE];
	int r;

	r = clo_checkpoint_open(key, proof->checkpoint, proof->checkpoint_len,
				&checkpoint);
	if (r < 0)
		return r;
	if (proof->entry)
		r = clo_merkle_leaf(proof->entry, proof->entry_len, hash);
	else if (leaf)
		memcpy(hash, leaf, sizeof(hash));
	else
		r = -EBADMSG;
	if (r == 0)
		r = clo_merkle_check_inclusion(hash, proof->index,
					       checkpoint.size, &proof->path,
					       checkpoint.root);
	if (r < 0)
		return r;

	*ret_checkpoint = checkpoint;
	return 0;
}
