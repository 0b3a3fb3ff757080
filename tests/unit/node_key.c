/* SPDX-License-Identifier: Apache-2.0 */

/* From an attestation key in a trust store to statements, by its record. */
#include "agent/attest/node_key.h"

#include <errno.h>

#include "agent/attest/dsse.h"
#include "agent/attest/quote_json.h"
#include "agent/attest/statement.h"
#include "agent/attest/verify.h"
#include "fixture_key.h"
#include "fixture_tpm.h"

#define BOOT "b1"
#define NOW 1767323045 /* 2026-01-02T03:04:05Z */

static struct clo_key *key, *log_key;
static struct clo_tpm_quote quote;

static json_t *quote_now(uint64_t epoch, const char *nonce)
{
	uint8_t der[CLO_KEY_DER_SIZE], binding[32];

	assert_int_equal(clo_key_public_der(key, der), 0);
	assert_int_equal(clo_quote_binding(der, sizeof(der), BOOT, epoch, nonce,
					   binding),
			 0);
	assert_int_equal(clo_tpm_quote(tpm, binding, 1, &quote), 0);
	return clo_quote_to_json(&(const struct clo_quote_parts){
		quote.attest, quote.attest_len, quote.signature,
		quote.signature_len, &quote.pcrs});
}

/* The record of this key, as text of its payload; caller frees. */
static char *make_text(void)
{
	const struct clo_chain_place first = {0};
	struct clo_quote_parts quoted;
	struct clo_node_key_parts parts = {
		.node = "n1",
		.boot_id = BOOT,
		.time = NOW,
		.chain = &first,
		.key = key,
		.log_key = log_key,
		.ak = identity.ak,
		.ak_len = identity.ak_len,
		.ek = identity.ek,
		.ek_len = identity.ek_len,
		.quote = &quoted,
	};
	char *text = NULL;

	json_decref(quote_now(0, ""));
	quoted = (struct clo_quote_parts){quote.attest, quote.attest_len,
					  quote.signature, quote.signature_len,
					  &quote.pcrs};
	assert_int_equal(clo_node_key_make(&parts, &text), 0);
	return text;
}

static char *sign(const char *text)
{
	char *envelope = NULL;

	assert_int_equal(clo_dsse_sign(key, text, strlen(text), &envelope), 0);
	return envelope;
}

static int begin(void **state)
{
	if (set_up(state) < 0)
		return -1;
	key = fixture_key(FIXTURE_KEY_1);
	log_key = fixture_key(FIXTURE_KEY_2);
	return clo_tpm_identity(tpm, &identity);
}

static int end(void **state)
{
	clo_key_free(key);
	clo_key_free(log_key);
	return tear_down(state);
}

static int open_text(const char *text, struct clo_node_key **ret_node_key)
{
	CLO_AUTO_MEM char *envelope = sign(text);
	const char *reason;

	return clo_node_key_open(envelope, strlen(envelope), ret_node_key,
				 &reason);
}

static void test_a_record(void **state)
{
	CLO_AUTO(clo_node_key) struct clo_node_key *record = NULL;
	CLO_AUTO_MEM char *text = make_text();
	json_auto_t *later = NULL;
	char id[65];

	(void)state;
	assert_int_equal(open_text(text, &record), 0);
	assert_int_equal(clo_key_id(key, id), 0);
	assert_string_equal(record->id, id);
	assert_string_equal(record->boot_id, BOOT);
	assert_int_equal(record->time, NOW);
	assert_true(clo_key_equal(record->log_key, log_key));
	assert_false(clo_key_equal(record->log_key, record->key));

	later = quote_now(7, "c0ffee");
	assert_null(clo_node_key_quote_flaw(record, later, 7, "c0ffee"));
	assert_non_null(clo_node_key_quote_flaw(record, later, 8, "c0ffee"));
	assert_non_null(clo_node_key_quote_flaw(record, later, 7, ""));
	assert_non_null(clo_node_key_quote_flaw(record, NULL, 7, "c0ffee"));
}

