/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/sys/tls_client.h"

/*
 * One GET over TLS, by OpenSSL: the server's certificate must be of that host
 * and of a known authority, the client shows its own if it has one. No proxy,
 * no redirection.
 */
struct clo_https {
	struct clo_tls_client client;
	size_t max; /* bytes of the answer */
	int timeout; /* seconds for all of it */
};

/*
 * The body of an answer of 200; caller frees, 0-terminated. -EINVAL: no such
 * URL or file, -EACCES: the server's certificate, -EMSGSIZE, -ETIMEDOUT,
 * -EPROTO: another answer, -ECONNREFUSED: no connection; with one line of what
 * in reterr_text.
 */
int clo_https_get(const struct clo_https *options, const char *url,
		  char **ret_body, size_t *ret_len, char reterr_text[160]);
