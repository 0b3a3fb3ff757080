/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/quote.h"

#include <errno.h>
#include <string.h>

#include "agent/attest/tpm2.h"
#include "agent/base/auto.h"
#include "agent/base/hex.h"
#include "check.h"
#include "quote_made.h"

static uint8_t ak[256], attest[256], signature[128];
static size_t ak_len, attest_len, signature_len;
static struct clo_pcrs pcrs;
static uint8_t binding[32];

static size_t load(const char *text, uint8_t *data)
{
	size_t n = strlen(text) / 2;

	assert_int_equal(clo_hex_decode(text, n, data), 0);
	return n;
}

static int set_up(void **state)
{
	(void)state;
	ak_len = load(MADE_AK, ak);
	attest_len = load(MADE_ATTEST, attest);
	signature_len = load(MADE_SIGNATURE, signature);
	(void)load(MADE_BINDING, binding);
	pcrs = (struct clo_pcrs){.mask = 1}; /* PCR 0 is all zero */
	return 0;
}

static const char *flaw(void)
{
	const struct clo_quote_parts parts = {attest, attest_len, signature,
					      signature_len, &pcrs};
	struct clo_quote_key key;

	assert_int_equal(clo_quote_key_parse(ak, ak_len, &key), 0);
	return clo_quote_flaw(&key, &parts, binding);
}

static void test_a_real_quote(void **state)
{
	struct clo_quote quote;

	(void)state;
	assert_null(flaw());
	assert_int_equal(clo_quote_parse(attest, attest_len, &quote), 0);
	assert_int_equal(quote.mask, 1);
	assert_memory_equal(quote.binding, binding, 32);
	binding[0] ^= 1;
	assert_string_equal(flaw(), "the quote is not of this key, boot, epoch "
				    "and nonce");
}

static void test_cut_or_longer(void **state)
{
	struct clo_quote_key key;
	struct clo_quote quote;

	(void)state;
	for (size_t n = 0; n < ak_len; n++)
		assert_int_equal(clo_quote_key_parse(ak, n, &key), -EBADMSG);
	assert_int_equal(clo_quote_key_parse(ak, ak_len + 1, &key), -EBADMSG);
	for (size_t n = 0; n < attest_len; n++)
		assert_int_equal(clo_quote_parse(attest, n, &quote), -EBADMSG);
	assert_int_equal(clo_quote_parse(attest, attest_len + 1, &quote),
			 -EBADMSG);
	for (; signature_len > 0; signature_len--)
		if (strlen(MADE_SIGNATURE) / 2 != signature_len)
			assert_non_null(flaw());
}

/* What the key may be used for decides what its signature means. */
static void test_attributes(void **state)
{
	static const uint32_t bits[] = {TPMA_RESTRICTED,
					TPMA_SIGN,
					TPMA_FIXED_TPM,
					TPMA_FIXED_PARENT,
					TPMA_SENSITIVE_DATA_ORIGIN,
					TPMA_DECRYPT};
	struct clo_quote_key key;

	(void)state;
	assert_int_equal(clo_quote_key_parse(ak, ak_len, &key), 0);
	assert_null(clo_quote_key_flaw(&key));
	for (size_t i = 0; i < CLO_ARRAY_LEN(bits); i++) {
		key.attributes ^= bits[i];
		assert_non_null(clo_quote_key_flaw(&key));
		key.attributes ^= bits[i];
	}
	ak[7] ^= 0x40; /* userWithAuth: not looked at, but another Name */
	assert_string_equal(flaw(), "the signer is no primary key of the "
				    "endorsement hierarchy");
}

/* No two inputs run together into the same. */
static void test_binding(void **state)
{
	static const struct {
		const char *der, *boot, *nonce;
		uint64_t epoch;
	} others[] = {{"a", "bc", "d", 1}, {"ab", "c", "d", 1},
		      {"abc", "", "d", 1}, {"a", "b", "cd", 1},
		      {"a", "bc", "d", 2}, {"a", "bc", "", 1}};

	uint8_t digests[CLO_ARRAY_LEN(others)][32];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(others); i++) {
		assert_int_equal(
			clo_quote_binding((const uint8_t *)others[i].der,
					  strlen(others[i].der), others[i].boot,
					  others[i].epoch, others[i].nonce,
					  digests[i]),
			0);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(digests[i], digests[j], 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(test_a_real_quote),
		TEST(test_cut_or_longer),
		TEST(test_attributes),
		TEST(test_binding),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
