/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"

/*
 * A workload's domain as libvirt's XML, for who makes or keeps one: what is in
 * the XML follows from the profile of the workload in the policy in force.
 * Replies hold the findings that need a decision; nothing is changed here.
 */

/* The reply to {"op": "harden", "xml"}: the XML brought to its profile. */
json_t *clo_domain_harden(struct clo_node *node, const json_t *request);
/* The reply to {"op": "define", "workload", "shape"}: a new one. */
json_t *clo_domain_define(struct clo_node *node, const json_t *request);
