/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/quote.h"

#include <errno.h>
#include <openssl/evp.h>

#include "agent/attest/bytes.h"
#include "agent/attest/p256.h"
#include "agent/attest/sha256.h"
#include "agent/attest/tpm2.h"

#define POLICY_MAX 64
#define NAME_SIZE 34 /* of SHA-256: the algorithm and 32 bytes */

int clo_quote_key_parse(const uint8_t *data, size_t len,
			struct clo_quote_key *ret_key)
{
	struct clo_bytes bytes = {data, len, false};
	struct clo_quote_key key = {0};
	size_t n;

	clo_bytes_expect(&bytes, 2, TPM2_ALG_ECC);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_SHA256);
	key.attributes = (uint32_t)clo_bytes_number(&bytes, 4);
	(void)clo_bytes_sized(&bytes, POLICY_MAX, &n);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_NULL); /* symmetric */
	clo_bytes_expect(&bytes, 2, TPM2_ALG_ECDSA);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_SHA256);
	clo_bytes_expect(&bytes, 2, TPM2_ECC_NIST_P256);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_NULL); /* derivation */
	clo_bytes_coordinate(&bytes, key.x);
	clo_bytes_coordinate(&bytes, key.y);
	if (!clo_bytes_done(&bytes))
		return -EBADMSG;
	if (clo_sha256(data, len, key.name) < 0)
		return -EIO;

	*ret_key = key;
	return 0;
}

const char *clo_quote_key_flaw(const struct clo_quote_key *key)
{
	static const struct {
		uint32_t bit;
		const char *flaw;
	} needed[] = {
		{TPMA_RESTRICTED, "the attestation key is not restricted"},
		{TPMA_SIGN, "the attestation key does not sign"},
		{TPMA_FIXED_TPM, "the attestation key may leave its TPM"},
		{TPMA_FIXED_PARENT, "the attestation key may change parents"},
		{TPMA_SENSITIVE_DATA_ORIGIN,
		 "the attestation key was not made in its TPM"},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(key->attributes & needed[i].bit))
			return needed[i].flaw;
	return key->attributes & TPMA_DECRYPT
		       ? "the attestation key also decrypts"
		       : NULL;
}

/* A TPM2B of exactly 32 bytes. */
static void read_digest(struct clo_bytes *bytes, uint8_t ret_digest[32])
{
	size_t n;
	const uint8_t *at = clo_bytes_sized(bytes, 32, &n);

	bytes->failed |= n != 32;
	if (!bytes->failed)
		memcpy(ret_digest, at, 32);
}

/* One bank, of SHA-256. */
static uint32_t read_selection(struct clo_bytes *bytes)
{
	const uint8_t *at;

	clo_bytes_expect(bytes, 4, 1);
	clo_bytes_expect(bytes, 2, TPM2_ALG_SHA256);
	clo_bytes_expect(bytes, 1, 3);
	at = clo_bytes_take(bytes, 3);
	return at ? at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 : 0;
}

int clo_quote_parse(const uint8_t *data, size_t len,
		    struct clo_quote *ret_quote)
{
	struct clo_bytes bytes = {data, len, false};
	struct clo_quote quote = {0};
	const uint8_t *name;

	clo_bytes_expect(&bytes, 4, TPM2_GENERATED);
	clo_bytes_expect(&bytes, 2, TPM2_ST_ATTEST_QUOTE);
	clo_bytes_expect(&bytes, 2, NAME_SIZE);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_SHA256);
	name = clo_bytes_take(&bytes, 32);
	if (name)
		memcpy(quote.signer, name, 32);
	read_digest(&bytes, quote.binding);
	quote.clock = clo_bytes_number(&bytes, 8);
	quote.resets = (uint32_t)clo_bytes_number(&bytes, 4);
	quote.restarts = (uint32_t)clo_bytes_number(&bytes, 4);
	if (clo_bytes_number(&bytes, 1) > 1) /* safe: yes or no */
		return -EBADMSG;
	(void)clo_bytes_number(&bytes, 8); /* version of the firmware */
	quote.mask = read_selection(&bytes);
	read_digest(&bytes, quote.pcr_digest);
	if (!clo_bytes_done(&bytes))
		return -EBADMSG;

	*ret_quote = quote;
	return 0;
}

