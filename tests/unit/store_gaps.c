/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/attest/store.h"
#include "check.h"
#include "fixture_store.h"

static struct clo_gap begin(const char *boot, time_t now)
{
	struct clo_gap gap = {.id = -1};

	assert_int_equal(clo_store_run_begin(store, boot, now, &gap), 0);
	return gap;
}

/* The gaps that a statement would carry now. */
static size_t list(struct clo_gap *ret_gaps, size_t room)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	size_t n;

	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_true(n <= room);
	memcpy(ret_gaps, gaps, n * sizeof(*gaps));
	return n;
}

static void test_an_orderly_stop_is_a_gap_too(void **state)
{
	struct clo_gap gaps[4];
	struct clo_gap gap;

	(void)state;
	assert_int_equal(begin("b", NOW).from, 0);
	assert_int_equal(clo_store_run_alive(store, NOW + 5), 0);
	assert_int_equal(clo_store_run_end(store, NOW + 9), 0);
	reopen();
	gap = begin("b", NOW + 100);
	assert_int_equal(gap.from, NOW + 9);
	assert_int_equal(gap.to, NOW + 100);
	assert_string_equal(gap.reason, "agent was stopped");
	assert_int_equal(list(gaps, 4), 1);
}

static void test_a_broken_run_leaves_one_gap(void **state)
{
	struct clo_gap gaps[4];
	struct clo_gap gap;

	(void)state;
	(void)begin("b", NOW);
	assert_int_equal(clo_store_run_alive(store, NOW + 5), 0);
	assert_int_equal(clo_store_run_alive(store, NOW + 3), 0);
	reopen();
	gap = begin("b", NOW + 60);
	assert_int_equal(gap.from, NOW + 5);
	assert_int_equal(gap.to, NOW + 60);
	assert_string_equal(gap.reason, "agent ended without notice");
	assert_int_equal(list(gaps, 4), 1);
	assert_int_equal(gaps[0].id, gap.id);
	assert_int_equal(gaps[0].from, NOW + 5);
	assert_int_equal(gaps[0].to, NOW + 60);

	/* Only the last run counts: the next begin tells of no old one. */
	assert_int_equal(clo_store_run_end(store, NOW + 70), 0);
	assert_int_equal(begin("c", NOW + 80).from, NOW + 70);
	reopen();
	assert_string_equal(begin("d", NOW + 90).reason,
			    "node ended without notice");
	assert_int_equal(list(gaps, 4), 3);
}

static void test_a_clock_set_back(void **state)
{
	struct clo_gap gap;

	(void)state;
	(void)begin("b", NOW);
	gap = begin("b", NOW - 1000);
	assert_int_equal(gap.from, NOW - 1000);
	assert_int_equal(gap.to, NOW - 1000);
}

static void test_only_a_run_is_alive(void **state)
{
	struct clo_gap gap;

	(void)state;
	assert_int_equal(clo_store_run_alive(store, NOW), -ENOENT);
	assert_int_equal(clo_store_run_end(store, NOW), -ENOENT);
	(void)begin("b", NOW);
	assert_int_equal(clo_store_run_end(store, NOW), 0);
	assert_int_equal(clo_store_run_alive(store, NOW), -ENOENT);
	assert_int_equal(clo_store_run_begin(store, "b", 0, &gap), -EINVAL);
}

static void test_gaps_open_and_close(void **state)
{
	struct clo_gap gaps[4];
	int64_t id = 0;

	(void)state;
	assert_int_equal(clo_store_gap_open(store, NOW, "guard lost", &id), 0);
	assert_int_equal(list(gaps, 4), 1);
	assert_int_equal(gaps[0].id, id);
	assert_int_equal(gaps[0].to, 0);
	assert_string_equal(gaps[0].reason, "guard lost");

	/* An open gap is given again and again, until it was signed as new. */
	assert_false(gaps[0].told);
	assert_int_equal(list(gaps, 4), 1);
	assert_false(gaps[0].told);
	assert_int_equal(clo_store_gaps_signed(store), 0);
	assert_int_equal(list(gaps, 4), 1);
	assert_true(gaps[0].told);

	assert_int_equal(clo_store_gap_close(store, id, NOW + 4), 0);
	assert_int_equal(clo_store_gap_close(store, id, NOW + 9), -ENOENT);
	assert_int_equal(clo_store_gap_close(store, id + 1, NOW), -ENOENT);
	/* It closed after the last list: no statement has told that yet. */
	assert_int_equal(clo_store_gaps_signed(store), 0);
	assert_int_equal(list(gaps, 4), 1);
	assert_int_equal(gaps[0].to, NOW + 4);
	/* Not signed yet: told again, also after a restart. */
	reopen();
	assert_int_equal(list(gaps, 4), 1);
	assert_int_equal(clo_store_gaps_signed(store), 0);
	assert_int_equal(list(gaps, 4), 0);
}

static void test_reasons_are_bounded(void **state)
{
	char reason[65];
	int64_t id = 0;

	(void)state;
	memset(reason, 'x', 64);
	reason[64] = '\0';
	assert_int_equal(clo_store_gap_open(store, NOW, reason, &id), -EINVAL);
	reason[63] = '\0';
	assert_int_equal(clo_store_gap_open(store, NOW, reason, &id), 0);
	assert_int_equal(clo_store_gap_open(store, 0, "x", &id), -EINVAL);
}

static void test_a_new_run_closes_what_was_open(void **state)
{
	struct clo_gap gaps[4];
	int64_t id;

	(void)state;
	(void)begin("b", NOW);
	assert_int_equal(clo_store_gap_open(store, NOW + 1, "libvirt", &id), 0);
	reopen();
	(void)begin("b", NOW + 50);
	assert_int_equal(list(gaps, 4), 2);
	assert_int_equal(gaps[0].id, id);
	assert_int_equal(gaps[0].to, NOW + 50);
	assert_int_equal(gaps[1].from, NOW);
}

static void test_open_gaps_come_first(void **state)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	int64_t id = 0;
	size_t n;

	(void)state;
	for (int i = 0; i < CLO_STORE_GAPS_MAX + 1; i++) {
		assert_int_equal(clo_store_gap_open(store, NOW, "x", &id), 0);
		assert_int_equal(clo_store_gap_close(store, id, NOW + 1), 0);
	}
	assert_int_equal(clo_store_gap_open(store, NOW, "open", &id), 0);
	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_int_equal(n, CLO_STORE_GAPS_MAX);
	assert_int_equal(gaps[0].id, id);
	/* What found no room comes with the next statement. */
	assert_int_equal(clo_store_gaps_signed(store), 0);
	free(CLO_TAKE(gaps));
	assert_int_equal(clo_store_gaps(store, &gaps, &n), 0);
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_orderly_stop_is_a_gap_too),
		TEST(test_a_broken_run_leaves_one_gap),
		TEST(test_a_clock_set_back),
		TEST(test_only_a_run_is_alive),
		TEST(test_gaps_open_and_close),
		TEST(test_reasons_are_bounded),
		TEST(test_a_new_run_closes_what_was_open),
		TEST(test_open_gaps_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
