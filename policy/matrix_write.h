/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/types.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* Bytes on their way to a file, or to none, and into a digest. */
struct clo_sink {
	FILE *file; /* borrowed; NULL: none */
	EVP_MD_CTX *digest;
	int error; /* the first, or 0: what follows it is not written */
};

int clo_sink_init(struct clo_sink *sink, FILE *file);
void clo_sink_done(struct clo_sink *sink);
void clo_sink_put(struct clo_sink *sink, const char *text);
__attribute__((format(printf, 2, 3))) void clo_sink_print(struct clo_sink *sink,
							  const char *fmt, ...);
/* Takes value; compact, members sorted. NULL is -ENOMEM. */
void clo_sink_json(struct clo_sink *sink, json_t *value);
int clo_sink_end(struct clo_sink *sink, uint8_t ret_digest[32]);
