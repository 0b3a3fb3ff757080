/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * MakeCredential without a TPM: the control plane's half of an enrolment. A
 * value goes out that only the TPM with that endorsement key gives back, and
 * only if it also holds the attestation key of that Name. So the Name, hence
 * the attributes, of an attestation key are known to be in that TPM.
 */
struct clo_credential {
	uint8_t object[128]; /* TPM2B_ID_OBJECT */
	size_t object_len;
	uint8_t secret[300]; /* TPM2B_ENCRYPTED_SECRET */
	size_t secret_len;
};

/*
 * `ek` is a TPMT_PUBLIC of TCG's templates: P-256 or RSA 2048 with SHA-256 and
 * AES-128. -EBADMSG: another, or one that a TPM would let go.
 */
int clo_credential_make(const uint8_t *ek, size_t ek_len,
			const uint8_t ak_name[32], const uint8_t value[32],
			struct clo_credential *ret_credential);
