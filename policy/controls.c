/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/controls.h"

#include <string.h>

#include "agent/base/auto.h"

#define CONTROL(id_, group_, title_, mandatory_, clauses_)                     \
	{                                                                      \
		.id = (id_),                                                   \
		.group = (group_),                                             \
		.title = (title_),                                             \
		.mandatory = (mandatory_),                                     \
		.clauses = (clauses_),                                         \
	},

const struct clo_control clo_controls[] = {
#include "policy/controls.inc"
};

const size_t clo_controls_count = CLO_ARRAY_LEN(clo_controls);

const struct clo_control *clo_control_find(const char *id)
{
	for (size_t i = 0; i < clo_controls_count; i++) {
		if (!strcmp(clo_controls[i].id, id))
			return &clo_controls[i];
	}
	return NULL;
}
