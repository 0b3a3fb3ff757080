/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/attest/dsse.h"
#include "agent/attest/store.h"
#include "check.h"
#include "fixture_key.h"

#define NOW 1767323045 /* 2026-01-02T03:04:05Z */

/* A store of its own, in a directory of its own, for every test. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static char dir[32];
static char path[64];
static struct clo_store *store;
static struct clo_key *store_key;
static struct clo_store_signer signer = {.origin = "log.example/1"};

/* An envelope that nobody signed, of a payload in base64. */
#define ENVELOPE(payload64)                                                    \
	"{\"payload\":\"" payload64 "\",\"payloadType\":\"" CLO_DSSE_TYPE      \
	"\",\"signatures\":[{\"sig\":\""                                       \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"     \
	"AAAAAAAAAAAAAAAAAAAAAA==\"}]}"

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/log.db", dir);
	store_key = fixture_key(FIXTURE_KEY_1);
	signer.key = store_key;
	return clo_store_open(path, &signer, &store);
}

/* Close it, and leave the file alone, as an auditor is handed it. */
__attribute__((unused)) static void hand_over(void)
{
	char file[80];

	clo_store_free(store);
	store = NULL;
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(file, sizeof(file), "%s%s", path,
			       i ? "-wal" : "-shm");
		(void)unlink(file); /* close has emptied it into the log */
	}
}

static int tear_down(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

	(void)state;
	clo_store_free(store);
	store = NULL;
	clo_key_free(store_key);
	for (size_t i = 0; i < CLO_ARRAY_LEN(suffixes); i++) {
		char file[80];

		(void)snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		(void)unlink(file);
	}
	return rmdir(dir);
}

static inline void reopen(void)
{
	clo_store_free(store);
	store = NULL;
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
}