/* Each changed after the TPM signed, and signed again by the same key. */
static void test_other_than_quoted(void **state)
{
	static const struct {
		const char *from, *to;
		int r;
	} changes[] = {
		{"\"bootId\":\"b1\"", "\"bootId\":\"b2\"", -EBADMSG},
		{"\"ak\":\"0023", "\"ak\":\"0001", -EBADMSG},
		{"\"attest\":\"ff", "\"attest\":\"fe", -EBADMSG},
		{"\"pcrs\":{\"0\":\"0", "\"pcrs\":{\"0\":\"1", -EBADMSG},
		{"\"pcrs\":{\"0\"", "\"pcrs\":{\"x\"", -EBADMSG},
		{"node-key/v1", "node-kex/v1", -ENOMSG},
		{"BEGIN PUBLIC", "BEGIN PRIVAT", -EBADMSG},
		{"\"logKey\":\"--", "\"logKey\":\"++", -EBADMSG},
	};

	CLO_AUTO_MEM char *text = make_text();

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(changes); i++) {
		CLO_AUTO_MEM char *changed = strdup(text);
		struct clo_node_key *record = NULL;
		char *at = strstr(changed, changes[i].from);

		assert_non_null(at);
		memcpy(at, changes[i].to, strlen(changes[i].to));
		assert_int_equal(open_text(changed, &record), changes[i].r);
		assert_null(record);
	}
}

/* A key that the TPM did not quote brings the record of one that it did. */
static void test_of_another_key(void **state)
{
	CLO_AUTO_MEM char *text = make_text();
	CLO_AUTO_MEM char *envelope = NULL;
	struct clo_node_key *record = NULL;
	struct clo_key *other = fixture_key(FIXTURE_KEY_2);
	const char *reason;

	(void)state;
	assert_int_equal(clo_dsse_sign(other, text, strlen(text), &envelope),
			 0);
	assert_int_equal(
		clo_node_key_open(envelope, strlen(envelope), &record, &reason),
		-EBADMSG);
	clo_key_free(other);
}

static struct clo_trust *trust_in(const char *ak_id, const char *revoked)
{
	json_auto_t *root =
		json_pack("{s:s, s:s, s:[{s:s, s:[s], s:s, s:s+, s:s*}]}",
			  "apiVersion", "cloison/v1", "kind", "TrustStore",
			  "keys", "name", "k", "roles", "attest", "node", "n1",
			  "ak", "000b", ak_id, "revoked", revoked);
	CLO_AUTO_MEM char *text = json_dumps(root, 0);
	struct clo_trust *trust = NULL;
	char reason[200];

	assert_int_equal(clo_trust_parse(text, strlen(text), &trust, reason),
			 0);
	return trust;
}

static enum clo_verify_exit judge(const struct clo_trust *trust,
				  const char *text)
{
	const struct clo_verify_options options = {.now = NOW, .max_age = -1};
	CLO_AUTO_MEM char *envelope = sign(text);
	struct clo_verify_result result;

	clo_verify_trusted(trust, envelope, strlen(envelope), &options,
			   &result);
	clo_verify_result_done(&result);
	return result.exit;
}

static void test_trust(void **state)
{
	CLO_AUTO_MEM char *text = make_text();
	CLO_AUTO(clo_node_key) struct clo_node_key *record = NULL;
	CLO_AUTO(clo_trust)
	struct clo_trust *good = NULL, *old = NULL, *other = NULL;

	(void)state;
	assert_int_equal(open_text(text, &record), 0);
	good = trust_in(record->ak_id, "2100-01-01T00:00:00Z");
	old = trust_in(record->ak_id, "2026-01-01T00:00:00Z");
	other = trust_in(record->id, NULL);
	assert_int_equal(judge(good, text), CLO_VERIFY_PASSED);
	assert_int_equal(judge(old, text), CLO_VERIFY_NOT_AUTHENTIC);
	assert_int_equal(judge(other, text), CLO_VERIFY_NOT_AUTHENTIC);
	/* an envelope may name what is no key to check signatures with */
	assert_null(clo_trust_find(good, record->ak_id, CLO_TRUST_ATTEST));
	assert_non_null(clo_trust_find_ak(good, record->ak_id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(test_a_record),
		TEST(test_other_than_quoted),
		TEST(test_of_another_key),
		TEST(test_trust),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
