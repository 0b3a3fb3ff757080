/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/retain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/log.h"
#include "agent/core/draft.h"
#include "agent/core/predicate.h"

#define DAY ((time_t)86400)
#define MONTH (31 * DAY)
#define WEEK (7 * DAY)
#define NEVER 1 /* no record is that old */

static struct clo_log_doc policy_of(const struct clo_node *node)
{
	return node->force
		       ? node->force->policy->node.log
		       : (struct clo_log_doc){CLO_LOG_MONTHS, CLO_LOG_BYTES};
}

static struct clo_store_limits limits_of(const struct clo_node *node)
{
	struct clo_log_doc log = policy_of(node);

	return (struct clo_store_limits){
		.before = time(NULL) - (time_t)log.months * MONTH,
		.bytes = log.bytes,
	};
}

/*
 * A clock that is years ahead would make the whole log too old. So age counts
 * only where the log goes back for a week by this clock, and not to then alone.
 */
static int trust_clock(const struct clo_node *node,
		       struct clo_store_limits *limits)
{
	bool there = false;
	int r = clo_store_is_between(node->store, limits->before,
				     time(NULL) - WEEK, &there);

	if (!there)
		limits->before = NEVER;
	return r;
}

static int record_removal(struct clo_node *node,
			  const struct clo_removal *removal)
{
	const struct clo_occasion occasion = {.now = time(NULL)};
	json_auto_t *predicate =
		clo_predicate_removal(node, &occasion, removal);

	if (!predicate)
		return -ENOMEM;
	return clo_draft_append(
		node, NULL,
		&(struct clo_draft){.kind = CLO_KIND_GAP,
				    .predicate = predicate,
				    .now = occasion.now,
				    .verdict = CLO_INCONCLUSIVE});
}

/* Removed with the record that says so, or not at all. */
static int remove_chosen(struct clo_node *node,
			 const struct clo_removal *removal)
{
	int r = record_removal(node, removal);

	if (r == 0)
		r = clo_store_remove(node->store, removal);
	r = r < 0 ? clo_store_cancel(node->store, r)
		  : clo_store_commit(node->store);
	if (r < 0) {
		node->head_known = false;
		return r;
	}
	clo_log(CLO_LOG_INFO, "log records removed=%llu reason=%s",
		(unsigned long long)removal->count, removal->reason);
	return 0;
}

/* One step; as clo_store_choose(). */
static int make_room(struct clo_node *node)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	struct clo_store_limits limits = limits_of(node);
	int end;
	int r;

	r = trust_clock(node, &limits);
	if (r < 0)
		return r;
	r = clo_store_begin(node->store);
	if (r < 0)
		return r == -ENOSPC ? -EIO : r; /* the disk's, not the log's */
	r = clo_store_choose(node->store, &limits, &removal);
	if (r == 0) {
		r = remove_chosen(node, removal);
		return r == -ENOSPC ? -EIO : r;
	}
	end = clo_store_commit(node->store);
	return end < 0 ? -EIO : r;
}

static void set_full(struct clo_node *node, bool full)
{
	if (full == node->log_full)
		return;
	node->log_full = full;
	if (full)
		clo_log(CLO_LOG_ERR,
			"the log has no room, and nothing in it may go: what "
			"passes is not recorded; give it more bytes in the "
			"policy, or the disk");
	else
		clo_log(CLO_LOG_INFO, "the log has room again");
}

void clo_retain(struct clo_node *node, int r)
{
	if (r < 0 && node->unrecorded == 0) {
		node->unrecorded = time(NULL);
		node->unrecorded_error = r;
	}
	if (r == 0 && !node->log_full) /* it told of them */
		node->unrecorded = 0;
	r = make_room(node);
	if (r == 0 || r == -ENOENT || r == -EAGAIN || r == -ENOSPC)
		set_full(node, r == -ENOSPC);
	else
		(void)clo_log_errno(CLO_LOG_ERR, r,
				    "no room could be made in the log");
}

static struct clo_gap unrecorded_gap(const struct clo_node *node, time_t now)
{
	struct clo_gap gap = {.from = node->unrecorded, .to = now};

	if (gap.from > gap.to) /* a clock that was set back */
		gap.from = gap.to;
	(void)snprintf(gap.reason, sizeof(gap.reason), "%s",
		       node->unrecorded_error == -ENOSPC
			       ? "the log had no room"
			       : "the log could not be written");
	return gap;
}

int clo_retain_gap(const struct clo_node *node, time_t now,
		   struct clo_gap **gaps, size_t *n)
{
	struct clo_gap *grown;

	if (node->unrecorded == 0 || node->log_full)
		return 0;
	grown = reallocarray(*gaps, *n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[*n] = unrecorded_gap(node, now);
	*gaps = grown;
	(*n)++;
	return 0;
}

void clo_retain_end(struct clo_node *node)
{
	time_t now = time(NULL);
	struct clo_gap gap = unrecorded_gap(node, now);
	int64_t id = 0;
	int r = 0;

	/* else the gap is from its last sign of life to the next run */
	if (node->unrecorded != 0)
		r = clo_store_gap_open(node->store, gap.from, gap.reason, &id);
	if (r == 0 && id != 0)
		r = clo_store_gap_close(node->store, id, gap.to);
	if (r == 0)
		(void)clo_store_run_end(node->store, now);
}

json_t *clo_retain_status(const struct clo_node *node)
{
	struct clo_store_limits limits = limits_of(node);
	struct clo_store_room room = {0};
	char since[21];

	(void)clo_store_measure(node->store, &limits, &room);
	clo_time_format(node->unrecorded, since);
	return json_pack("{s:i, s:I, s:I, s:I, s:b, s:s?}", "months",
			 (int)policy_of(node).months, "limit",
			 (json_int_t)limits.bytes, "bytes",
			 (json_int_t)room.size, "left", (json_int_t)room.left,
			 "full", node->log_full, "unrecordedSince",
			 node->unrecorded ? since : NULL);
}
