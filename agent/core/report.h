/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"

/* What `status` and `endpoints` print (agent/core/control.h). */
json_t *clo_report_status(struct clo_node *node);
json_t *clo_report_endpoints(struct clo_node *node);
/* Endpoints that a policy declares. */
size_t clo_report_declared(const struct clo_policy *policy);
