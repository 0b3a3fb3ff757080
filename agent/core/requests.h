/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/control.h"
#include "agent/core/node.h"

/*
 * One table of operations (agent/core/control.h). `caller` is what
 * SO_PEERCRED says of the caller. Always gives a reply; NULL without memory.
 */
json_t *clo_request_answer(struct clo_node *node, const json_t *request,
			   enum clo_caller caller);
