/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/sys/tpm_impl.h"

/* Where TCG's EK credential profile has certificates. */
#define NV_CERTIFICATE_RSA 0x01c00002
#define NV_CERTIFICATE_ECC 0x01c0000a
#define NV_PIECE 512 /* what every TPM gives at once */

#define KEY_OF_TPM                                                             \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |                      \
	 TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED)

/* PolicySecret(endorsement): who may use the hierarchy may use its EK. */
static const TPM2B_DIGEST ek_policy = {
	.size = 32,
	.buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
		   0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
		   0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
		   0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa},
};

static const TPMT_SYM_DEF_OBJECT aes = {
	.algorithm = TPM2_ALG_AES,
	.keyBits.aes = 128,
	.mode.aes = TPM2_ALG_CFB,
};

/* Templates L-1 and L-2 of the profile: the keys that certificates are for. */
static void template_rsa(TPM2B_PUBLIC *template)
{
	TPMT_PUBLIC *area = &template->publicArea;

	*template = (TPM2B_PUBLIC){0};
	area->type = TPM2_ALG_RSA;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes =
		KEY_OF_TPM | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_DECRYPT;
	area->authPolicy = ek_policy;
	area->parameters.rsaDetail = (TPMS_RSA_PARMS){
		.symmetric = aes,
		.scheme.scheme = TPM2_ALG_NULL,
		.keyBits = 2048,
	};
	area->unique.rsa.size = 256;
}

static void template_ecc(TPM2B_PUBLIC *template)
{
	TPMT_PUBLIC *area = &template->publicArea;

	*template = (TPM2B_PUBLIC){0};
	area->type = TPM2_ALG_ECC;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes =
		KEY_OF_TPM | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_DECRYPT;
	area->authPolicy = ek_policy;
	area->parameters.eccDetail = (TPMS_ECC_PARMS){
		.symmetric = aes,
		.scheme.scheme = TPM2_ALG_NULL,
		.curveID = TPM2_ECC_NIST_P256,
		.kdf.scheme = TPM2_ALG_NULL,
	};
	area->unique.ecc.x.size = 32;
	area->unique.ecc.y.size = 32;
}

static void template_ak(TPM2B_PUBLIC *template)
{
	static const char label[] = "cloison attestation key 1";
	TPMT_PUBLIC *area = &template->publicArea;

	*template = (TPM2B_PUBLIC){0};
	area->type = TPM2_ALG_ECC;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes = KEY_OF_TPM | TPMA_OBJECT_USERWITHAUTH |
				 TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
	area->parameters.eccDetail = (TPMS_ECC_PARMS){
		.symmetric.algorithm = TPM2_ALG_NULL,
		.scheme = {.scheme = TPM2_ALG_ECDSA,
			   .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
		.curveID = TPM2_ECC_NIST_P256,
		.kdf.scheme = TPM2_ALG_NULL,
	};
	area->unique.ecc.x.size = sizeof(label) - 1;
	memcpy(area->unique.ecc.x.buffer, label, sizeof(label) - 1);
}

static int make(struct clo_tpm *tpm, const TPM2B_PUBLIC *template,
		ESYS_TR *ret_key, TPM2B_PUBLIC **ret_public)
{
	static const TPM2B_SENSITIVE_CREATE no_secret;
	static const TPM2B_DATA no_data;
	static const TPML_PCR_SELECTION no_pcrs;

	return clo_tpm_errno(
		tpm,
		Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT,
				   ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
				   &no_secret, template, &no_data, &no_pcrs,
				   ret_key, ret_public, NULL, NULL, NULL));
}

void clo_tpm_forget(struct clo_tpm *tpm, ESYS_TR *key)
{
	if (*key != ESYS_TR_NONE)
		(void)Esys_FlushContext(tpm->esys, *key);
	*key = ESYS_TR_NONE;
}

int clo_tpm_make_ak(struct clo_tpm *tpm, ESYS_TR *ret_key,
		    TPM2B_PUBLIC **ret_public)
{
	TPM2B_PUBLIC template;

	template_ak(&template);
	return make(tpm, &template, ret_key, ret_public);
}

static int read_index(struct clo_tpm *tpm, ESYS_TR index, uint16_t size,
		      struct clo_tpm_identity *identity)
{
	while (identity->certificate_len < size) {
		uint16_t at = (uint16_t)identity->certificate_len;
		uint16_t left = (uint16_t)(size - at);
		TPM2B_MAX_NV_BUFFER *piece = NULL;
		int r;

		r = clo_tpm_errno(
			tpm,
			Esys_NV_Read(tpm->esys, index, index, ESYS_TR_PASSWORD,
				     ESYS_TR_NONE, ESYS_TR_NONE,
				     left < NV_PIECE ? left : NV_PIECE, at,
				     &piece));
		if (r < 0)
			return r;
		if (piece->size == 0 || piece->size > left)
			r = -EPROTO;
		else
			memcpy(identity->certificate + at, piece->buffer,
			       piece->size);
		identity->certificate_len += r < 0 ? 0 : piece->size;
		Esys_Free(piece);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -ENOENT: the TPM has none there. */
static int read_certificate(struct clo_tpm *tpm, TPM2_HANDLE handle,
			    struct clo_tpm_identity *identity)
{
	TPM2B_NV_PUBLIC *public = NULL;
	ESYS_TR index = ESYS_TR_NONE;
	uint16_t size;
	int r;

	r = clo_tpm_errno(tpm, Esys_TR_FromTPMPublic(tpm->esys, handle,
						     ESYS_TR_NONE, ESYS_TR_NONE,
						     ESYS_TR_NONE, &index));
	if (r < 0)
		return r;
	r = clo_tpm_errno(tpm, Esys_NV_ReadPublic(tpm->esys, index,
						  ESYS_TR_NONE, ESYS_TR_NONE,
						  ESYS_TR_NONE, &public, NULL));
	if (r < 0)
		return r;
	size = public->nvPublic.dataSize;
	Esys_Free(public);
	if (size == 0 || size > sizeof(identity->certificate))
		return -ENOENT;
	r = read_index(tpm, index, size, identity);
	(void)Esys_TR_Close(tpm->esys, &index);
	/* not written, or not for us: as good as none */
	return r == -EREMOTEIO || r == -EACCES ? -ENOENT : r;
}

int clo_tpm_make_ek(struct clo_tpm *tpm, struct clo_tpm_identity *identity,
		    ESYS_TR *ret_key, TPM2B_PUBLIC **ret_public)
{
	TPM2B_PUBLIC template;
	bool rsa = false;
	int r;

	identity->certificate_len = 0;
	r = read_certificate(tpm, NV_CERTIFICATE_ECC, identity);
	if (r == -ENOENT) {
		identity->certificate_len = 0;
		r = read_certificate(tpm, NV_CERTIFICATE_RSA, identity);
		rsa = r == 0;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0)
		identity->certificate_len = 0;
	if (!rsa) {
		template_ecc(&template);
		r = make(tpm, &template, ret_key, ret_public);
		if (r != -EOPNOTSUPP)
			return r;
	}
	template_rsa(&template);
	return make(tpm, &template, ret_key, ret_public);
}
