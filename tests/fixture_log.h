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

/* The statement that is due. */
static inline char *log_statement(const char *scope, time_t when)
{
	char time[21];
	char *text = NULL;
	bool first = log_sequence == 0;

	clo_time_format(when, time);
	assert_true(
		asprintf(&text,
			 "{\"predicate\":{\"chain\":{\"previous\":%s%s%s,"
			 "\"sequence\":%" PRIu64 "},\"node\":{\"bootId\":"
			 "\"%s\"},\"scope\":%s%s%s,\"time\":\"%s\",\"verdict\":"
			 "\"PASSED\"}}",
			 first ? "" : "\"", first ? "null" : log_previous,
			 first ? "" : "\"", log_sequence, log_boot,
			 scope[0] ? "\"" : "", scope[0] ? scope : "null",
			 scope[0] ? "\"" : "", time) > 0);
	return text;
}

static inline void log_append_as(const struct clo_key *key, const char *scope)
{
	time_t when = NOW + (time_t)log_sequence;
	CLO_AUTO_MEM char *text = log_statement(scope, when);
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	const struct clo_record record = {
		.boot_id = log_boot,
		.sequence = log_sequence,
		.kind = "isolation/v1",
		.scope = scope,
		.time = when,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = NULL,
	};
	struct clo_record signed_record = record;

	assert_int_equal(clo_dsse_sign(key, text, strlen(text), &envelope), 0);
	assert_int_equal(clo_sha256(text, strlen(text), digest), 0);
	signed_record.envelope = envelope;
	assert_int_equal(clo_store_append(store, &signed_record), 0);
	clo_hex_encode(digest, sizeof(digest), log_previous);
	log_sequence++;
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
