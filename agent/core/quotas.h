/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/* The kernel's accounts of tracked flows, kept as the policy says. */

/*
 * Make what is missing, correct what differs. Needs a policy in force; what
 * is of no policy is only noted.
 */
int clo_quotas_settle(struct clo_node *node);
/* Remove the noted accounts, each once the last of its flows has ended. */
int clo_quotas_drop(struct clo_node *node);
