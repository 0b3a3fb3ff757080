/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "check.h"
#include "policy/compile.h"
#include "policy/host_view.h"
#include "unit/random_policy.h"

/* One random policy under test; everything follows from the seed. */
struct subject {
	uint64_t seed;
	enum random_kind kind;
	struct made *made;
	const struct clo_policy *policy;
	time_t now;
	struct clo_compiled *compiled;
};

void subject_init(struct subject *subject, uint64_t seed, bool variant);
void subject_done(struct subject *subject);

/* Prints what is wrong, the seed and the documents; the test has failed. */
__attribute__((format(printf, 2, 3), noreturn)) void
subject_fail(const struct subject *subject, const char *fmt, ...);
/* "tenant/test/w1/0 (fd00::1) > 10.0.0.1 proto 6 number 80" */
#define PACKET_TEXT 240
void packet_text(const struct clo_oracle_packet *packet,
		 char ret_text[PACKET_TEXT]);

/* The identity that the tables give a party, 0: none. */
uint32_t subject_identity(const struct subject *subject,
			  const struct clo_party *party);
/* The number of the first rule that the documents allow the packet by, or 0. */
uint32_t subject_meant(const struct subject *subject,
		       const struct clo_oracle_packet *packet);
bool subject_allows(const struct subject *subject,
		    const struct clo_oracle_packet *packet,
		    struct clo_verdict *ret_verdict);

/* The properties. */
void check_tables(const struct subject *subject, int packets);
void check_whole(const struct subject *subject);
void check_order(const struct subject *subject);
void check_trace(const struct subject *subject, int packets);
void check_plan(const struct subject *before, const struct subject *after);
/* The proof of what changed says what the whole one says. */
void check_change(const struct subject *before, const struct subject *after);
void check_breaches(const struct subject *subject, int packets);
/* Every forbidden flow there is, not some. */
void check_all_breaches(const struct subject *subject);
