/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>

#include "agent/base/auto.h"
#include "policy/address.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "policy/oracle.h"
#include "policy/oracle_compare.h"

/* A comparison under way; only oracle_*.c sees it. */

/* Numbers, in the order in which they came. */
struct clo_oracle_list {
	uint32_t *items;
	size_t n, cap;
};

int clo_oracle_push(struct clo_oracle_list *list, uint32_t item);

/* A side of a rule; those of one peer stand together. */
struct clo_oracle_peer {
	const struct clo_peer *peer;
	uint32_t rule;
	size_t next; /* where the next peer begins */
};

struct clo_oracle_peers {
	struct clo_oracle_peer *items; /* of rules that are not asleep */
	size_t n;
};

/* A party and what the tables take it for. */
struct clo_oracle_seen {
	struct clo_party party;
	uint32_t identity;
};

/* Slots that neither the documents nor the tables tell apart. */
struct clo_oracle_range {
	uint32_t first;
	uint32_t class;
};

/* What a packet that shows a difference must be like. */
struct clo_oracle_suspect {
	/* Index into `seen` + 1, else of this identity, else whoever. */
	size_t src_party, dst_party;
	uint32_t src, dst;
	/* Both ends as the rule has it, but the party given; 0: no matter. */
	uint32_t rule;
	uint32_t slot; /* CLO_SLOTS: whatever the rule serves */
};

/* The first differences: one of them may have a packet. */
#define CLO_ORACLE_KEPT 8

struct clo_oracle_kept {
	char text[CLO_ORACLE_TEXT];
	struct clo_oracle_suspect suspect;
};

struct clo_oracle_state {
	const struct clo_compiled *compiled;
	const struct clo_policy *policy;
	const struct clo_tables *tables;
	struct clo_view view;
	time_t now;
	struct clo_oracle_pace pace;
	uint32_t n_rules; /* as compiled->rules; [0] is none */
	bool *asleep; /* by rule */
	struct clo_oracle_peers peers[2]; /* from, to */

	struct clo_oracle_seen *seen;
	size_t n_seen, cap_seen;
	/* By identity: its first party + 1, and the rules that mean that. */
	uint32_t n_identities;
	size_t *stands;
	struct clo_oracle_list *from, *to;
	struct clo_oracle_list scratch;

	struct clo_oracle_range *ranges;
	size_t n_ranges;
	uint32_t words;
	uint32_t *slots; /* by class: one + 1; 0: it has none */
	uint64_t *serves; /* by rule: words of classes */

	struct clo_oracle_report report;
	struct clo_oracle_kept kept[CLO_ORACLE_KEPT];
};

int clo_oracle_peers(struct clo_oracle_state *state);
/* The rules that mean the party on this side, ascending. */
int clo_oracle_meant(const struct clo_oracle_state *state, bool to,
		     const struct clo_party *party,
		     struct clo_oracle_list *ret_rules);
/* Who there is; -ENOMEM. */
int clo_oracle_parties(struct clo_oracle_state *state);
int clo_oracle_ranges(struct clo_oracle_state *state);

/* Count one; the first are kept, with how to find its packet (or NULL). */
__attribute__((format(printf, 3, 4))) void
clo_oracle_differ(struct clo_oracle_state *state,
		  const struct clo_oracle_suspect *suspect, const char *fmt,
		  ...);
/* The first difference that a packet shows, once all parties are known. */
void clo_oracle_show(struct clo_oracle_state *state);
