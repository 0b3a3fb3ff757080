/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/audit.h"
#include "agent/core/node.h"

/*
 * The kernel's own judgement of tenants' tasks (agent/sys/tags.h), where it
 * takes BPF LSM programs. Where it does not, the attestation says so and the
 * other layers carry the control.
 */

/*
 * Bring it to the policy in force and to the cgroups that are there. The audit
 * tells what went wrong; no domain has to wait for it.
 */
void clo_tagging_settle(struct clo_node *node);
/* Pins and maps that were undone are put right. */
int clo_tagging_restore(struct clo_node *node);
/* A step of the audit. */
int clo_tagging_audit(struct clo_node *node, struct clo_audit *audit);
/* Evidence: {"enforced", "why"?, "refused"?}; what is the node's is not told
 * to a scope. */
json_t *clo_tagging_evidence(const struct clo_node *node,
			     const struct clo_audit *audit, bool whole);
void clo_tagging_done(struct clo_node *node);
