/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/property.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "policy/parse_state.h"

/*
 * What holds for every policy, shown for many random ones. `property SEED` runs
 * all of it for one seed; a failure prints it.
 */
#ifdef CLO_SANITIZED
#define POLICIES 3000
#else
#define POLICIES 100000
#endif
#define PACKETS 32

/* What was seen, so that the test saw it all: by kind of the destination. */
static uint64_t n_allowed[CLO_IDENTITY_SERVICE + 1];
static uint64_t n_denied;

void check_tables(const struct subject *subject, int packets)
{
	struct dice dice = dice_new(subject->seed ^ 0x7ab1e5);

	for (int i = 0; i < packets; i++) {
		struct clo_oracle_packet packet;
		struct clo_verdict verdict;
		char text[PACKET_TEXT];
		uint32_t rule;
		uint8_t flags;

		random_packet(subject->policy, &dice, &packet);
		rule = subject_meant(subject, &packet);
		if (subject_allows(subject, &packet, &verdict) != (rule > 0) ||
		    verdict.rule != rule) {
			packet_text(&packet, text);
			subject_fail(subject,
				     "%s: rule %u by the documents, %u by the "
				     "tables",
				     text, rule, verdict.rule);
		}
		if (rule)
			n_allowed[clo_oracle_kind(subject->policy, &packet.dst,
						  &flags)]++;
		else
			n_denied++;
	}
}

/*
 * Half of a compilation's time and a third of a parser's, for nothing here:
 * tables are compared whole. That digests tell tables apart is what unit.tables
 * shows, and of documents unit.parse.
 */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker gives the name */
void __wrap_clo_tables_digest_all(const struct clo_tables *tables,
				  uint8_t ret_digest[32]);

void __wrap_clo_tables_digest_all(const struct clo_tables *tables,
				  uint8_t ret_digest[32])
{
	(void)tables;
	memset(ret_digest, 0, 32);
}

void __wrap_clo_parse_documents(struct clo_parse *parse);

void __wrap_clo_parse_documents(struct clo_parse *parse)
{
	(void)parse;
}

/* NOLINTEND(bugprone-reserved-identifier) */

/* How often what costs more is done. */
static bool is_turn(uint64_t seed, uint64_t every, bool all)
{
	return all || seed % every == every / 2;
}

static void check_seed(uint64_t seed, bool all)
{
	struct subject subject;
	struct subject after;

	subject_init(&subject, seed, false);
	check_tables(&subject, all ? 2000 : PACKETS);
	check_breaches(&subject, all ? 2000 : 4);
	check_trace(&subject, all ? 200 : 2);
	if (is_turn(seed, 100, all))
		check_whole(&subject);
	if (is_turn(seed, 400, all))
		check_all_breaches(&subject);
	if (subject.kind == RANDOM_LEGAL) /* others are no documents */
		check_order(&subject);
	/* The same with a few changes; every tenth, something else. */
	subject_init(&after, is_turn(seed, 10, false) ? seed + 3 : seed,
		     !is_turn(seed, 10, false));
	check_plan(&subject, &after);
	if (is_turn(seed, 11, all))
		check_change(&subject, &after);
	subject_done(&after);
	subject_done(&subject);
}

static void every_policy_has_the_properties(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= POLICIES; seed++)
		check_seed(seed, false);
	assert_in_range(n_allowed[CLO_IDENTITY_ENDPOINTS], POLICIES,
			UINT64_MAX);
	assert_in_range(n_allowed[CLO_IDENTITY_EXTERNAL], POLICIES / 10,
			UINT64_MAX);
	assert_in_range(n_allowed[CLO_IDENTITY_SERVICE], POLICIES / 20,
			UINT64_MAX);
	assert_int_equal(n_allowed[CLO_IDENTITY_NODE], 0);
	assert_in_range(n_denied, POLICIES, UINT64_MAX);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_policy_has_the_properties),
	};

	/* Tables of some hundred KiB come and go: not by mmap() each time. */
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
	if (argc > 1) {
		check_seed(strtoull(argv[1], NULL, 10), true);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
