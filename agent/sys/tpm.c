/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "agent/sys/tpm_impl.h"

/* Seconds: discrete TPMs take some 10 for an RSA key. */
#define IDENTITY_SECONDS 60
#define QUOTE_SECONDS 15
#define QUOTE_TRIES 4 /* a PCR may change between reading and quoting */

int clo_tpm_errno(const struct clo_tpm *tpm, TSS2_RC rc)
{
	TSS2_RC code = rc & ~(TSS2_RC)(TSS2_RC_LAYER_MASK | TPM2_RC_N_MASK |
				       TPM2_RC_P);

	if (tpm->wire.error)
		return tpm->wire.error;
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	if ((rc & TSS2_RC_LAYER_MASK) != TSS2_TPM_RC_LAYER)
		return (rc & ~(TSS2_RC)TSS2_RC_LAYER_MASK) ==
				       TSS2_BASE_RC_MEMORY
			       ? -ENOMEM
			       : -EPROTO;
	switch (code) {
	case TPM2_RC_HANDLE: /* an index that is not there */
		return -ENOENT;
	case TPM2_RC_CURVE:
	case TPM2_RC_ASYMMETRIC:
	case TPM2_RC_TYPE:
	case TPM2_RC_VALUE:
	case TPM2_RC_SCHEME:
		return -EOPNOTSUPP;
	case TPM2_RC_INTEGRITY:
	case TPM2_RC_SIZE:
	case TPM2_RC_INSUFFICIENT:
	case TPM2_RC_ECC_POINT:
		return -EBADMSG;
	case TPM2_RC_AUTH_FAIL:
	case TPM2_RC_BAD_AUTH:
		return -EACCES; /* the endorsement hierarchy has a password */
	default:
		return -EREMOTEIO;
	}
}

/* 0 if this TPM can still be spoken to. */
static int begin(struct clo_tpm *tpm, int seconds)
{
	if (tpm->wire.error)
		return -ENODEV;
	if (tpm->patience && tpm->patience < seconds)
		seconds = tpm->patience;
	clo_tpm_wire_begin(&tpm->wire, seconds);
	return 0;
}

void clo_tpm_set_patience(struct clo_tpm *tpm, int seconds)
{
	tpm->patience = seconds;
}

int clo_tpm_open(const char *where, struct clo_tpm **ret_tpm)
{
	CLO_AUTO(clo_tpm) struct clo_tpm *tpm = calloc(1, sizeof(*tpm));
	int r;

	if (!tpm)
		return -ENOMEM;
	tpm->wire.fd = -1;
	r = clo_tpm_wire_open(where, &tpm->wire);
	if (r < 0)
		return r;
	/* it would write to stderr by itself; whoever wants that may say so */
	(void)setenv("TSS2_LOG", "all+NONE", 0);
	r = begin(tpm, QUOTE_SECONDS);
	if (r == 0)
		r = clo_tpm_errno(
			tpm,
			Esys_Initialize(&tpm->esys,
					(TSS2_TCTI_CONTEXT *)(void *)&tpm->wire,
					NULL));
	if (r < 0)
		return r;

	*ret_tpm = CLO_TAKE(tpm);
	return 0;
}

void clo_tpm_free(struct clo_tpm *tpm)
{
	if (!tpm)
		return;

	Esys_Finalize(&tpm->esys);
	clo_tpm_wire_close(&tpm->wire);
	free(tpm);
}

static int marshal_public(const TPM2B_PUBLIC *public, uint8_t *data,
			  size_t size, size_t *ret_len)
{
	*ret_len = 0;
	return Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, data, size,
					   ret_len) == TSS2_RC_SUCCESS
		       ? 0
		       : -EPROTO;
}

int clo_tpm_identity(struct clo_tpm *tpm, struct clo_tpm_identity *ret_identity)
{
	TPM2B_PUBLIC *ek = NULL, *ak = NULL;
	ESYS_TR key = ESYS_TR_NONE;
	int r = begin(tpm, IDENTITY_SECONDS);

	*ret_identity = (struct clo_tpm_identity){0};
	if (r == 0)
		r = clo_tpm_make_ek(tpm, ret_identity, &key, &ek);
	clo_tpm_forget(tpm, &key);
	if (r == 0)
		r = clo_tpm_make_ak(tpm, &key, &ak);
	clo_tpm_forget(tpm, &key);
	if (r == 0)
		r = marshal_public(ek, ret_identity->ek,
				   sizeof(ret_identity->ek),
				   &ret_identity->ek_len);
	if (r == 0)
		r = marshal_public(ak, ret_identity->ak,
				   sizeof(ret_identity->ak),
				   &ret_identity->ak_len);
	Esys_Free(ek);
	Esys_Free(ak);
	return r;
}

