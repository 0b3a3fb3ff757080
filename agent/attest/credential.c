/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/credential.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdbool.h>

#include "agent/attest/bytes.h"
#include "agent/attest/p256.h"
#include "agent/attest/sha256.h"
#include "agent/attest/tpm2.h"

#define POLICY_MAX 64
#define RSA_BYTES 256
#define NAME_SIZE 34
#define NEEDED                                                                 \
	(TPMA_RESTRICTED | TPMA_DECRYPT | TPMA_FIXED_TPM | TPMA_FIXED_PARENT | \
	 TPMA_SENSITIVE_DATA_ORIGIN)

struct ek {
	bool rsa;
	uint8_t modulus[RSA_BYTES];
	uint8_t x[32], y[32];
};

static int refuse(int r)
{
	ERR_clear_error();
	return r;
}

static int parse(const uint8_t *data, size_t len, struct ek *ret_ek)
{
	struct clo_bytes bytes = {data, len, false};
	uint64_t type = clo_bytes_number(&bytes, 2);
	const uint8_t *modulus;
	size_t n;

	*ret_ek = (struct ek){.rsa = type == TPM2_ALG_RSA};
	clo_bytes_expect(&bytes, 2, TPM2_ALG_SHA256);
	if ((clo_bytes_number(&bytes, 4) & NEEDED) != NEEDED)
		return -EBADMSG;
	(void)clo_bytes_sized(&bytes, POLICY_MAX, &n);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_AES);
	clo_bytes_expect(&bytes, 2, 128);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_CFB);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_NULL); /* scheme */
	if (type == TPM2_ALG_ECC) {
		clo_bytes_expect(&bytes, 2, TPM2_ECC_NIST_P256);
		clo_bytes_expect(&bytes, 2, TPM2_ALG_NULL);
		clo_bytes_coordinate(&bytes, ret_ek->x);
		clo_bytes_coordinate(&bytes, ret_ek->y);
	} else if (type == TPM2_ALG_RSA) {
		clo_bytes_expect(&bytes, 2, UINT64_C(8) * RSA_BYTES);
		clo_bytes_expect(&bytes, 4, 0); /* exponent 65537 */
		modulus = clo_bytes_sized(&bytes, RSA_BYTES, &n);
		if (n != RSA_BYTES)
			return -EBADMSG;
		memcpy(ret_ek->modulus, modulus, RSA_BYTES);
	} else {
		return -EBADMSG;
	}
	return clo_bytes_done(&bytes) ? 0 : -EBADMSG;
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* KDFe of part 1, 11.4.10.3: one round is enough for 256 bits. */
static int seed_of_point(const uint8_t shared[32], const uint8_t own_x[32],
			 const uint8_t ek_x[32], uint8_t ret_seed[32])
{
	static const char label[] = "IDENTITY"; /* and its 0 */
	uint8_t data[4 + 32 + sizeof(label) + 32 + 32] = {0, 0, 0, 1};

	memcpy(data + 4, shared, 32);
	memcpy(data + 36, label, sizeof(label));
	memcpy(data + 36 + sizeof(label), own_x, 32);
	memcpy(data + 68 + sizeof(label), ek_x, 32);
	return clo_sha256(data, sizeof(data), ret_seed);
}

static int seed_by_p256(const struct ek *ek, struct clo_credential *credential,
			uint8_t ret_seed[32])
{
	uint8_t *secret = credential->secret;
	EVP_PKEY *key = NULL;
	uint8_t shared[32];
	int r = clo_p256_public(ek->x, ek->y, &key);

	if (r < 0)
		return r;
	put16(secret, 68);
	put16(secret + 2, 32);
	put16(secret + 36, 32);
	credential->secret_len = 70;
	r = clo_p256_agree(key, secret + 4, secret + 38, shared);
	EVP_PKEY_free(key);
	if (r == 0)
		r = seed_of_point(shared, secret + 4, ek->x, ret_seed);
	OPENSSL_cleanse(shared, sizeof(shared));
	return r;
}

static EVP_PKEY *rsa_public(const uint8_t modulus[RSA_BYTES])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(modulus, RSA_BYTES, NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (build && n &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, 65537) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(n);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool set_oaep(EVP_PKEY_CTX *ctx)
{
	static const char label[] = "IDENTITY"; /* and its 0 */
	void *own = OPENSSL_memdup(label, sizeof(label));

	if (own && EVP_PKEY_encrypt_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, own, sizeof(label)) == 1)
		return true; /* the label is now its */
	OPENSSL_free(own);
	return false;
}

