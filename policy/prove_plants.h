/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/prove.h"

/* What the parts of the self-test share. */

/* How a plant must be found. */
struct clo_expected {
	/* How the check's text begins; NULL: the tables stay sound. */
	const char *refused;
	uint64_t broken[CLO_INVARIANTS]; /* more than before */
	int64_t allowed; /* verdicts more, or less, than before */
	size_t differences; /* entries that are not as they were */
	struct clo_difference first; /* of them */
	bool admitted; /* by an exception to the rule */
};

#define CLO_INDEX_ANY SIZE_MAX /* of the first difference: not compared */

/* One plant under way. */
struct clo_planting {
	const struct clo_tables *tables; /* as they are */
	struct clo_tables *copy; /* has room for one more entry in each table */
	struct clo_expected expected;
};

struct clo_plant {
	const char *name;
	int (*plant)(struct clo_planting *planting); /* 0 or -ENOENT */
};

extern const struct clo_plant clo_plants[];
extern const size_t clo_plants_count;
extern const struct clo_plant clo_plants_rows[];
extern const size_t clo_plants_rows_count;
extern const struct clo_plant clo_plants_tables[];
extern const size_t clo_plants_tables_count;
extern const struct clo_plant clo_plants_classes[];
extern const size_t clo_plants_classes_count;

/* The pair crosses a border that an invariant guards. */
bool clo_plant_crosses(const struct clo_tables *tables, struct clo_pair pair);
const struct clo_identity *clo_plant_identity(const struct clo_tables *tables,
					      uint32_t index);
/* Of the copy, to be changed. */
void *clo_plant_entry(struct clo_planting *planting, enum clo_table t,
		      size_t i);
/* One more entry of a keyed table, where it belongs. */
void clo_plant_add(struct clo_planting *planting, enum clo_table t,
		   const void *key, const void *value);
uint32_t clo_plant_bits(const struct clo_tables *tables, uint32_t row);
/* An identity of endpoints in, or not in, the space; 0: there is none. */
uint32_t clo_plant_endpoints(const struct clo_tables *tables, uint32_t space,
			     bool same, uint32_t but);
/* One entry is changed: the check refuses it in these words, or leaves it. */
void clo_plant_refused(struct clo_planting *planting, const char *by,
		       enum clo_table t, size_t index);
void clo_plant_changed(struct clo_planting *planting, enum clo_table t,
		       size_t index);
