/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/attest/statement.h"

/*
 * Which policy bundles this node has seen, kept in its state directory: no
 * restart lets an old one in. Only of bundles whose signature held.
 */
#define CLO_SEEN_TOLD_MAX 16

struct clo_seen {
	/* The highest revision; 0: none. */
	int64_t revision;
	char digest[65]; /* of its payload, hex */
	enum clo_outcome outcome; /* CLO_OUTCOMES: it is under way */
	char reason[200];
	/* The bundle that is in force; 0: none. */
	int64_t in_force;
	char in_force_digest[65];
	/* Others that were told of since that revision came. */
	char told[CLO_SEEN_TOLD_MAX][65];
	size_t n_told;
};

/* 0 also where there is no file; -EBADMSG: it is not whole. */
int clo_seen_load(const char *state_dir, struct clo_seen *ret_seen);
int clo_seen_save(const struct clo_seen *seen, const char *state_dir);

enum clo_seen_as {
	CLO_SEEN_NEW,
	CLO_SEEN_AGAIN, /* and what it came to was no decision */
	CLO_SEEN_DECIDED,
	CLO_SEEN_OLD, /* or another of the same revision */
};

enum clo_seen_as clo_seen_as(const struct clo_seen *seen, int64_t revision,
			     const char *digest);
/* It is the highest now, and under way. */
void clo_seen_begin(struct clo_seen *seen, int64_t revision,
		    const char *digest);
/* True once for each digest, and not for more than CLO_SEEN_TOLD_MAX. */
bool clo_seen_tell(struct clo_seen *seen, const char *digest);
