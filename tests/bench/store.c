/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an audit's statements cost the log, each committed alone and all in one
 * group. Wall time: what is waited for is the disk.
 */

#include "agent/attest/store.h"

#include <unistd.h>

#include "agent/attest/dsse.h"
#include "agent/base/clock.h"
#include "bench/bench.h"
#include "fixture_key.h"

#define AUDITS 200
#define PAYLOAD 15000 /* bytes of a statement, about */

static uint64_t sequence;

static void append(struct clo_store *store, const char *envelope)
{
	static const uint8_t digest[32];
	const struct clo_record record = {
		.boot_id = "b",
		.sequence = sequence++,
		.kind = "isolation/v1",
		.scope = "",
		.time = 1767323045,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = envelope,
	};

	bench_check(clo_store_append(store, &record), "append");
}

/* As clo_record_audit() writes; milliseconds. */
static double audit(struct clo_store *store, const char *envelope,
		    unsigned statements, bool group)
{
	double began = clo_milliseconds();

	if (group)
		bench_check(clo_store_begin(store), "begin");
	for (unsigned i = 0; i < statements; i++)
		append(store, envelope);
	bench_check(clo_store_gaps_signed(store), "gaps");
	bench_check(clo_store_run_alive(store, 1767323045), "alive");
	if (group)
		bench_check(clo_store_commit(store), "commit");
	return clo_milliseconds() - began;
}

static void compare(struct clo_store *store, const char *envelope,
		    unsigned statements, size_t audits)
{
	static double samples[2][AUDITS];
	double medians[2];

	for (size_t i = 0; i < audits; i++)
		for (unsigned group = 0; group < 2; group++)
			samples[group][i] =
				audit(store, envelope, statements, group);
	for (unsigned group = 0; group < 2; group++)
		medians[group] = bench_median(samples[group], audits);
	(void)printf("%10u %12.2f %12.2f %8.1f\n", statements, medians[0],
		     medians[1], medians[0] / medians[1]);
}

/* As clo_retain() does, without its gap; how many records went. */
static uint64_t make_room(struct clo_store *store, uint64_t bytes)
{
	const struct clo_store_limits limits = {1, bytes};
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	int r;

	bench_check(clo_store_begin(store), "begin");
	r = clo_store_choose(store, &limits, &removal);
	if (r == 0)
		bench_check(clo_store_remove(store, removal), "remove");
	bench_check(clo_store_commit(store), "commit");
	return r == 0 ? removal->count : 0;
}

/* So many audits of 25 statements into a log of so many bytes. */
static void keep_to(struct clo_store *store, const char *envelope,
		    uint64_t bytes, size_t audits)
{
	const struct clo_store_limits limits = {1, bytes};
	static double samples[4 * AUDITS];
	struct clo_store_room room = {0};
	uint64_t records = 0;
	uint64_t written = 0;
	double worst = 0;
	size_t n = 0;

	for (size_t i = 0; i < audits; i++) {
		double began, took;
		uint64_t gone;

		(void)audit(store, envelope, 25, true);
		written += 25;
		began = clo_milliseconds();
		gone = make_room(store, bytes);
		took = clo_milliseconds() - began;
		records += gone;
		if (gone > 0 && n < CLO_ARRAY_LEN(samples))
			samples[n++] = took;
		worst = took > worst ? took : worst;
	}
	bench_check(clo_store_measure(store, &limits, &room), "measure");
	(void)printf("budget %.1f MiB: %zu records written, %zu removed in %zu "
		     "steps of %.2f ms (median), %.2f at most; file %.1f MiB\n",
		     (double)bytes / 1048576, (size_t)written, (size_t)records,
		     n, n ? bench_median(samples, n) : 0, worst,
		     (double)room.size / 1048576);
}

/* /var/tmp: /tmp may be memory. */
int main(int argc, char *argv[])
{
	static const unsigned statements[] = {1, 3, 7, 25};
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	size_t audits =
		argc > 1 && strcmp(argv[1], "--quick") == 0 ? 3 : AUDITS;
	CLO_AUTO(clo_key) struct clo_key *key = fixture_key(FIXTURE_KEY_1);
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	const struct clo_store_signer signer = {"log.example/1", key};
	CLO_AUTO_MEM char *envelope = NULL;
	static char payload[PAYLOAD];
	char path[] = "/var/tmp/clo-bench-XXXXXX";
	struct clo_gap gap;

	memset(payload, 'x', sizeof(payload));
	bench_check(close(mkstemp(path)), path);
	bench_check(clo_dsse_sign(key, payload, sizeof(payload), &envelope),
		    "sign");
	bench_check(clo_store_open(path, &signer, &store), "open");
	bench_check(clo_store_run_begin(store, "b", 1767323045, &gap), "run");
	(void)puts("statements   each, ms   group, ms    times");
	for (size_t i = 0; i < CLO_ARRAY_LEN(statements); i++)
		compare(store, envelope, statements[i], audits);
	keep_to(store, envelope, UINT64_C(384) << 20, 4 * audits);

	for (size_t i = 0; i < CLO_ARRAY_LEN(suffixes); i++) {
		char file[64];

		(void)snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		(void)unlink(file);
	}
	return 0;
}
