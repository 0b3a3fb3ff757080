/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"
#include "agent/core/record.h"

/*
 * Keeping the kernel as the policy wants it. What is new (a tap that came, a
 * binding that became known) is put in place at once; what was in place and no
 * longer is, is a violation: it is attested first, then repaired.
 */

/*
 * Look; guard new taps, bind them, forget the gone. *ret_changed: anything
 * was done, or a tap that was guarded no longer is.
 */
int clo_tend_reconcile(struct clo_node *node, bool *ret_changed);

/*
 * Reconcile, audit, attest; repair what the audit found wrong, audit and
 * attest again. 0 or -errno (then the last verdict says INCONCLUSIVE).
 */
int clo_tend_prove(struct clo_node *node, const char *trigger,
		   const struct clo_challenge *challenge);

/*
 * Put `force` into the kernel and keep it; takes it. On an error nothing has
 * changed but what is logged.
 */
int clo_tend_apply(struct clo_node *node, struct clo_force *force);

/* Both hooks of the interface carry our programs, asked fresh. */
bool clo_tend_guarded(struct clo_node *node, uint32_t ifindex);

/* Compile anew if an exception began or ended. */
int clo_tend_exceptions(struct clo_node *node);

/*
 * End the flows that have timed out and drop the accounts that no policy has
 * any more: every few seconds.
 */
int clo_tend_sweep(struct clo_node *node);
