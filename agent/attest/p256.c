/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/p256.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* libcrypto keeps a queue of errors per thread; nobody reads it here. */
static int refuse(int r)
{
	ERR_clear_error();
	return r;
}

int clo_p256_public(const uint8_t x[32], const uint8_t y[32],
		    EVP_PKEY **ret_key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "P-256";
	uint8_t point[65] = {4}; /* uncompressed */
	OSSL_PARAM params[3];
	EVP_PKEY *key = NULL;
	bool ok;

	memcpy(point + 1, x, 32);
	memcpy(point + 33, y, 32);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						     group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						      point, sizeof(point));
	params[2] = OSSL_PARAM_construct_end();
	ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	     EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		return refuse(-EBADMSG);

	*ret_key = key;
	return 0;
}

/* DER of SEQUENCE { r, s }; libcrypto's own, freed by OPENSSL_free(). */
static int signature_der(const uint8_t r[32], const uint8_t s[32],
			 unsigned char **ret_der)
{
	ECDSA_SIG *signature = ECDSA_SIG_new();
	BIGNUM *one = BN_bin2bn(r, 32, NULL);
	BIGNUM *two = BN_bin2bn(s, 32, NULL);
	int len = -1;

	if (signature && one && two &&
	    ECDSA_SIG_set0(signature, one, two) == 1) {
		one = two = NULL; /* now the signature's */
		len = i2d_ECDSA_SIG(signature, ret_der);
	}
	BN_free(one);
	BN_free(two);
	ECDSA_SIG_free(signature);
	return len;
}

int clo_p256_verify(const uint8_t x[32], const uint8_t y[32],
		    const uint8_t digest[32], const uint8_t r[32],
		    const uint8_t s[32])
{
	EVP_PKEY_CTX *ctx = NULL;
	unsigned char *der = NULL;
	EVP_PKEY *key = NULL;
	bool ok = false;
	int len;
	int e;

	e = clo_p256_public(x, y, &key);
	if (e < 0)
		return e;
	len = signature_der(r, s, &der);
	if (len > 0)
		ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx)
		ok = EVP_PKEY_verify_init(ctx) == 1 &&
		     EVP_PKEY_verify(ctx, der, (size_t)len, digest, 32) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	OPENSSL_free(der);
	return ok ? 0 : refuse(-EBADMSG);
}

static bool derive(EVP_PKEY *own, EVP_PKEY *with, uint8_t ret_shared[32])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	size_t len = 32;
	bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer(ctx, with) == 1 &&
		  EVP_PKEY_derive(ctx, ret_shared, &len) == 1 && len == 32;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool coordinate(const EVP_PKEY *key, const char *name,
		       uint8_t ret_value[32])
{
	BIGNUM *value = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, name, &value) == 1 &&
		  BN_bn2binpad(value, ret_value, 32) == 32;

	BN_free(value);
	return ok;
}

int clo_p256_agree(EVP_PKEY *with, uint8_t ret_x[32], uint8_t ret_y[32],
		   uint8_t ret_shared[32])
{
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	bool ok = own && coordinate(own, OSSL_PKEY_PARAM_EC_PUB_X, ret_x) &&
		  coordinate(own, OSSL_PKEY_PARAM_EC_PUB_Y, ret_y) &&
		  derive(own, with, ret_shared);

	EVP_PKEY_free(own);
	return ok ? 0 : refuse(-EIO);
}
