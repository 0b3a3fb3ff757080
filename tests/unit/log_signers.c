/* SPDX-License-Identifier: Apache-2.0 */

/* The log of a node with a TPM: who may sign what in it. */
#include "agent/attest/log_signers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/inclusion.h"
#include "agent/attest/log.h"

/* Both fixtures are set up. */
#define set_up tpm_set_up
#define tear_down tpm_tear_down
#define dir tpm_dir
#include "fixture_tpm.h"
#undef set_up
#undef tear_down
#undef dir
#include "fixture_log.h"

static struct clo_key *key_2, *key_3; /* of starts */

/* What vouches for a key in this boot, in a log of `log_key`. */
static void append_record(const struct clo_key *key,
			  const struct clo_key *log_key)
{
	uint8_t der[CLO_KEY_DER_SIZE], binding[32];
	const struct clo_chain_place chain = log_place();
	const struct clo_record record = {.kind = "node-key/v1",
					  .scope = CLO_NODE_KEY_SCOPE,
					  .time = NOW,
					  .verdict = ""};
	struct clo_tpm_quote quote;
	struct clo_quote_parts quoted;
	CLO_AUTO_MEM char *text = NULL;

	assert_int_equal(clo_key_public_der(key, der), 0);
	assert_int_equal(
		clo_quote_binding(der, sizeof(der), log_boot, 0, "", binding),
		0);
	assert_int_equal(clo_tpm_quote(tpm, binding, 1, &quote), 0);
	quoted = (struct clo_quote_parts){quote.attest, quote.attest_len,
					  quote.signature, quote.signature_len,
					  &quote.pcrs};
	assert_int_equal(clo_node_key_make(
				 &(const struct clo_node_key_parts){
					 .node = "n1",
					 .boot_id = log_boot,
					 .time = NOW,
					 .chain = &chain,
					 .key = key,
					 .log_key = log_key,
					 .ak = identity.ak,
					 .ak_len = identity.ak_len,
					 .ek = identity.ek,
					 .ek_len = identity.ek_len,
					 .quote = &quoted,
				 },
				 &text),
			 0);
	log_signer = key;
	log_append_text(key, record, text);
}

static void append_by(const struct clo_key *key)
{
	log_signer = key;
	log_append_as(key, "");
}

/* Two starts in one boot, one in the next. */
static int begin(void **state)
{
	if (set_up(state) < 0 || tpm_set_up(state) < 0 ||
	    clo_tpm_identity(tpm, &identity) < 0)
		return -1;
	key_2 = fixture_key(FIXTURE_KEY_2);
	key_3 = fixture_key(FIXTURE_KEY_3);
	log_reboot("boot-a");
	append_record(key_2, store_key);
	append_by(key_2);
	append_record(key_3, store_key);
	append_by(key_3);
	log_reboot("boot-b");
	append_record(key_2, store_key);
	append_by(key_2);
	return 0;
}

static int end(void **state)
{
	clo_key_free(key_2);
	clo_key_free(key_3);
	log_signer = NULL;
	return tpm_tear_down(state) | tear_down(state);
}

static struct clo_log_result verify_with(struct clo_key *key)
{
	CLO_AUTO(clo_store) struct clo_store *log = NULL;
	const struct clo_log_options options = {.keys = &key,
						.n_keys = key ? 1 : 0};
	struct clo_log_result result;

	assert_int_equal(clo_store_open_read(path, &log), 0);
	clo_log_verify(log, &options, &result);
	return result;
}

static void assert_whole(void)
{
	struct clo_key *const keys[] = {store_key, NULL};

	for (size_t i = 0; i < CLO_ARRAY_LEN(keys); i++) {
		struct clo_log_result result = verify_with(keys[i]);

		if (result.exit != CLO_VERIFY_PASSED)
			fail_msg("%zu: %s", i, result.reason);
	}
}

