/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <inttypes.h>

#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "fixture_store.h"

/*
 * A log in fixture_store.h's store whose records follow each other as
 * clo_record_audit() writes them.
 */
static char log_boot[8] = "boot-a";
static uint64_t log_sequence;
static char log_previous[CLO_SHA256_HEX];
/* What the first of a boot says of the boot before; NULL: as it is. */
static const struct clo_chain_place *log_says;
static bool log_silent; /* or it says nothing of that, as it once did not */

/* Of the record that is due. */
static inline struct clo_chain_place log_place(void)
{
	struct clo_chain_place chain = {0};

	assert_int_equal(clo_store_chain(store, log_boot, &chain), 0);
	if (log_sequence == 0 && log_says)
		chain = *log_says;
	chain.sequence = log_sequence;
	if (log_sequence > 0)
		assert_int_equal(
			clo_hex_decode(log_previous, 32, chain.previous), 0);
	return chain;
}

static inline char *log_chain(void)
{
	const struct clo_chain_place chain = log_place();
	json_auto_t *json = clo_chain_place_make(&chain);

	if (log_silent)
		(void)json_object_del(json, "previousBoot");
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

/* The statement that is due. */
static inline char *log_statement(const char *scope, time_t when)
{
	char time[21];
	CLO_AUTO_MEM char *chain = log_chain();
	char *text = NULL;

	clo_time_format(when, time);
	assert_true(
		asprintf(&text,
			 "{\"predicate\":{\"chain\":%s,\"node\":{\"bootId\":"
			 "\"%s\"},\"scope\":%s%s%s,\"time\":\"%s\",\"verdict\":"
			 "\"PASSED\"}}",
			 chain, log_boot, scope[0] ? "\"" : "",
			 scope[0] ? scope : "null", scope[0] ? "\"" : "",
			 time) > 0);
	return text;
}

/* Who the entries say that signed; NULL: the log's key. */
static const struct clo_key *log_signer;

/* A payload of the record that is due, signed and appended. */
static inline void log_append_text(const struct clo_key *key,
				   struct clo_record record, const char *text)
{
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t digest[CLO_SHA256_SIZE];

	assert_int_equal(clo_dsse_sign(key, text, strlen(text), &envelope), 0);
	assert_int_equal(clo_sha256(text, strlen(text), digest), 0);
	record.boot_id = log_boot;
	record.sequence = log_sequence;
	record.payload_digest = digest;
	record.envelope = envelope;
	record.signer = log_signer;
	assert_int_equal(clo_store_append(store, &record), 0);
	clo_hex_encode(digest, sizeof(digest), log_previous);
	log_sequence++;
}

static inline void log_append_as(const struct clo_key *key, const char *scope)
{
	time_t when = NOW + (time_t)log_sequence;
	CLO_AUTO_MEM char *text = log_statement(scope, when);
	const struct clo_record record = {
		.kind = "isolation/v1",
		.scope = scope,
		.time = when,
		.verdict = "PASSED",
	};

	log_append_text(key, record, text);
}

/* So many audits of three statements each, each one group. */
static inline void log_append(int audits)
{
	for (int i = 0; i < audits; i++) {
		assert_int_equal(clo_store_begin(store), 0);
		log_append_as(store_key, "acme/production");
		log_append_as(store_key, "acme/test");
		log_append_as(store_key, "");
		assert_int_equal(clo_store_commit(store), 0);
	}
}

static inline void log_reboot(const char *boot)
{
	(void)snprintf(log_boot, sizeof(log_boot), "%s", boot);
	log_sequence = 0;
}