static void select_pcrs(uint32_t mask, TPML_PCR_SELECTION *ret_selection)
{
	*ret_selection = (TPML_PCR_SELECTION){
		.count = 1,
		.pcrSelections = {{.hash = TPM2_ALG_SHA256, .sizeofSelect = 3}},
	};
	for (int i = 0; i < 3; i++)
		ret_selection->pcrSelections[0].pcrSelect[i] =
			(uint8_t)(mask >> 8 * i);
}

/* Takes over what one command brought; 0 registers are an error. */
static int take_pcrs(const TPML_PCR_SELECTION *selection,
		     const TPML_DIGEST *digests, struct clo_pcrs *pcrs)
{
	const TPMS_PCR_SELECTION *bank = &selection->pcrSelections[0];
	uint32_t n = 0;

	if (selection->count != 1 || bank->sizeofSelect != 3)
		return -EOPNOTSUPP; /* no SHA-256 bank */
	for (unsigned int i = 0; i < CLO_PCRS; i++) {
		if (!(bank->pcrSelect[i / 8] & 1 << i % 8))
			continue;
		if (n >= digests->count || digests->digests[n].size != 32)
			return -EPROTO;
		memcpy(pcrs->values[i], digests->digests[n++].buffer, 32);
		pcrs->mask |= UINT32_C(1) << i;
	}
	return n ? 0 : -EOPNOTSUPP;
}

/* A TPM gives some eight at once. */
static int read_pcrs(struct clo_tpm *tpm, uint32_t mask,
		     struct clo_pcrs *ret_pcrs)
{
	int r = 0;

	*ret_pcrs = (struct clo_pcrs){0};
	while (r == 0 && (mask & ~ret_pcrs->mask)) {
		TPML_PCR_SELECTION wanted, *read = NULL;
		TPML_DIGEST *digests = NULL;

		select_pcrs(mask & ~ret_pcrs->mask, &wanted);
		r = clo_tpm_errno(tpm, Esys_PCR_Read(tpm->esys, ESYS_TR_NONE,
						     ESYS_TR_NONE, ESYS_TR_NONE,
						     &wanted, NULL, &read,
						     &digests));
		if (r == 0)
			r = take_pcrs(read, digests, ret_pcrs);
		Esys_Free(read);
		Esys_Free(digests);
	}
	return r;
}

static int quote_once(struct clo_tpm *tpm, ESYS_TR key,
		      const uint8_t binding[32], uint32_t mask,
		      struct clo_tpm_quote *quote)
{
	static const TPMT_SIG_SCHEME own = {.scheme = TPM2_ALG_NULL};
	TPM2B_DATA data = {.size = 32};
	TPML_PCR_SELECTION selection;
	TPMT_SIGNATURE *signature = NULL;
	TPM2B_ATTEST *attest = NULL;
	int r;

	memcpy(data.buffer, binding, 32);
	select_pcrs(mask, &selection);
	r = clo_tpm_errno(tpm,
			  Esys_Quote(tpm->esys, key, ESYS_TR_PASSWORD,
				     ESYS_TR_NONE, ESYS_TR_NONE, &data, &own,
				     &selection, &attest, &signature));
	quote->signature_len = 0;
	if (r == 0 &&
	    (attest->size > sizeof(quote->attest) ||
	     Tss2_MU_TPMT_SIGNATURE_Marshal(
		     signature, quote->signature, sizeof(quote->signature),
		     &quote->signature_len) != TSS2_RC_SUCCESS))
		r = -EPROTO;
	if (r == 0) {
		quote->attest_len = attest->size;
		memcpy(quote->attest, attest->attestationData, attest->size);
	}
	Esys_Free(attest);
	Esys_Free(signature);
	return r;
}

