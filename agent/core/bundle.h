/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/*
 * Policy from the control plane (agent/attest/policy_bundle.h): whoever brings
 * a bundle, its signature by a key of options->policy_trust is what lets it in.
 * Its revision must be greater than any that was seen (seen.h); an older one is
 * a violation. What is decided is a policy-ack in the log, once; a bundle that
 * nobody trusted signed leaves a line in the journal, and nothing else.
 */

/* Request "bundle" of agent/core/control.h. */
json_t *clo_bundle_answer(struct clo_node *node, const json_t *request);
/*
 * Request "apply": documents of an operator. Refused while a bundle is in
 * force, unless it overrides that; then it is in the log, and the next bundle
 * with a greater revision ends it.
 */
json_t *clo_bundle_apply(struct clo_node *node, const json_t *request);
