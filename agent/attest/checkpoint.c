/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/checkpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/base64.h"
#include "agent/attest/merkle.h"

#define NUMBER_LEN 19 /* digits of CLO_MERKLE_SIZE_MAX */

int clo_checkpoint_sign(const struct clo_key *key,
			const struct clo_checkpoint *checkpoint,
			char **ret_note)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *root = NULL;
	int r;

	r = clo_base64_encode(checkpoint->root, sizeof(checkpoint->root),
			      &root);
	if (r < 0)
		return r;
	if (asprintf(&text, "%s\n%llu\n%s\n", checkpoint->origin,
		     (unsigned long long)checkpoint->size, root) < 0) {
		text = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	return clo_note_sign(key, checkpoint->origin, text, ret_note);
}

int clo_checkpoint_number(const char *text, size_t len, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (len == 0 || len > NUMBER_LEN || (len > 1 && text[0] == '0'))
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EBADMSG;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number > CLO_MERKLE_SIZE_MAX)
		return -EBADMSG;

	*ret_number = number;
	return 0;
}

/* The next line of *text, which is moved past it; -EBADMSG: none, or empty. */
static int take_line(const char **text, const char *end, const char **ret_line,
		     size_t *ret_len)
{
	const char *line = *text;
	const char *stop = memchr(line, '\n', (size_t)(end - line));

	if (!stop || stop == line)
		return -EBADMSG;

	*ret_line = line;
	*ret_len = (size_t)(stop - line);
	*text = stop + 1;
	return 0;
}

/* Extension lines may follow; they say nothing to us. */
static int read_lines(const char *text, size_t len, struct clo_checkpoint *c)
{
	const char *end = text + len;
	const char *line;
	size_t n;
	int r;

	r = take_line(&text, end, &line, &n);
	if (r < 0)
		return r;
	if (n >= sizeof(c->origin) || memchr(line, '\0', n))
		return -EBADMSG;
	memcpy(c->origin, line, n);
	r = take_line(&text, end, &line, &n);
	if (r == 0)
		r = clo_checkpoint_number(line, n, &c->size);
	if (r == 0)
		r = take_line(&text, end, &line, &n);
	if (r == 0)
		r = clo_base64_decode_exact(line, n, sizeof(c->root), c->root);
	return r;
}

/* Only lines, none of them empty. */
static bool is_dense(const char *text, size_t len)
{
	return len > 0 && text[0] != '\n' && !memmem(text, len, "\n\n", 2);
}

int clo_checkpoint_parse(const char *note, size_t len,
			 struct clo_checkpoint *ret_checkpoint)
{
	struct clo_checkpoint checkpoint = {0};
	int r;

	r = read_lines(note, len, &checkpoint);
	if (r < 0)
		return r;

	*ret_checkpoint = checkpoint;
	return 0;
}

int clo_checkpoint_open(const struct clo_key *key, const char *note, size_t len,
			struct clo_checkpoint *ret_checkpoint)
{
	struct clo_checkpoint checkpoint = {0};
	size_t text_len;
	int r;

	if (len > CLO_NOTE_MAX)
		return -EBADMSG;
	/* Its first line says whose signature to look for. */
	r = read_lines(note, len, &checkpoint);
	if (r < 0)
		return r;
	r = clo_note_open(key, checkpoint.origin, note, len, &text_len);
	if (r < 0)
		return r;
	/* All three lines are of what was signed. */
	r = read_lines(note, text_len, &checkpoint);
	if (r < 0)
		return r;
	if (!is_dense(note, text_len))
		return -EBADMSG;

	*ret_checkpoint = checkpoint;
	return 0;
}
