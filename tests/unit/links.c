/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/links.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static char reason[200];

/* Sequences of boot "b" in the order of the text, each rightly linked. */
static struct clo_links *chain(const char *order)
{
	struct clo_links *links = NULL;

	assert_int_equal(clo_links_new(&links), 0);
	for (; *order; order++) {
		uint8_t digest[32] = {(uint8_t)(*order - '0' + 1)};
		struct clo_chain_place place = {
			.sequence = (uint64_t)(*order - '0'),
			.previous = {(uint8_t)(*order - '0')},
		};
		struct clo_link_of of = {
			.node = "n",
			.boot = "b",
			.chain = &place,
			.digest = digest,
		};

		assert_int_equal(clo_links_add(links, &of), 0);
	}
	return links;
}

static void add(struct clo_links *links, const char *boot, uint64_t sequence,
		uint8_t previous, uint8_t digest)
{
	const struct clo_chain_place place = {.sequence = sequence,
					      .previous = {previous}};
	uint8_t own[32] = {digest};
	struct clo_link_of of = {"n", boot, &place, own};

	assert_int_equal(clo_links_add(links, &of), 0);
}

/* The first of boot "c": after that one of boot "b". */
static void add_boot(struct clo_links *links, uint64_t last, uint8_t digest)
{
	const struct clo_chain_place place = {
		.boot_id = "b", .boot_sequence = last, .boot_digest = {digest}};
	uint8_t own[32] = {200};
	struct clo_link_of of = {"n", "c", &place, own};

	assert_int_equal(clo_links_add(links, &of), 0);
}

static int checked(struct clo_links *links)
{
	int r = clo_links_check(links, reason);

	clo_links_free(links);
	return r;
}

static void test_whole(void **state)
{
	struct clo_links *two = chain("0123");

	(void)state;
	assert_int_equal(checked(chain("0")), 0);
	assert_int_equal(checked(chain("0123456789")), 0);
	assert_int_equal(checked(chain("3120")), 0);
	assert_int_equal(checked(chain("01210")), 0); /* the same again */
	add(two, "c", 0, 0, 77);
	add(two, "c", 1, 77, 78);
	assert_int_equal(checked(two), 0);
}

static void test_missing(void **state)
{
	struct clo_links *two = chain("012");

	(void)state;
	assert_int_equal(checked(chain("")), -ENOENT);
	assert_int_equal(checked(chain("1234")), -ENOENT);
	assert_string_equal(reason, "n b: sequence 0 is missing");
	assert_int_equal(checked(chain("0124")), -ENOENT);
	assert_string_equal(reason, "n b: sequence 3 is missing");
	add(two, "c", 1, 7, 8);
	assert_int_equal(checked(two), -ENOENT);
	assert_string_equal(reason, "n c: sequence 0 is missing");
}

static void test_contradictions(void **state)
{
	struct clo_links *links = chain("012");

	(void)state;
	add(links, "b", 2, 2, 99); /* two of one sequence */
	assert_int_equal(checked(links), -EBADMSG);
	assert_string_equal(reason,
			    "n b: sequence 2 stands for two statements");

	links = chain("012");
	add(links, "b", 3, 55, 99); /* follows something else */
	assert_int_equal(checked(links), -EBADMSG);

	links = chain("012");
	add(links, "b", 3, 0, 99); /* says that it is the first */
	assert_int_equal(checked(links), -EBADMSG);

	links = chain("013"); /* a hole is no excuse */
	add(links, "b", 4, 55, 99);
	assert_int_equal(checked(links), -EBADMSG);
}

/* As far as both are given. */
static void test_boots_follow_each_other(void **state)
{
	struct clo_links *links = chain("");

	(void)state;
	add_boot(links, 3, 4);
	assert_int_equal(checked(links), 0);

	links = chain("0123");
	add_boot(links, 3, 4);
	assert_int_equal(checked(links), 0);

	links = chain("012"); /* its tail is gone */
	add_boot(links, 3, 4);
	assert_int_equal(checked(links), -ENOENT);
	assert_string_equal(reason, "n b: sequence 3 is missing");

	links = chain("0123"); /* or another */
	add_boot(links, 3, 9);
	assert_int_equal(checked(links), -EBADMSG);
	assert_string_equal(reason, "n b: sequence 3 is not the last, by the "
				    "boot after it");

	links = chain("0123"); /* or longer than it was */
	add_boot(links, 2, 3);
	assert_int_equal(checked(links), -EBADMSG);
}

static void without(struct clo_links *links, const char *boot,
		    uint64_t sequence, uint64_t count)
{
	struct clo_removed removed = {.sequence = sequence, .count = count};

	(void)snprintf(removed.boot_id, sizeof(removed.boot_id), "%s", boot);
	assert_int_equal(clo_links_remove(links, "n", &removed), 0);
}

/* What a signed gap tells of need not be there; nothing beside it. */
static void test_removed(void **state)
{
	struct clo_links *links = chain("0569");

	(void)state;
	without(links, "b", 3, 2);
	without(links, "b", 7, 2);
	without(links, "b", 1, 2);
	assert_int_equal(checked(links), 0);

	links = chain("0569");
	without(links, "b", 7, 2);
	without(links, "b", 1, 3);
	assert_int_equal(checked(links), -ENOENT);
	assert_string_equal(reason, "n b: sequence 4 is missing");

	links = chain("0569"); /* of another boot */
	without(links, "b", 7, 2);
	without(links, "c", 1, 4);
	assert_int_equal(checked(links), -ENOENT);
	assert_string_equal(reason, "n b: sequence 1 is missing");

	links = chain("2345"); /* the first, and the last before the next */
	without(links, "b", 0, 2);
	without(links, "b", 6, 4);
	add_boot(links, 9, 99);
	assert_int_equal(checked(links), 0);

	links = chain("2345");
	without(links, "b", 0, 2);
	without(links, "b", 6, 3);
	add_boot(links, 9, 99);
	assert_int_equal(checked(links), -ENOENT);
	assert_string_equal(reason, "n b: sequence 9 is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_boots_follow_each_other),
		cmocka_unit_test(test_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
