/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <tss2/tss2_esys.h>

#include "agent/sys/tpm.h"

#define CLO_TPM_MESSAGE_MAX 4096 /* TPM2_MAX_RESPONSE_SIZE of tpm2-tss */

/*
 * The way to the TPM: a TCTI of our own, because those of tpm2-tss wait for
 * as long as the TPM likes. Non-blocking, also to the kernel's device.
 */
struct clo_tpm_wire {
	TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first: tpm2-tss sees only it */
	int fd;
	int64_t deadline; /* CLOCK_MONOTONIC, milliseconds */
	int error; /* the -errno that ended it, or 0 */
	size_t len; /* of a response that was asked for its size */
	uint8_t response[CLO_TPM_MESSAGE_MAX];
};

int clo_tpm_wire_open(const char *where, struct clo_tpm_wire *ret_wire);
void clo_tpm_wire_close(struct clo_tpm_wire *wire);
void clo_tpm_wire_begin(struct clo_tpm_wire *wire, int seconds);

struct clo_tpm {
	struct clo_tpm_wire wire;
	ESYS_CONTEXT *esys;
	int patience; /* seconds; 0: as usual */
};

/* 0 or -errno of what ESAPI returned. */
int clo_tpm_errno(const struct clo_tpm *tpm, TSS2_RC rc);
/* Make a primary key in the endorsement hierarchy; *ret_public: Esys_Free(). */
int clo_tpm_make_ak(struct clo_tpm *tpm, ESYS_TR *ret_key,
		    TPM2B_PUBLIC **ret_public);
/* With the certificate that it has, if it has one. */
int clo_tpm_make_ek(struct clo_tpm *tpm, struct clo_tpm_identity *identity,
		    ESYS_TR *ret_key, TPM2B_PUBLIC **ret_public);
void clo_tpm_forget(struct clo_tpm *tpm, ESYS_TR *key);