static int seed_by_rsa(const struct ek *ek, struct clo_credential *credential,
		       uint8_t ret_seed[32])
{
	EVP_PKEY *key = rsa_public(ek->modulus);
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	size_t len = RSA_BYTES;
	bool ok = ctx && RAND_bytes(ret_seed, 32) == 1 && set_oaep(ctx) &&
		  EVP_PKEY_encrypt(ctx, credential->secret + 2, &len, ret_seed,
				   32) == 1 &&
		  len == RSA_BYTES;

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	put16(credential->secret, RSA_BYTES);
	credential->secret_len = 2 + RSA_BYTES;
	return ok ? 0 : refuse(-EBADMSG);
}

/* KDFa of part 1, 11.4.10.2: one round gives 256 bits. */
static bool derive(const uint8_t seed[32], const char *label,
		   const uint8_t *context, size_t context_len, unsigned bits,
		   uint8_t ret_key[32])
{
	uint8_t data[4 + 16 + NAME_SIZE + 4] = {0, 0, 0, 1};
	size_t n = 4, label_len = strlen(label) + 1;
	unsigned int len = 32;

	memcpy(data + n, label, label_len);
	n += label_len;
	if (context_len)
		memcpy(data + n, context, context_len);
	n += context_len;
	put16(data + n, 0);
	put16(data + n + 2, bits);
	return HMAC(EVP_sha256(), seed, 32, data, n + 4, ret_key, &len) != NULL;
}

static bool encrypt(const uint8_t key[16], const uint8_t *plain, int len,
		    uint8_t *ret_data)
{
	static const uint8_t iv[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = ctx &&
		  EVP_EncryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key,
				     iv) == 1 &&
		  EVP_EncryptUpdate(ctx, ret_data, &n, plain, len) == 1 &&
		  n == len;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* TPM2B_ID_OBJECT: HMAC (a TPM2B), then the value (a TPM2B) encrypted. */
static int wrap(const uint8_t seed[32], const uint8_t name[NAME_SIZE],
		const uint8_t value[32], struct clo_credential *credential)
{
	uint8_t cipher_key[32], hmac_key[32], plain[34];
	uint8_t covered[34 + NAME_SIZE];
	uint8_t *object = credential->object;
	unsigned int len = 32;
	bool ok;

	put16(plain, 32);
	memcpy(plain + 2, value, 32);
	ok = derive(seed, "STORAGE", name, NAME_SIZE, 128, cipher_key) &&
	     derive(seed, "INTEGRITY", NULL, 0, 256, hmac_key) &&
	     encrypt(cipher_key, plain, sizeof(plain), covered);
	memcpy(covered + 34, name, NAME_SIZE);
	put16(object, 2 + 32 + 34);
	put16(object + 2, 32);
	ok = ok && HMAC(EVP_sha256(), hmac_key, 32, covered, sizeof(covered),
			object + 4, &len);
	memcpy(object + 36, covered, 34);
	credential->object_len = 70;
	OPENSSL_cleanse(cipher_key, sizeof(cipher_key));
	OPENSSL_cleanse(hmac_key, sizeof(hmac_key));
	OPENSSL_cleanse(plain, sizeof(plain));
	return ok ? 0 : refuse(-EIO);
}

int clo_credential_make(const uint8_t *ek, size_t ek_len,
			const uint8_t ak_name[32], const uint8_t value[32],
			struct clo_credential *ret_credential)
{
	struct clo_credential credential = {0};
	uint8_t name[NAME_SIZE];
	uint8_t seed[32];
	struct ek to;
	int r = parse(ek, ek_len, &to);

	if (r < 0)
		return r;
	put16(name, TPM2_ALG_SHA256);
	memcpy(name + 2, ak_name, 32);
	r = to.rsa ? seed_by_rsa(&to, &credential, seed)
		   : seed_by_p256(&to, &credential, seed);
	if (r == 0)
		r = wrap(seed, name, value, &credential);
	OPENSSL_cleanse(seed, sizeof(seed));
	if (r == 0)
		*ret_credential = credential;
	return r;
}
