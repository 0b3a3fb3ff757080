/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/guard/finding.h"
#include "agent/sys/nft.h"

/*
 * The fence: a port of a governed bridge that is not known to have a guard
 * sends and gets nothing. A table of nftables in family bridge, which stays
 * when nobody tends it; so what joins a bridge while the daemon is dead, or
 * before it has looked, is cut off.
 *
 * A frame that a guard has judged has a mark, which no guest can give it, and
 * passes by the first rule. Ports are known by index, which the kernel does not
 * reuse; uplinks by name, since they may come after the fence.
 *
 * Where the kernel cannot say of which bridge a port is (nft_meta_bridge), the
 * fence is around every bridge of the node, and the ports of those that nobody
 * governs are let through one by one.
 */
struct clo_fence {
	const char *const *bridges; /* governed */
	size_t n_bridges;
	const char *const *uplinks;
	size_t n_uplinks;
	const uint32_t *ports; /* with a guard, ascending */
	size_t n_ports;
	const uint32_t *others; /* of ungoverned bridges, ascending */
	size_t n_others;
};

/* What is in the kernel, as it was put there. */
struct clo_fence_state {
	char *rules; /* the kernel's words for all but the ports; NULL: none */
	uint32_t *ports;
	size_t n_ports;
	bool around_all; /* it cannot tell bridges apart */
};

void clo_fence_state_done(struct clo_fence_state *state);

/* The whole table as one transaction; the caller frees. */
int clo_fence_text(const struct clo_fence *fence, bool around_all,
		   char **ret_text);

/*
 * Bring the kernel to it: all of it at first, then what changed of the ports.
 * -EOPNOTSUPP: the kernel has no nftables for bridges.
 */
int clo_fence_apply(struct clo_nft *nft, const struct clo_fence *fence,
		    struct clo_fence_state *state);
/* The kernel still has what was put there; else findings. 0 or -ENOMEM. */
int clo_fence_check(struct clo_nft *nft, const struct clo_fence_state *state,
		    struct clo_findings *findings);
/* -ENOENT: there was none. */
int clo_fence_remove(struct clo_nft *nft);