static void assert_found_with(struct clo_key *key, const char *what)
{
	struct clo_log_result result = verify_with(key);

	assert_int_equal(result.exit, CLO_VERIFY_NOT_AUTHENTIC);
	if (!strstr(result.reason, what))
		fail_msg("\"%s\" is not in \"%s\"", what, result.reason);
}

/* By the key that was kept and by those that the log names. */
static void assert_found(const char *with_key, const char *without)
{
	assert_found_with(store_key, with_key);
	assert_found_with(NULL, without);
}

static void test_a_whole_log(void **state)
{
	CLO_AUTO(clo_key) struct clo_key *own = NULL;
	CLO_AUTO(clo_inclusion) struct clo_inclusion *proved = NULL;
	char id[65], log_id[65];

	(void)state;
	assert_whole();
	assert_int_equal(verify_with(key_2).exit, CLO_VERIFY_NOT_AUTHENTIC);
	assert_int_equal(clo_log_own_key(store, &own), 0);
	assert_true(clo_key_equal(own, store_key));

	/* the entry names the start's key, the proof that of the log */
	assert_int_equal(clo_inclusion_new(store, 1, &proved), 0);
	assert_int_equal(clo_key_id(store_key, id), 0);
	clo_hex_encode(proved->log_id, 32, log_id);
	assert_string_equal(log_id, id);

	/* the TPM is not used any more */
	append_by(store_key);
	assert_whole();
}

static void test_a_stranger(void **state)
{
	(void)state;
	append_by(key_3);
	assert_found("entry 6 (boot-b.2): its record is not the one that was "
		     "logged, or of a key that nobody vouches for",
		     "entry 6: nobody vouches for its key");
}

/* In one group with a statement that is sound, before it or after it. */
static void test_a_stranger_among_others(void **state)
{
	(void)state;
	assert_int_equal(clo_store_begin(store), 0);
	append_by(key_2);
	append_by(key_3);
	assert_int_equal(clo_store_commit(store), 0);
	assert_found("entry 7 (boot-b.3)",
		     "entry 7 (boot-b.3): nobody vouches for its key");
}

static void test_of_another_boot(void **state)
{
	(void)state;
	log_reboot("boot-c");
	append_by(key_2);
	assert_found("entry 6 (boot-c.0): its record is not the one",
		     "entry 6: nobody vouches for its key");
}

static void test_a_record_after_the_fact(void **state)
{
	(void)state;
	assert_int_equal(clo_store_begin(store), 0);
	append_by(key_3);
	append_record(key_3, store_key);
	assert_int_equal(clo_store_commit(store), 0);
	assert_found("entry 6 (boot-b.2): its record is not the one",
		     "entry 7 (boot-b.3): nobody vouches");
}

static void test_a_record_of_another_log(void **state)
{
	(void)state;
	append_record(key_3, key_2);
	assert_found("entry 6 (boot-b.2): it vouches for a key in the log of "
		     "another key",
		     "entry 6: nobody vouches for its key");
}

static void test_a_record_of_no_log(void **state)
{
	(void)state;
	append_record(key_3, NULL);
	assert_found("entry 6 (boot-b.2): it vouches for a key in the log of",
		     "entry 6 (boot-b.2): it vouches for a key in the log of");
}

/* A statement under the kind of a record, and a record by another key. */
static void test_what_is_no_record(void **state)
{
	const struct clo_record record = {.kind = "node-key/v1",
					  .scope = CLO_NODE_KEY_SCOPE,
					  .time = NOW,
					  .verdict = ""};

	(void)state;
	log_signer = NULL;
	log_append_text(store_key, record, "{}");
	assert_found("entry 6 (boot-b.2): it is no sound node-key record",
		     "entry 6 (boot-b.2): it is no sound node-key record");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(test_a_whole_log),
		TEST(test_a_stranger),
		TEST(test_a_stranger_among_others),
		TEST(test_of_another_boot),
		TEST(test_a_record_after_the_fact),
		TEST(test_a_record_of_another_log),
		TEST(test_a_record_of_no_log),
		TEST(test_what_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
