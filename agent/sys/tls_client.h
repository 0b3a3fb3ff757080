/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/ssl.h>

/*
 * Who is at the other end of a TLS connection that we open, by OpenSSL: TLS 1.2
 * or later, one of a known authority, certified for the host that was asked for.
 */
struct clo_tls_client {
	const char *ca; /* PEM file; NULL: what the system trusts */
	const char *certificate, *key; /* PEM files; NULL: none is shown */
};

/* -EINVAL with one line of which file is not that; caller frees. */
int clo_tls_client_context(const struct clo_tls_client *client,
			   SSL_CTX **ret_context, char reterr_text[160]);
/* Before the handshake. host: a name, or an address without brackets. */
int clo_tls_client_expect(SSL *ssl, const char *host);
