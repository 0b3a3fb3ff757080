/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include <jansson.h>

#define CLO_JSON_TYPE "application/json"
#define CLO_ENVELOPE_TYPE "application/vnd.dsse.envelope.v1+json"

struct clo_stream;

/* What a request gets. Zero-initialise. */
struct clo_answer {
	unsigned int status;
	const char *type;
	const char *allow; /* with 405 */
	unsigned int retry_after; /* seconds, with 429 and 503 */
	char *body;
	size_t len;
	struct clo_stream *stream; /* instead of a body */
};

void clo_answer_done(struct clo_answer *answer);
/* Takes `text` (NULL: there was no memory), which ends in a 0. */
void clo_answer_text(struct clo_answer *answer, const char *type, char *text);
/* Takes `data`, of any bytes. */
void clo_answer_bytes(struct clo_answer *answer, const char *type, char *data,
		      size_t len);
/* Takes `value`. */
void clo_answer_json(struct clo_answer *answer, json_t *value);
__attribute__((format(printf, 3, 4))) void
clo_answer_problem(struct clo_answer *answer, unsigned int status,
		   const char *fmt, ...);
/* The log or the daemon failed with -errno: 503, and a line in our log. */
void clo_answer_failure(struct clo_answer *answer, int r, const char *what);
