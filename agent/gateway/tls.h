/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/gnutls.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "agent/base/auto.h"
#include "agent/gateway/role.h"

/* Which client certificates count, and for whom. Read-only once it is made. */
struct clo_tls;

/* PEM texts; `revoked` NULL: no certificate is. -EINVAL: they are not that. */
int clo_tls_new(const char *client_ca, const char *revoked,
		struct clo_tls **ret_tls);
void clo_tls_free(struct clo_tls *tls);
CLO_DEFINE_FREEP(clo_tls)

struct clo_tls_client {
	struct clo_who who;
	uint64_t digest; /* of the certificate; never 0 */
	time_t expires;
};

/*
 * Who is at the other end now: a certificate that is not valid now, not of
 * this CA, revoked or not for clients makes the same nobody as none.
 */
void clo_tls_client(const struct clo_tls *tls, gnutls_session_t session,
		    struct clo_tls_client *ret_client);
/* The same of a chain in DER, the client's own first: what the above calls. */
int clo_tls_judge(const struct clo_tls *tls, const gnutls_datum_t *chain,
		  unsigned int n, struct clo_tls_client *ret_client);
