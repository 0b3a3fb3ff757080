/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/pcrs.h"

/*
 * What a TPM signs, read without a TPM and without its library: bytes of a
 * stranger in, values out. Only what our attestation keys are and make is
 * taken: P-256, ECDSA with SHA-256, quotes of the SHA-256 bank.
 */

/* The public area of an attestation key. */
struct clo_quote_key {
	uint32_t attributes; /* TPMA_OBJECT */
	uint8_t x[32], y[32]; /* not yet known to be on the curve */
	/* SHA-256 of the area: of its Name all but the algorithm. */
	uint8_t name[32];
};

/* TPMT_PUBLIC; -EBADMSG: no such key. */
int clo_quote_key_parse(const uint8_t *data, size_t len,
			struct clo_quote_key *ret_key);
/*
 * NULL: such a key signs only what its TPM made, was made in it and cannot
 * leave it. Else what it lacks. It holds if its Name was seen at enrolment.
 */
const char *clo_quote_key_flaw(const struct clo_quote_key *key);

/* TPMS_ATTEST of a quote. */
struct clo_quote {
	uint8_t signer[32]; /* qualified name, all but the algorithm */
	uint8_t binding[32]; /* what was asked to be quoted with the PCRs */
	uint64_t clock; /* milliseconds that the TPM has run */
	uint32_t resets, restarts;
	uint32_t mask; /* of PCRs */
	uint8_t pcr_digest[32];
};

int clo_quote_parse(const uint8_t *data, size_t len,
		    struct clo_quote *ret_quote);

struct clo_quote_parts {
	const uint8_t *attest; /* TPMS_ATTEST */
	size_t attest_len;
	const uint8_t *signature; /* TPMT_SIGNATURE */
	size_t signature_len;
	const struct clo_pcrs *pcrs;
};

/*
 * NULL: a primary key of the endorsement hierarchy with that public area
 * signed these PCRs with this binding. Else what is wrong.
 */
const char *clo_quote_flaw(const struct clo_quote_key *key,
			   const struct clo_quote_parts *parts,
			   const uint8_t binding[32]);

/*
 * What is quoted: SHA-256 of "cloison quote 1", 0, and, each with its length
 * before it (4 bytes, big-endian), the public key (DER) that signs statements,
 * the boot id, the epoch (8 bytes, big-endian) and the nonce in hex ("" if
 * nobody asked).
 */
int clo_quote_binding(const uint8_t *der, size_t der_len, const char *boot_id,
		      uint64_t epoch, const char *nonce,
		      uint8_t ret_binding[32]);