/* Values that did not change while the quote was made are the quoted ones. */
int clo_tpm_quote(struct clo_tpm *tpm, const uint8_t binding[32], uint32_t mask,
		  struct clo_tpm_quote *ret_quote)
{
	TPM2B_PUBLIC *public = NULL;
	ESYS_TR key = ESYS_TR_NONE;
	struct clo_pcrs after;
	int r = begin(tpm, QUOTE_SECONDS);

	assert(mask && mask < UINT32_C(1) << CLO_PCRS);
	if (r == 0)
		r = clo_tpm_make_ak(tpm, &key, &public);
	if (r == 0)
		r = read_pcrs(tpm, mask, &after);
	for (int i = 0; r == 0; i++) {
		ret_quote->pcrs = after;
		r = i < QUOTE_TRIES
			    ? quote_once(tpm, key, binding, mask, ret_quote)
			    : -EBUSY;
		if (r == 0)
			r = read_pcrs(tpm, mask, &after);
		if (r == 0 &&
		    memcmp(&after, &ret_quote->pcrs, sizeof(after)) == 0)
			break;
	}
	clo_tpm_forget(tpm, &key);
	Esys_Free(public);
	return r;
}

/* The EK may be used by who may use the hierarchy: that is its policy. */
static int open_policy(struct clo_tpm *tpm, ESYS_TR *ret_session)
{
	static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
	int r;

	r = clo_tpm_errno(tpm, Esys_StartAuthSession(
				       tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE,
				       ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				       NULL, TPM2_SE_POLICY, &none,
				       TPM2_ALG_SHA256, ret_session));
	return r < 0 ? r
		     : clo_tpm_errno(tpm,
				     Esys_PolicySecret(
					     tpm->esys, ESYS_TR_RH_ENDORSEMENT,
					     *ret_session, ESYS_TR_PASSWORD,
					     ESYS_TR_NONE, ESYS_TR_NONE, NULL,
					     NULL, NULL, 0, NULL, NULL));
}

static int activate(struct clo_tpm *tpm, const TPM2B_ID_OBJECT *credential,
		    const TPM2B_ENCRYPTED_SECRET *secret, uint8_t value[64],
		    size_t *len)
{
	ESYS_TR ek = ESYS_TR_NONE, ak = ESYS_TR_NONE, session = ESYS_TR_NONE;
	TPM2B_PUBLIC *ek_public = NULL, *ak_public = NULL;
	CLO_AUTO_MEM struct clo_tpm_identity *identity =
		calloc(1, sizeof(*identity));
	TPM2B_DIGEST *found = NULL;
	int r;

	r = identity ? clo_tpm_make_ek(tpm, identity, &ek, &ek_public)
		     : -ENOMEM;
	if (r == 0)
		r = clo_tpm_make_ak(tpm, &ak, &ak_public);
	if (r == 0)
		r = open_policy(tpm, &session);
	if (r == 0)
		r = clo_tpm_errno(
			tpm, Esys_ActivateCredential(tpm->esys, ak, ek,
						     ESYS_TR_PASSWORD, session,
						     ESYS_TR_NONE, credential,
						     secret, &found));
	if (r == 0 && found->size > 64)
		r = -EPROTO;
	if (r == 0) {
		memcpy(value, found->buffer, found->size);
		*len = found->size;
	}
	clo_tpm_forget(tpm, &session);
	clo_tpm_forget(tpm, &ak);
	clo_tpm_forget(tpm, &ek);
	Esys_Free(ek_public);
	Esys_Free(ak_public);
	Esys_Free(found);
	return r;
}

int clo_tpm_activate(struct clo_tpm *tpm, const uint8_t *credential,
		     size_t credential_len, const uint8_t *secret,
		     size_t secret_len, uint8_t ret_value[64], size_t *ret_len)
{
	TPM2B_ENCRYPTED_SECRET wrapped = {0};
	TPM2B_ID_OBJECT object = {0};
	size_t at = 0, of = 0;
	int r;

	if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(credential, credential_len, &at,
					      &object) != TSS2_RC_SUCCESS ||
	    Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(
		    secret, secret_len, &of, &wrapped) != TSS2_RC_SUCCESS ||
	    at != credential_len || of != secret_len)
		return -EBADMSG;
	r = begin(tpm, IDENTITY_SECONDS);
	return r < 0 ? r : activate(tpm, &object, &wrapped, ret_value, ret_len);
}
