/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/tls.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

#define CHAIN_MAX 8
#define URI_MAX 256
#define NAMES_MAX 64 /* of one certificate */

struct clo_tls {
	gnutls_x509_trust_list_t trusted;
};

/* gnutls takes what it only reads without const. */
static unsigned char *borrow(const char *text)
{
	const union {
		const char *given;
		unsigned char *wanted;
	} pointer = {.given = text};

	return pointer.wanted;
}

int clo_tls_new(const char *client_ca, const char *revoked,
		struct clo_tls **ret_tls)
{
	CLO_AUTO(clo_tls) struct clo_tls *tls = NULL;
	gnutls_datum_t pem = {.data = borrow(client_ca),
			      .size = (unsigned int)strlen(client_ca)};

	tls = calloc(1, sizeof(*tls));
	if (!tls)
		return -ENOMEM;
	if (gnutls_x509_trust_list_init(&tls->trusted, 0) < 0)
		return -ENOMEM;
	if (gnutls_x509_trust_list_add_trust_mem(tls->trusted, &pem, NULL,
						 GNUTLS_X509_FMT_PEM, 0, 0) < 1)
		return -EINVAL;
	if (revoked) {
		pem.data = borrow(revoked);
		pem.size = (unsigned int)strlen(revoked);
		/* one that none of these authorities signed is not added */
		if (gnutls_x509_trust_list_add_trust_mem(
			    tls->trusted, NULL, &pem, GNUTLS_X509_FMT_PEM, 0,
			    GNUTLS_TL_VERIFY_CRL) < 1)
			return -EINVAL;
	}

	*ret_tls = CLO_TAKE(tls);
	return 0;
}

void clo_tls_free(struct clo_tls *tls)
{
	if (!tls)
		return;

	if (tls->trusted)
		gnutls_x509_trust_list_deinit(tls->trusted, 1);
	free(tls);
}

static int verify(const struct clo_tls *tls, gnutls_x509_crt_t *chain,
		  unsigned int n)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = borrow(GNUTLS_KP_TLS_WWW_CLIENT),
	};
	unsigned int status = ~0U;

	if (gnutls_x509_trust_list_verify_crt2(tls->trusted, chain, n, &purpose,
					       1, 0, &status, NULL) < 0 ||
	    status != 0)
		return -EACCES;
	return 0;
}

static int read_names(gnutls_x509_crt_t crt, struct clo_who *who)
{
	for (unsigned int i = 0; i < NAMES_MAX; i++) {
		char uri[URI_MAX];
		size_t size = sizeof(uri);
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, uri,
								&size, NULL);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return 0;
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue; /* longer than any of ours */
		if (type < 0)
			return -EINVAL;
		if (type == GNUTLS_SAN_URI && clo_role_add(uri, size, who) < 0)
			return -EINVAL;
	}
	return -EINVAL;
}

static int digest_of(const gnutls_datum_t *der, uint64_t *ret_digest)
{
	unsigned char hash[32];
	size_t size = sizeof(hash);

	if (gnutls_fingerprint(GNUTLS_DIG_SHA256, der, hash, &size) < 0)
		return -EIO;
	memcpy(ret_digest, hash, sizeof(*ret_digest));
	*ret_digest |= 1;
	return 0;
}

static int judge(const struct clo_tls *tls, gnutls_x509_crt_t *chain,
		 unsigned int n, struct clo_tls_client *client)
{
	int r;

	r = verify(tls, chain, n);
	if (r < 0)
		return r;
	client->expires = gnutls_x509_crt_get_expiration_time(chain[0]);
	return read_names(chain[0], &client->who);
}

int clo_tls_judge(const struct clo_tls *tls, const gnutls_datum_t *chain,
		  unsigned int n, struct clo_tls_client *ret_client)
{
	struct clo_tls_client client = {.who = {.role = CLO_ROLE_NOBODY}};
	gnutls_x509_crt_t crts[CHAIN_MAX];
	unsigned int made = 0;
	int r;

	if (n == 0 || n > CHAIN_MAX)
		return -EINVAL;
	r = digest_of(&chain[0], &client.digest);
	for (; r == 0 && made < n; made++) {
		if (gnutls_x509_crt_init(&crts[made]) < 0) {
			r = -ENOMEM;
			break;
		}
		if (gnutls_x509_crt_import(crts[made], &chain[made],
					   GNUTLS_X509_FMT_DER) < 0)
			r = -EINVAL;
	}
	if (r == 0)
		r = judge(tls, crts, n, &client);
	while (made > 0)
		gnutls_x509_crt_deinit(crts[--made]);
	if (r == 0)
		*ret_client = client;
	return r;
}

void clo_tls_client(const struct clo_tls *tls, gnutls_session_t session,
		    struct clo_tls_client *ret_client)
{
	unsigned int n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

	*ret_client = (struct clo_tls_client){
		.who = {.role = CLO_ROLE_NOBODY},
		.digest = 1,
	};
	if (chain)
		(void)clo_tls_judge(tls, chain, n, ret_client);
}
