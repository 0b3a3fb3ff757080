/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"
#include "policy/prove.h"

/*
 * The levels of a proof: each is one question to tables, and one line of the
 * table in prove_levels.c. Pure: who asks measures the time.
 */

#define CLO_LEVEL_DIFFERENCES_MAX 16

/* What is asked about. */
struct clo_proving {
	const struct clo_compiled *compiled;
	/* The kernel's, read back; NULL: the compiled ones are in question. */
	const struct clo_tables *observed;
	/* Also ask what the documents mean: that takes long where rules are
	 * many. */
	bool documents;
	/*
	 * What the program on the endpoint's tap makes of a frame from there: 0,
	 * or -errno if it cannot be asked. NULL: there is none.
	 */
	int (*attached)(void *userdata, uint32_t endpoint, const uint8_t *frame,
			size_t len, bool *ret_passes);
	void *userdata;
};

/* Too large for a stack frame; zero-initialise. */
struct clo_leveled {
	enum clo_proven proven;
	uint64_t looked_at; /* verdicts, entries: whatever the level counts */
	uint64_t wrong;
	char text[160]; /* why not PROVED; else empty */
	struct clo_proof proof; /* of the level that proves invariants */
	bool has_proof;
	struct clo_difference differences[CLO_LEVEL_DIFFERENCES_MAX];
	size_t n_differences;
};

struct clo_level {
	const char *name; /* "kernel tables" */
	const char *question; /* "every entry is the compiled one" */
	const char *counts; /* what looked_at counts: "entries" */
	bool (*applies)(const struct clo_proving *proving);
	/* 0 with a result, or -ENOMEM. */
	int (*run)(const struct clo_proving *proving,
		   struct clo_leveled *leveled);
};

/*
 * clo_prove() of tables that are those of `compiled` or should be, with the
 * exceptions that were in force when it was compiled.
 */
int clo_prove_compiled(const struct clo_compiled *compiled,
		       const struct clo_tables *tables,
		       struct clo_proof *ret_proof, char reterr_text[160]);

extern const struct clo_level clo_levels[];
extern const size_t clo_levels_count;
