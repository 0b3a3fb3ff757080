/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/decisions.h"

#include <errno.h>
#include <malloc.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/idle.h"
#include "agent/core/node.h"

#define TURN 5.0 /* ms in which the event loop does nothing else */
#define SHARE 100 /* of all time at most one part in so many, unless asked */
#define TRIES 3 /* where others change the tables while one waits */

static uint64_t epoch_in_force(const struct clo_node *node)
{
	uint64_t epoch = 0;

	(void)clo_bpf_epoch(node->bpf, &epoch);
	return epoch;
}

/* What goes wrong again after its repair is asked once in a period. */
static bool is_to_ask(const struct clo_node *node)
{
	const struct clo_decisions *decisions = &node->decisions;

	if (!node->force)
		return false;
	if (decisions->now || clo_milliseconds() >= decisions->due)
		return true;
	return decisions->failures < 2 &&
	       decisions->asked != epoch_in_force(node);
}

bool clo_decisions_are_due(const struct clo_node *node)
{
	return node->decisions.news || is_to_ask(node);
}

bool clo_decisions_known(const struct clo_node *node, uint64_t epoch)
{
	const struct clo_decisions *decisions = &node->decisions;

	return epoch && !decisions->error && decisions->last.epoch == epoch;
}

static void tell_log(const struct clo_decisions *decisions)
{
	const struct clo_enumeration *last = &decisions->last;

	if (decisions->error)
		(void)clo_log_errno(CLO_LOG_ERR, decisions->error,
				    "the decision code cannot be enumerated");
	else
		clo_log(last->wrong ? CLO_LOG_WARN : CLO_LOG_INFO,
			"decision code enumerated epoch=%llu pairs=%llu "
			"verdicts=%llu wrong=%llu ms=%.1f",
			(unsigned long long)last->epoch,
			(unsigned long long)last->pairs,
			(unsigned long long)last->verdicts,
			(unsigned long long)last->wrong, last->ms);
}

/* r: what its last step returned. */
static void end(struct clo_node *node, int r)
{
	struct clo_decisions *decisions = &node->decisions;
	CLO_AUTO(clo_enumerating)
	struct clo_enumerating *now = CLO_TAKE(decisions->now);
	uint64_t epoch = epoch_in_force(node);
	bool known = clo_decisions_known(node, epoch);
	bool bad = r < 0;

	if (r == -EBUSY)
		return; /* anew, of those that came into force */
	decisions->error = r < 0 ? r : 0;
	if (r > 0) {
		decisions->last = *clo_enumerating_found(now);
		epoch = decisions->last.epoch;
		bad = decisions->last.wrong != 0;
	}
	decisions->asked = epoch;
	decisions->failures = bad ? decisions->failures + 1 : 0;
	decisions->due =
		clo_milliseconds() + (bad ? 1000.0 * node->options->period
					  : SHARE * decisions->last.ms);
	if (!bad && known)
		return;
	decisions->news = true;
	tell_log(decisions);
}

/* One page, or the end of it. */
static void step(struct clo_node *node)
{
	struct clo_decisions *decisions = &node->decisions;
	int r = 0;

	if (!decisions->now)
		r = clo_enumerating_new(node->force->compiled->tables,
					&decisions->now);
	if (r == 0)
		r = clo_enumerating_step(node->bpf, decisions->now);
	if (r == 0)
		return;
	end(node, r);
	(void)malloc_trim(0); /* megabytes that are not needed for long */
}

void clo_decisions_some(struct clo_node *node, double ms)
{
	double until = clo_milliseconds() + ms;

	if (!is_to_ask(node))
		return;
	do
		step(node);
	while (node->decisions.now && clo_milliseconds() < until);
}

void clo_decisions_finish(struct clo_node *node)
{
	struct clo_decisions *decisions = &node->decisions;

	for (int i = 0; node->force && i < TRIES; i++) {
		/* what was asked before the request may be another now */
		clo_enumerating_free(CLO_TAKE(decisions->now));
		do
			step(node);
		while (decisions->now);
		if (decisions->asked == epoch_in_force(node))
			return;
	}
}

void clo_decisions_forget(struct clo_node *node)
{
	clo_enumerating_free(node->decisions.now);
	node->decisions = (struct clo_decisions){0};
}

struct clo_decider {
	struct clo_node *node;
	void (*on_news)(void *userdata);
	void *userdata;
	struct clo_idle *idle;
};

static bool is_due(void *userdata)
{
	const struct clo_decider *decider = userdata;

	return clo_decisions_are_due(decider->node);
}

static void turn(void *userdata)
{
	struct clo_decider *decider = userdata;
	struct clo_decisions *decisions = &decider->node->decisions;

	clo_decisions_some(decider->node, TURN);
	if (decisions->news) {
		decisions->news = false;
		decider->on_news(decider->userdata);
	}
}

int clo_decider_new(struct sd_event *event, struct clo_node *node,
		    void (*on_news)(void *userdata), void *userdata,
		    struct clo_decider **ret_decider)
{
	static const struct clo_idle_work work = {is_due, turn};
	struct clo_decider *decider = calloc(1, sizeof(*decider));
	int r;

	if (!decider)
		return -ENOMEM;
	decider->node = node;
	decider->on_news = on_news;
	decider->userdata = userdata;
	r = clo_idle_new(event, &work, decider, &decider->idle);
	if (r < 0) {
		clo_decider_free(decider);
		return r;
	}

	*ret_decider = decider;
	return 0;
}

void clo_decider_free(struct clo_decider *decider)
{
	if (!decider)
		return;

	clo_idle_free(decider->idle);
	free(decider);
}
