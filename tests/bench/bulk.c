/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A log as a node has it after a year: so many signed records, in groups, of
 * the node, two tenants and now and then a third, one in 100 a violation, one
 * attestation in 5000 FAILED. usage: bench_bulk LOG KEY COUNT
 */

#include <string.h>
#include <time.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/attest/statement.h"
#include "agent/attest/store.h"
#include "bench/bench.h"

#define GROUP 500
#define YEAR (365L * 86400)

static const char *const scopes[] = {
	"", "acme/production", "acme/test", "globex/production", "globex/test",
};

/* What a query reads of it; padded to a fifth of a real one. */
static size_t payload_of(const struct clo_record *record, char *text,
			 size_t size)
{
	char when[21];

	clo_time_format(record->time, when);
	return (size_t)snprintf(
		text, size,
		"{\"predicate\":{\"controls\":[{\"detail\":\"%02000d\",\"id\":"
		"\"net.default-deny\",\"result\":\"%s\"}],\"period\":60,"
		"\"sequence\":%llu,\"time\":\"%s\"}}",
		0, record->verdict[0] == 'P' ? "PASS" : "FAIL",
		(unsigned long long)record->sequence, when);
}

static void append(struct clo_store *store, const struct clo_key *key,
		   uint64_t i, time_t when)
{
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t digest[CLO_SHA256_SIZE];
	char payload[3072];
	struct clo_record record = {
		.boot_id = "7f9f7b0e-0000-4000-8000-000000000000",
		.sequence = i,
		.kind = i % 100 == 50 ? "violation/v1" : "isolation/v1",
		.scope = i % 10000 == 3 ? "rare/test" : scopes[i % 5],
		.time = when,
		.verdict = i % 5000 == 7 ? "FAILED" : "PASSED",
		.payload_digest = digest,
	};
	size_t len = payload_of(&record, payload, sizeof(payload));

	bench_check(clo_dsse_sign(key, payload, len, &envelope), "sign");
	bench_check(clo_sha256(payload, len, digest), "digest");
	record.envelope = envelope;
	bench_check(clo_store_append(store, &record), "append");
}

int main(int argc, char **argv)
{
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	time_t now = time(NULL);
	uint64_t count;

	if (argc != 4)
		return 2;
	count = strtoull(argv[3], NULL, 10);
	bench_check(clo_key_generate(argv[2]), argv[2]);
	bench_check(clo_key_load(argv[2], &key), argv[2]);
	bench_check(clo_store_open(argv[1],
				   &(const struct clo_store_signer){
					   "cloison.example/log/bench", key},
				   &store),
		    argv[1]);
	for (uint64_t i = 0; i < count; i++) {
		if (i % GROUP == 0)
			bench_check(clo_store_begin(store), "begin");
		append(store, key, i,
		       now - YEAR + (time_t)((i + 1) * YEAR / count));
		if (i % GROUP == GROUP - 1 || i == count - 1)
			bench_check(clo_store_commit(store), "commit");
	}
	return 0;
}
