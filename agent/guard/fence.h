/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
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
 * governs are let through one by one. So it is where a bridge has a name that
 * nftables cannot be told.
 *
 * Not stopped by any hook of netfilter: what a port sends to the groups of STP
 * (where the bridge runs it) and LLDP ends at the host, whoever listens there.
 */
struct clo_fence {
	const char *const *bridges; /* governed */
	size_t n_bridges;
	const char *const *uplinks;
	size_t n_uplinks;
	const uint32_t *ports; /* with a guard */
	size_t n_ports;
	const uint32_t *others; /* of ungoverned bridges */
	size_t n_others;
};

/* What is in the kernel, as it was put there. */
struct clo_fence_state {
	char *rules; /* the kernel's words for all but the ports; NULL: none */
	uint32_t *ports;
	size_t n_ports;
	bool around_all; /* it cannot tell bridges apart */
	uint64_t
		dropped; /* frames, since it was put up; as of the last check */
};

void clo_fence_state_done(struct clo_fence_state *state);

/*
 * The whole table as one transaction; the caller frees. -EOPNOTSUPP: a bridge
 * cannot be named; then it must be around all.
 */
int clo_fence_text(const struct clo_fence *fence, bool around_all,
		   char **ret_text);

/*
 * Bring the kernel to it: all of it at first, then what changed of the ports.
 * -EOPNOTSUPP: the kernel has no nftables for bridges.
 */
int clo_fence_apply(struct clo_nft *nft, const struct clo_fence *fence,
		    struct clo_fence_state *state);
/*
 * Before anybody knows the ports: all anew, but with the ports that one which
 * is there already lets through.
 */
int clo_fence_begin(struct clo_nft *nft, const struct clo_fence *fence);
/* The kernel still has what was put there; else findings. 0 or -ENOMEM. */
int clo_fence_check(struct clo_nft *nft, struct clo_fence_state *state,
		    struct clo_findings *findings);
/* -ENOENT: there was none. */
int clo_fence_remove(struct clo_nft *nft);
