/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/note.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/base64.h"
#include "agent/attest/sha256.h"
#include "agent/base/hex.h"

#define ED25519 0x01
#define RAW_SIZE 32
#define ID_SIZE 4
#define SIGNATURE_SIZE 64
#define DASH "\xe2\x80\x94 " /* U+2014 and a space */
#define DASH_LEN (sizeof(DASH) - 1)

/* Bytes of the UTF-8 character at `s`, 0 if there is none. */
static size_t character(const unsigned char *s, size_t len)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong, surrogates, past U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* UTF-8 without control characters but the ends of lines, one at its end. */
static bool is_text(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	if (len == 0 || text[len - 1] != '\n')
		return false;
	for (size_t i = 0; i < len; i += n) {
		n = character(s + i, len - i);
		if (n == 0 || (s[i] < 0x20 && s[i] != '\n'))
			return false;
	}
	return true;
}

int clo_note_check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CLO_NOTE_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		/* ASCII: Unicode's other spaces are out with the rest. */
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '+')
			return -EINVAL;
	}
	return 0;
}

/* Type and key as the id and the verifier key have them. */
static int typed_key(const struct clo_key *key, uint8_t ret_typed[1 + RAW_SIZE])
{
	ret_typed[0] = ED25519;
	return clo_key_raw(key, ret_typed + 1);
}

static int key_id(const struct clo_key *key, const char *name,
		  uint8_t ret_id[ID_SIZE])
{
	uint8_t data[CLO_NOTE_NAME_MAX + 1 + RAW_SIZE];
	uint8_t digest[CLO_SHA256_SIZE];
	size_t len = strlen(name);
	int r;

	assert(len < CLO_NOTE_NAME_MAX);
	(void)snprintf((char *)data, sizeof(data), "%s\n", name);
	r = typed_key(key, data + len + 1);
	if (r == 0)
		r = clo_sha256(data, len + 2 + RAW_SIZE, digest);
	if (r < 0)
		return r;

	memcpy(ret_id, digest, ID_SIZE);
	return 0;
}

int clo_note_sign(const struct clo_key *key, const char *name, const char *text,
		  char **ret_note)
{
	uint8_t signature[ID_SIZE + SIGNATURE_SIZE];
	CLO_AUTO_MEM char *signature64 = NULL;
	size_t len = strlen(text);
	char *note = NULL;
	int r;

	r = clo_note_check_name(name);
	if (r < 0)
		return r;
	if (len > CLO_NOTE_MAX / 2 || !is_text(text, len))
		return -EINVAL;

	r = key_id(key, name, signature);
	if (r == 0)
		r = clo_key_sign(key, text, len, signature + ID_SIZE);
	if (r == 0)
		r = clo_base64_encode(signature, sizeof(signature),
				      &signature64);
	if (r < 0)
		return r;
	if (asprintf(&note, "%s\n" DASH "%s %s\n", text, name, signature64) < 0)
		return -ENOMEM;

	*ret_note = note;
	return 0;
}

int clo_note_verifier(const struct clo_key *key, const char *name,
		      char **ret_text)
{
	CLO_AUTO_MEM char *key64 = NULL;
	uint8_t typed[1 + RAW_SIZE];
	uint8_t id[ID_SIZE];
	char hex[2 * ID_SIZE + 1];
	char *text = NULL;
	int r;

	r = clo_note_check_name(name);
	if (r == 0)
		r = key_id(key, name, id);
	if (r == 0)
		r = typed_key(key, typed);
	if (r == 0)
		r = clo_base64_encode(typed, sizeof(typed), &key64);
	if (r < 0)
		return r;
	clo_hex_encode(id, sizeof(id), hex);
	if (asprintf(&text, "%s+%s+%s", name, hex, key64) < 0)
		return -ENOMEM;

	*ret_text = text;
	return 0;
}

/* The text and who is to have signed it. */
struct opening {
	const struct clo_key *key;
	const char *name;
	uint8_t id[ID_SIZE];
	const char *text;
	size_t text_len;
	bool signed_by_key;
};

/* One line without its end. */
static int read_signature(struct opening *opening, const char *line, size_t len)
{
	CLO_AUTO_MEM char *signature = NULL;
	const char *name = line + DASH_LEN;
	const char *space;
	size_t name_len;
	size_t n;
	int r;

	if (len < DASH_LEN || memcmp(line, DASH, DASH_LEN) != 0)
		return -EBADMSG;
	space = memchr(name, ' ', len - DASH_LEN);
	if (!space || space == name)
		return -EBADMSG;
	name_len = (size_t)(space - name);
	if (memchr(name, '+', name_len))
		return -EBADMSG;
	r = clo_base64_decode(space + 1, (size_t)(line + len - space) - 1,
			      &signature, &n);
	if (r < 0)
		return r;
	if (n <= ID_SIZE)
		return -EBADMSG;

	if (name_len != strlen(opening->name) ||
	    memcmp(name, opening->name, name_len) != 0 ||
	    memcmp(signature, opening->id, ID_SIZE) != 0)
		return 0; /* somebody else's */
	r = clo_key_verify(opening->key, opening->text, opening->text_len,
			   (const uint8_t *)signature + ID_SIZE, n - ID_SIZE);
	if (r == 0)
		opening->signed_by_key = true;
	return r;
}

/* Where the text ends: before the last empty line; 0 if there is none. */
static size_t text_end(const char *note, size_t len)
{
	for (size_t i = len; i-- > 2;)
		if (note[i - 1] == '\n' && note[i - 2] == '\n')
			return i - 1;
	return 0;
}

int clo_note_open(const struct clo_key *key, const char *name, const char *note,
		  size_t len, size_t *ret_text_len)
{
	struct opening opening = {.key = key, .name = name, .text = note};
	size_t lines = 0;
	const char *end;
	int r;

	if (len > CLO_NOTE_MAX || !is_text(note, len) ||
	    clo_note_check_name(name) < 0)
		return -EBADMSG;
	opening.text_len = text_end(note, len);
	if (opening.text_len == 0)
		return -EBADMSG;
	r = key_id(key, name, opening.id);
	if (r < 0)
		return r;

	for (const char *line = note + opening.text_len + 1; line < note + len;
	     line = end + 1) {
		end = memchr(line, '\n', (size_t)(note + len - line));
		assert(end); /* is_text() */
		if (++lines > CLO_NOTE_SIGNATURES_MAX)
			return -EBADMSG;
		r = read_signature(&opening, line, (size_t)(end - line));
		if (r < 0)
			return r;
	}
	if (!opening.signed_by_key)
		return -EBADMSG;

	*ret_text_len = opening.text_len;
	return 0;
}
