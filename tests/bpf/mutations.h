/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "bpf/node.h"

/* Corruptions that one audit must find, name, and find no more when undone. */
static uint64_t seed = 0x9e3779b97f4a7c15ULL;
static size_t clean_runs;
static bool asks; /* also the decision code: dear */

/* xorshift64*; the same on every machine. */
static inline uint64_t draw(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dULL;
}

static inline size_t below(size_t n)
{
	return (size_t)(draw() % n);
}

static inline void look(struct clo_audit **ret_audit)
{
	if (asks)
		clo_decisions_finish(&node);
	assert_int_equal(clo_audit_run(&node, ret_audit), 0);
}

static inline void check_clean(const char *after)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;

	look(&audit);
	if (audit->problems.n || audit->repair)
		fail_msg("after %s: %s", after,
			 audit->problems.n ? audit->problems.list[0].text
					   : "repair");
	clean_runs++;
}

/* One finding at least names it, and it is to be repaired. */
static inline void check_found_either(const char *what, const char *witness,
				      const char *other)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	bool named = false;

	look(&audit);
	for (size_t i = 0; i < audit->problems.n && !named; i++)
		named = strstr(audit->problems.list[i].text, witness) ||
			(other[0] &&
			 strstr(audit->problems.list[i].text, other));
	if (!named)
		fail_msg("%s: nothing of %zu findings names %s (%s)", what,
			 audit->problems.n, witness,
			 audit->problems.n ? audit->problems.list[0].text
					   : "none");
}

static inline void check_found(const char *what, const char *witness)
{
	check_found_either(what, witness, "");
}

/* How many, as the argument says. */
static inline int count_of(int argc, char **argv, int otherwise)
{
	return argc > 1 ? (int)strtol(argv[1], NULL, 10) : otherwise;
}
