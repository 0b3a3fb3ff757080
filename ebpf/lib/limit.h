/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * What one guest may take of what all share: rates (struct clo_bucket) and
 * tracked flows (struct clo_account). Pure but for atomic adds.
 */

#include "ebpf/lib/base.h"

struct clo_view;
/* The account, or NULL. */
CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key);
/* The meter of the port's slot, or NULL. */
CLO_INLINE struct clo_meter *clo_view_meter(const struct clo_view *view,
					    const struct clo_port *port);

/*
 * Pay for `units`, or 0. Two CPUs may both pass the last unit of a burst;
 * both pay, so the rate holds in the long run.
 */
CLO_INLINE int clo_limit_take(struct clo_bucket *bucket, __u64 units, __u64 now)
{
	__u64 cost = bucket->cost;
	__u64 paid = bucket->paid;

	if (!cost)
		return 1;
	if (paid > now + bucket->burst)
		return 0;
	if (paid < now)
		bucket->paid = now;
	__sync_fetch_and_add(&bucket->paid, cost * units >> 10);
	return 1;
}

/* Would it pay now? */
CLO_INLINE int clo_limit_has(const struct clo_bucket *bucket, __u64 now)
{
	return !bucket->cost || bucket->paid <= now + bucket->burst;
}

/* Give one flow back, from the account up to `levels` accounts. */
CLO_INLINE void clo_limit_release(const struct clo_view *view, __u64 key,
				  int levels)
{
	for (int i = 0; i < CLO_ACCOUNT_LEVELS; i++) {
		struct clo_account *account;

		if (i >= levels || !key)
			return;
		account = clo_view_account(view, key);
		if (!account)
			return;
		__sync_fetch_and_sub(&account->used, 1);
		key = account->parent;
	}
}

/* Charge one flow to the account and all above; 0 if one of them is full. */
CLO_INLINE int clo_limit_charge(const struct clo_view *view, __u64 key)
{
	__u64 at = key;

	for (int i = 0; i < CLO_ACCOUNT_LEVELS; i++) {
		struct clo_account *account = clo_view_account(view, at);
		__u32 used;

		if (!account) {
			clo_limit_release(view, key, i);
			return 0;
		}
		used = __sync_fetch_and_add(&account->used, 1);
		if ((__s32)used >= (__s32)account->limit) {
			__sync_fetch_and_add(&account->refused, 1);
			clo_limit_release(view, key, i + 1);
			return 0;
		}
		if ((__s32)used >= (__s32)(account->limit - account->limit / 8))
			__sync_fetch_and_add(&account->pressure, 1);
		at = account->parent;
		if (!at)
			break;
	}
	return 1;
}
