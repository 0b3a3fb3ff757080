/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/import/translate.h"

/* Names for all groups and rules of the plan. */
int clo_import_names(struct clo_import *import, struct clo_import_plan *plan);

/* Documents by file name, added to the object. */
int clo_import_write(const struct clo_import *import,
		     const struct clo_import_plan *plan, json_t *documents);
