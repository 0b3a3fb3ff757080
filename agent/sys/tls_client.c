/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/tls_client.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"

static int load_files(SSL_CTX *context, const struct clo_tls_client *client,
		      char reterr_text[160])
{
	const char *certificate = client->certificate;

	if (client->ca ? SSL_CTX_load_verify_file(context, client->ca) != 1
		       : SSL_CTX_set_default_verify_paths(context) != 1) {
		(void)snprintf(reterr_text, 160,
			       "no certificate authority in %s",
			       client->ca ? client->ca : "this system");
		return -EINVAL;
	}
	if (!certificate)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
		(void)snprintf(reterr_text, 160, "no certificate in %s",
			       certificate);
		return -EINVAL;
	}
	if (SSL_CTX_use_PrivateKey_file(context, client->key,
					SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1) {
		(void)snprintf(reterr_text, 160, "%s is not the key of %s",
			       client->key, certificate);
		return -EINVAL;
	}
	return 0;
}

int clo_tls_client_context(const struct clo_tls_client *client,
			   SSL_CTX **ret_context, char reterr_text[160])
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int r = -ENOMEM;

	(void)snprintf(reterr_text, 160, "out of memory");
	if (context &&
	    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1) {
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		r = load_files(context, client, reterr_text);
	}
	if (r < 0) {
		SSL_CTX_free(context);
		return r;
	}

	*ret_context = context;
	return 0;
}

int clo_tls_client_expect(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	CLO_AUTO_MEM char *name = strdup(host); /* the macro drops const */

	if (!name)
		return -ENOMEM;
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return 0;
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
			       SSL_set_tlsext_host_name(ssl, name) == 1
		       ? 0
		       : -EINVAL;
}
