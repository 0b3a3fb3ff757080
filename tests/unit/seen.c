/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/core/reserve.h"
#include "check.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char dir[32];
static char path[64];
static struct clo_seen seen;

static int begin(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-seen-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/bundle.json", dir);
	return clo_seen_load(dir, &seen); /* none yet */
}

static int end(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)clo_reserve_drop(dir);
	return rmdir(dir);
}

static void reload(void)
{
	struct clo_seen again;

	assert_int_equal(clo_seen_save(&seen, dir), 0);
	assert_int_equal(clo_seen_load(dir, &again), 0);
	assert_memory_equal(&again, &seen, sizeof(seen));
}

static void test_only_upwards(void **state)
{
	(void)state;
	assert_int_equal(clo_seen_as(&seen, 1, A), CLO_SEEN_NEW);
	clo_seen_begin(&seen, 5, A);
	reload(); /* killed in the middle */
	assert_int_equal(clo_seen_as(&seen, 5, A), CLO_SEEN_AGAIN);
	assert_int_equal(clo_seen_as(&seen, 5, B), CLO_SEEN_OLD);
	assert_int_equal(clo_seen_as(&seen, 4, A), CLO_SEEN_OLD);
	assert_int_equal(clo_seen_as(&seen, 6, A), CLO_SEEN_NEW);
	for (int i = 0; i < CLO_OUTCOMES; i++) {
		seen.outcome = (enum clo_outcome)i;
		reload();
		assert_int_equal(clo_seen_as(&seen, 5, A),
				 i == CLO_OUTCOME_FAILED ? CLO_SEEN_AGAIN
							 : CLO_SEEN_DECIDED);
	}
	seen.in_force = 5;
	strcpy(seen.in_force_digest, A);
	strcpy(seen.reason, "because");
	reload();
}

/* Each once, some of them, until a higher revision comes. */
static void test_told_once(void **state)
{
	char digest[65];

	(void)state;
	assert_true(clo_seen_tell(&seen, A));
	assert_false(clo_seen_tell(&seen, A));
	reload();
	assert_false(clo_seen_tell(&seen, A));
	for (int i = 1; i < CLO_SEEN_TOLD_MAX; i++) {
		(void)snprintf(digest, sizeof(digest), "%064x", i);
		assert_true(clo_seen_tell(&seen, digest));
	}
	assert_false(clo_seen_tell(&seen, B));
	reload();
	clo_seen_begin(&seen, 1, B);
	assert_true(clo_seen_tell(&seen, A));
	clo_seen_begin(&seen, 1, B); /* again */
	assert_false(clo_seen_tell(&seen, A));
}

/* What is not whole says nothing, least of all that none was seen. */
static void test_damaged(void **state)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;

	(void)state;
	clo_seen_begin(&seen, 5, A);
	assert_true(clo_seen_tell(&seen, B));
	reload();
	assert_int_equal(clo_file_read(path, 8192, &text, &len), 0);
	for (size_t i = 0; i < len - 1; i++) {
		struct clo_seen none = {.revision = 99};

		assert_int_equal(clo_file_write(path, text, i), 0);
		assert_int_equal(clo_seen_load(dir, &none), -EBADMSG);
		assert_int_equal(none.revision, 99);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_upwards),
		TEST(test_told_once),
		TEST(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
