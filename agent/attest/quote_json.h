/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/quote.h"

/*
 * {"attest": TPMS_ATTEST, "signature": TPMT_SIGNATURE, "pcrs": {"0":
 * SHA-256, ...}}, all in hex. NULL: out of memory.
 */
json_t *clo_quote_to_json(const struct clo_quote_parts *parts);
/* As clo_quote_flaw(), of such an object. */
const char *clo_quote_json_flaw(const json_t *quote,
				const struct clo_quote_key *key,
				const uint8_t binding[32]);

json_t *clo_hex_to_json(const uint8_t *data, size_t len);
/* -EBADMSG: no hex text of at most `size` bytes. */
int clo_hex_from_json(const json_t *text, uint8_t *data, size_t size,
		      size_t *ret_len);
