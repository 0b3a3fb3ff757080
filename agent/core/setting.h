/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/inventory.h"
#include "agent/sys/bpf.h"

/*
 * What the kernel is to hold for an interface and for the accounts of tracked
 * flows: a pure function of the policy. Written by tend.h, compared by audit.h.
 */

/* Of one bound tap or uplink. */
struct clo_setting {
	struct clo_port port; /* slot 0: the datapath's choice */
	struct clo_bucket limits[CLO_BUCKET_COUNT]; /* paid 0 */
};

/* Zero for a tap that is bound to nothing. */
void clo_setting_make(const struct clo_tap *tap,
		      struct clo_setting *ret_setting);
bool clo_setting_equal(const struct clo_setting *a,
		       const struct clo_setting *b);

/* "enforce", "audit", "quarantine"; "unknown" else. */
const char *clo_setting_mode(enum clo_mode mode);

/* What of the kernel's entry differs from the setting, by weight. */
enum clo_setting_difference {
	CLO_SETTING_SAME,
	CLO_SETTING_OTHER, /* it is another endpoint's, or segment's */
	CLO_SETTING_MODE,
	CLO_SETTING_LIMITS,
};

enum clo_setting_difference
clo_setting_compare(const struct clo_setting *setting,
		    const struct clo_bpf_port *port);

/* One of the kernel's accounts (struct clo_account). */
struct clo_quota {
	uint64_t key;
	uint64_t parent;
	uint32_t limit;
};

/*
 * The accounts of every endpoint, scope and tenant of the policy, also of
 * endpoints on other nodes: those pay for the flows that they open to this
 * one. By key: written from the last to the first, each finds its parent.
 * 0 or -ENOMEM; the caller frees.
 */
int clo_quotas_make(const struct clo_policy *policy,
		    struct clo_quota **ret_quotas, size_t *ret_n);
const struct clo_quota *clo_quotas_find(const struct clo_quota *quotas,
					size_t n, uint64_t key);
