/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/quote_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/hex.h"

json_t *clo_hex_to_json(const uint8_t *data, size_t len)
{
	CLO_AUTO_MEM char *text = malloc(2 * len + 1);

	if (!text)
		return NULL;
	clo_hex_encode(data, len, text);
	return json_string(text);
}

int clo_hex_from_json(const json_t *text, uint8_t *data, size_t size,
		      size_t *ret_len)
{
	const char *digits = json_string_value(text);
	size_t n = json_string_length(text);

	if (!digits || n % 2 != 0 || n / 2 > size ||
	    clo_hex_decode(digits, n / 2, data) < 0)
		return -EBADMSG;
	*ret_len = n / 2;
	return 0;
}

/* "0" to "23", for that many registers. */
static const char *pcr_name(unsigned int i, char name[4])
{
	(void)snprintf(name, 4, "%u", i % 100);
	return name;
}

json_t *clo_quote_to_json(const struct clo_quote_parts *parts)
{
	json_t *pcrs = json_object();
	char name[4];

	for (unsigned int i = 0; i < CLO_PCRS; i++)
		if (parts->pcrs->mask & UINT32_C(1) << i)
			(void)json_object_set_new(
				pcrs, pcr_name(i, name),
				clo_hex_to_json(parts->pcrs->values[i], 32));
	return json_pack(
		"{s:o, s:o, s:o}", "attest",
		clo_hex_to_json(parts->attest, parts->attest_len), "signature",
		clo_hex_to_json(parts->signature, parts->signature_len), "pcrs",
		pcrs);
}

static int read_pcrs(const json_t *object, struct clo_pcrs *ret_pcrs)
{
	size_t n = 0, len;
	char name[4];

	*ret_pcrs = (struct clo_pcrs){0};
	for (unsigned int i = 0; i < CLO_PCRS; i++) {
		const json_t *value =
			json_object_get(object, pcr_name(i, name));

		if (!value)
			continue;
		if (clo_hex_from_json(value, ret_pcrs->values[i], 32, &len) <
			    0 ||
		    len != 32)
			return -EBADMSG;
		ret_pcrs->mask |= UINT32_C(1) << i;
		n++;
	}
	return n == json_object_size(object) ? 0 : -EBADMSG;
}

const char *clo_quote_json_flaw(const json_t *quote,
				const struct clo_quote_key *key,
				const uint8_t binding[32])
{
	uint8_t attest[512], signature[128];
	struct clo_pcrs pcrs;
	struct clo_quote_parts parts = {
		.attest = attest, .signature = signature, .pcrs = &pcrs};

	if (clo_hex_from_json(json_object_get(quote, "attest"), attest,
			      sizeof(attest), &parts.attest_len) < 0 ||
	    clo_hex_from_json(json_object_get(quote, "signature"), signature,
			      sizeof(signature), &parts.signature_len) < 0 ||
	    read_pcrs(json_object_get(quote, "pcrs"), &pcrs) < 0)
		return "the quote is not what a quote looks like";
	return clo_quote_flaw(key, &parts, binding);
}
