/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/quote.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/attest/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte: where the attestation key ends, and the quote begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t value[32], binding[32];
	struct clo_credential credential;
	struct clo_pcrs pcrs = {.mask = 1};
	struct clo_quote_key key = {.attributes = UINT32_MAX};
	struct clo_quote quote;
	size_t key_len;

	if (size == 0)
		return 0;
	key_len = data[0] < size ? data[0] : size - 1;
	data++;
	size--;
	(void)clo_quote_parse(data, size, &quote);
	(void)clo_credential_make(data, size, binding, value, &credential);
	if (clo_quote_key_parse(data, key_len, &key) == 0) {
		const struct clo_quote_parts parts = {
			data + key_len, size - key_len, data + key_len,
			size - key_len, &pcrs};

		/* nobody signs 0 as a binding by chance */
		assert(clo_quote_flaw(&key, &parts, binding));
	}
	return 0;
}
