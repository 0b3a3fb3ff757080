/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"
#include "agent/core/node.h"

/* The fence of agent/guard/fence.h around what this node governs. */

/* Bring it to the taps that have a guard now. No policy: nothing to do. */
int clo_fencing_settle(struct clo_node *node);
/* It is put up anew by the next settle: the policy or the kernel changed. */
void clo_fencing_renew(struct clo_node *node);
/* A step of the audit. */
int clo_fencing_audit(struct clo_node *node, struct clo_audit *audit);
/*
 * Before the daemon: a fence without ports around the bridges of a policy. One
 * that is there already has ports, and stays.
 */
int clo_fencing_begin(const struct clo_policy *policy);
void clo_fencing_done(struct clo_node *node);
