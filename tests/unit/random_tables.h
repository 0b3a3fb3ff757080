/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/tables.h"

/*
 * Random tables, sound and of every shape that a policy could make and of some
 * that none does; and what may go wrong with them, or merely change.
 */

#define RANDOM_RULES 8

/* The same numbers for the same seed. */
void random_begin(uint32_t seed);
uint32_t roll(uint32_t sides);

struct clo_tables *random_tables(void);
struct clo_tables *copy_tables(const struct clo_tables *tables);
/* A few bytes of one entry: the tables may be sound after it. */
void corrupt_tables(struct clo_tables *tables);
/* What an apply changes, one thing of it: the tables stay sound. */
void change_tables(struct clo_tables *tables);