/* The Name of a primary key, with what it is below. */
static int qualify(const uint8_t name[32], uint8_t ret_qualified[32])
{
	uint8_t data[4 + NAME_SIZE] = {
		(uint8_t)(TPM2_RH_ENDORSEMENT >> 24),
		(uint8_t)(TPM2_RH_ENDORSEMENT >> 16 & 0xff),
		(uint8_t)(TPM2_RH_ENDORSEMENT >> 8 & 0xff),
		(uint8_t)(TPM2_RH_ENDORSEMENT & 0xff),
		TPM2_ALG_SHA256 >> 8,
		TPM2_ALG_SHA256,
	};

	memcpy(data + 6, name, 32);
	return clo_sha256(data, sizeof(data), ret_qualified);
}

static int digest_pcrs(const struct clo_pcrs *pcrs, uint8_t ret_digest[32])
{
	uint8_t values[CLO_PCRS * 32];
	size_t n = 0;

	for (unsigned int i = 0; i < CLO_PCRS; i++) {
		if (!(pcrs->mask & UINT32_C(1) << i))
			continue;
		memcpy(values + n, pcrs->values[i], 32);
		n += 32;
	}
	return clo_sha256(values, n, ret_digest);
}

static const char *check_signature(const struct clo_quote_key *key,
				   const struct clo_quote_parts *parts)
{
	struct clo_bytes bytes = {parts->signature, parts->signature_len,
				  false};
	uint8_t digest[32], r[32], s[32];

	clo_bytes_expect(&bytes, 2, TPM2_ALG_ECDSA);
	clo_bytes_expect(&bytes, 2, TPM2_ALG_SHA256);
	clo_bytes_coordinate(&bytes, r);
	clo_bytes_coordinate(&bytes, s);
	if (!clo_bytes_done(&bytes))
		return "the quote's signature is none of ECDSA with SHA-256";
	if (clo_sha256(parts->attest, parts->attest_len, digest) < 0 ||
	    clo_p256_verify(key->x, key->y, digest, r, s) < 0)
		return "the quote is not signed by the attestation key";
	return NULL;
}

const char *clo_quote_flaw(const struct clo_quote_key *key,
			   const struct clo_quote_parts *parts,
			   const uint8_t binding[32])
{
	const char *flaw = clo_quote_key_flaw(key);
	uint8_t signer[32], pcrs[32];
	struct clo_quote quote;

	if (!flaw)
		flaw = check_signature(key, parts);
	if (flaw)
		return flaw;
	if (clo_quote_parse(parts->attest, parts->attest_len, &quote) < 0)
		return "what the attestation key signed is no quote";
	if (qualify(key->name, signer) < 0 ||
	    memcmp(signer, quote.signer, sizeof(signer)) != 0)
		return "the signer is no primary key of the endorsement "
		       "hierarchy";
	if (memcmp(binding, quote.binding, sizeof(quote.binding)) != 0)
		return "the quote is not of this key, boot, epoch and nonce";
	if (!quote.mask || quote.mask != parts->pcrs->mask ||
	    digest_pcrs(parts->pcrs, pcrs) < 0 ||
	    memcmp(pcrs, quote.pcr_digest, sizeof(pcrs)) != 0)
		return "the PCRs are not the quoted ones";
	return NULL;
}

static int add_sized(EVP_MD_CTX *ctx, const void *data, size_t len)
{
	const uint8_t size[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
				 (uint8_t)(len >> 8), (uint8_t)len};

	return EVP_DigestUpdate(ctx, size, sizeof(size)) == 1 &&
	       EVP_DigestUpdate(ctx, data, len) == 1;
}

int clo_quote_binding(const uint8_t *der, size_t der_len, const char *boot_id,
		      uint64_t epoch, const char *nonce,
		      uint8_t ret_binding[32])
{
	static const char domain[] = "cloison quote 1"; /* and its 0 */
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t number[8];
	bool ok;

	for (int i = 0; i < 8; i++)
		number[i] = (uint8_t)(epoch >> (56 - 8 * i));
	ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	     EVP_DigestUpdate(ctx, domain, sizeof(domain)) == 1 &&
	     add_sized(ctx, der, der_len) &&
	     add_sized(ctx, boot_id, strlen(boot_id)) &&
	     add_sized(ctx, number, sizeof(number)) &&
	     add_sized(ctx, nonce, strlen(nonce)) &&
	     EVP_DigestFinal_ex(ctx, ret_binding, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}
