/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/tables.h"

/* Service classes as people write them: ranges of slots and their names. */

/* Slots that stand together, of one protocol and one class. */
struct clo_range {
	uint32_t first, last;
	uint32_t class;
};

struct clo_ranges {
	struct clo_range *ranges; /* ascending, all slots */
	size_t n;
};

/* Which (protocol, port or type) a slot stands for. */
void clo_slot_decode(uint32_t slot, uint8_t *ret_proto, uint16_t *ret_number);

/* Classes of table services; slots past its end have CLO_CLASS_NONE. */
int clo_ranges_init(struct clo_ranges *ranges, const struct clo_tables *tables);
/* Cut where the class of either changes; class = index of the range. */
int clo_ranges_init_both(struct clo_ranges *ranges, const struct clo_ranges *a,
			 const struct clo_ranges *b);
void clo_ranges_done(struct clo_ranges *ranges);
/* Of each range of `both`, cut from these and others: its class here. NULL:
 * no memory; the caller frees it. */
uint32_t *clo_ranges_classes(const struct clo_ranges *ranges,
			     const struct clo_ranges *both);

/* "tcp/443", "udp/5000-5100", "icmp", "gre", "proto/89", "other protocols". */
#define CLO_SERVICE_TEXT 32
void clo_service_text(uint32_t first, uint32_t last,
		      char ret_text[CLO_SERVICE_TEXT]);
/* Nothing but protocols that carry other packets: "any" leaves it out. */
bool clo_range_is_encapsulation(const struct clo_range *range);
/* Of those and of others: neither "any" nor what it leaves out names it. */
bool clo_range_is_mixed(const struct clo_range *range);
/* Whether range i is the first of a protocol: it never merges with i - 1. */
bool clo_ranges_begins_protocol(const struct clo_ranges *ranges, size_t i);

/*
 * Names of the classes in `bits` (by class, `words` words), neighbours merged:
 * ["tcp/80-81", "icmp"], or ["any"], perhaps with encapsulations: ["any",
 * "gre"]. NULL without memory.
 */
json_t *clo_service_names(const struct clo_ranges *ranges, const uint64_t *bits,
			  size_t words);
