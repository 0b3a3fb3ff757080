/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"
#include "agent/base/pcrs.h"

/*
 * A TPM 2.0, by tpm2-tss ESAPI; only the tpm*.c files use that. One caller at a
 * time. Each call has a deadline for all its commands together: it returns
 * -ETIMEDOUT, and from then on that TPM is -ENODEV to every call. Nothing stays
 * loaded in the TPM between calls, and nothing is stored in it.
 */
struct clo_tpm;

#define CLO_TPM_CERTIFICATE_MAX 4096

/* Public areas are marshalled TPMT_PUBLIC, as the TPM made them. */
struct clo_tpm_identity {
	/* The endorsement key: TCG's template, P-256, or RSA 2048 where the
	 * TPM has a certificate for that one only, or no such curve. */
	uint8_t ek[512];
	size_t ek_len;
	uint8_t certificate[CLO_TPM_CERTIFICATE_MAX]; /* of the EK, DER */
	size_t certificate_len; /* 0: the TPM has none */
	/* The attestation key: P-256, ECDSA with SHA-256, restricted; primary
	 * in the endorsement hierarchy, hence the same each time until the
	 * TPM's endorsement seed is another. */
	uint8_t ak[256];
	size_t ak_len;
};

struct clo_tpm_quote {
	uint8_t attest[512]; /* TPMS_ATTEST */
	size_t attest_len;
	uint8_t signature[128]; /* TPMT_SIGNATURE */
	size_t signature_len;
	struct clo_pcrs pcrs; /* as quoted */
};

/*
 * "device:PATH", or "swtpm:path=PATH" of a socket of swtpm. -EINVAL: neither;
 * -ENOENT: it is not there.
 */
int clo_tpm_open(const char *where, struct clo_tpm **ret_tpm);
void clo_tpm_free(struct clo_tpm *tpm);
CLO_DEFINE_FREEP(clo_tpm)

/* No call may take longer than that, whatever it is; 0: as usual. */
void clo_tpm_set_patience(struct clo_tpm *tpm, int seconds);
int clo_tpm_identity(struct clo_tpm *tpm,
		     struct clo_tpm_identity *ret_identity);
/* By the attestation key, over the PCRs of a mask and 32 bytes of ours. */
int clo_tpm_quote(struct clo_tpm *tpm, const uint8_t binding[32], uint32_t mask,
		  struct clo_tpm_quote *ret_quote);
/*
 * The second half of enrolment: what MakeCredential wrapped for this EK and
 * this AK. Both are TPM2B structures. -EBADMSG if it was not for them.
 */
int clo_tpm_activate(struct clo_tpm *tpm, const uint8_t *credential,
		     size_t credential_len, const uint8_t *secret,
		     size_t secret_len, uint8_t ret_value[64], size_t *ret_len);
