/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Appends records to a node's log as the daemon does, one signed statement
 * each. usage: fill LOG KEY BOOT COUNT
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/attest/store.h"

static int append(struct clo_store *store, const struct clo_key *key,
		  const char *boot)
{
	CLO_AUTO_MEM char *envelope = NULL;
	uint8_t previous[32], digest[32];
	char payload[128];
	uint64_t next;
	int r;

	r = clo_store_head(store, boot, &next, previous);
	if (r < 0)
		return r;
	(void)snprintf(payload, sizeof(payload), "{\"sequence\":%llu}",
		       (unsigned long long)next);
	r = clo_dsse_sign(key, payload, strlen(payload), &envelope);
	if (r == 0)
		r = clo_sha256(payload, strlen(payload), digest);
	if (r < 0)
		return r;
	return clo_store_append(
		store,
		&(const struct clo_record){
			.boot_id = boot,
			.sequence = next,
			.kind = next % 7 ? "isolation/v1" : "violation/v1",
			.scope = next % 3 ? "acme/test" : "",
			.time = time(NULL),
			.verdict = "PASSED",
			.payload_digest = digest,
			.envelope = envelope,
		});
}

int main(int argc, char **argv)
{
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	int r;

	if (argc != 5)
		return 2;
	r = clo_key_load(argv[2], &key);
	if (r < 0)
		r = clo_key_generate(argv[2]);
	if (r == 0 && !key)
		r = clo_key_load(argv[2], &key);
	if (r == 0)
		r = clo_store_open(argv[1],
				   &(const struct clo_store_signer){
					   "cloison.example/log/test", key},
				   &store);
	for (long n = strtol(argv[4], NULL, 10); r == 0 && n > 0; n--)
		r = append(store, key, argv[3]);
	if (r < 0)
		(void)fprintf(stderr, "fill: %s\n", strerrordesc_np(-r));
	return r < 0;
}
