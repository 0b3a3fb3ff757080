/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/tables.h"
#include "sandbox.h"

/*
 * Tables written straight into the maps that are in force, where no packet
 * comes by: without the grace periods that an apply owes to packets, so that a
 * program can be asked about very many policies.
 */
struct direct {
	int inner[CLO_TABLE_COUNT];
	uint8_t *arrays[CLO_TABLE_COUNT]; /* mapped; of ARRAY tables */
	struct clo_table_data held[CLO_TABLE_COUNT]; /* what is in the map */
	int gens;
	uint64_t epoch;
};

/* In place of the tables in force; there are some. */
void direct_open(const struct sandbox *box, struct direct *ret_direct);
void direct_write(struct direct *direct, const struct clo_tables *tables);
void direct_close(struct direct *direct);
