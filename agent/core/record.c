/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/attest/note.h"
#include "agent/attest/statement.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/draft.h"
#include "agent/core/identity.h"
#include "agent/core/predicate.h"
#include "agent/core/reserve.h"
#include "agent/core/retain.h"
#include "agent/core/share.h"

static int open_log(struct clo_node *node, const char *path, const char *origin,
		    struct clo_gap *ret_gap)
{
	int r;

	r = clo_store_open(path,
			   &(const struct clo_store_signer){origin, node->key},
			   &node->store);
	if (r == 0)
		r = clo_store_run_begin(node->store, node->boot_id,
					node->started, ret_gap);
	if (r < 0) {
		clo_store_free(node->store);
		node->store = NULL;
	}
	return r;
}

int clo_record_open(struct clo_node *node, const char *path)
{
	const char *state_dir = node->options->state_dir;
	char origin[CLO_NOTE_NAME_MAX];
	struct utsname kernel = {0};
	struct clo_gap gap = {0};
	int r;

	(void)uname(&kernel);
	(void)snprintf(origin, sizeof(origin), CLO_LOG_ORIGIN "%s",
		       clo_note_check_name(kernel.nodename) < 0
			       ? "node"
			       : kernel.nodename);
	r = open_log(node, path, origin, &gap);
	if (r == -ENOSPC && clo_reserve_drop(state_dir))
		r = open_log(node, path, origin, &gap);
	clo_reserve_hold(state_dir, 0);
	if (r == 0)
		r = clo_share_log(state_dir, path);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "log %s", path);
	if (gap.from)
		clo_log(CLO_LOG_WARN, "gap recorded seconds=%lld reason=%s",
			(long long)(gap.to - gap.from), gap.reason);
	return 0;
}

static bool is_asked(const struct clo_challenge *challenge, const char *scope)
{
	if (!challenge || !challenge->scope || !scope)
		return challenge && !challenge->scope && !scope;
	return strcmp(challenge->scope, scope) == 0;
}

/* What `status` shows of the node, even if the log refused it. */
static void show(struct clo_node *node, enum clo_verdict_word verdict,
		 time_t now, int r)
{
	(void)snprintf(node->verdict, sizeof(node->verdict), "%s",
		       clo_verdict_text(r < 0 ? CLO_INCONCLUSIVE : verdict));
	node->last_time = now;
}

static int record_statement(struct clo_node *node,
			    const struct clo_audit *audit, const char *scope,
			    json_t *predicate, time_t now,
			    const uint8_t judged[32])
{
	const struct clo_options *options = node->options;
	struct clo_standing standing;
	struct clo_draft draft = {.kind = CLO_KIND_ISOLATION,
				  .scope = scope,
				  .predicate = predicate,
				  .now = now};
	int r = clo_draft_append(node, audit->observed, &draft);

	if (!scope) {
		show(node, draft.verdict, now, r);
		json_decref(node->last);
		node->last = json_incref(predicate);
	}
	if (r < 0)
		return r;
	standing = (struct clo_standing){
		.sequence = draft.sequence,
		.verdict = draft.verdict,
		/* by the audit that comes nearest to it */
		.due = clo_milliseconds() + 1000.0 * options->statement_period -
		       500.0 * options->period,
	};
	memcpy(standing.judged, judged, sizeof(standing.judged));
	memcpy(standing.digest, draft.digest, sizeof(standing.digest));
	return clo_standing_set(&node->standings, scope, &standing);
}

static bool is_period(const struct clo_occasion *occasion)
{
	return strcmp(occasion->trigger, "period") == 0;
}

/* Nobody asked for it, and no gap or quote is to be carried. */
static bool is_routine(const struct clo_occasion *occasion)
{
	for (size_t i = 0; i < occasion->n_gaps; i++)
		if (occasion->gaps[i].to)
			return false;
	return !occasion->quote && (is_period(occasion) ||
				    strcmp(occasion->trigger, "event") == 0 ||
				    strcmp(occasion->trigger, "repair") == 0);
}

static bool still_holds(const struct clo_standing *standing,
			const uint8_t judged[32])
{
	return standing && clo_milliseconds() < standing->due &&
	       memcmp(standing->judged, judged, 32) == 0;
}

/* What was stated holds; it is said once in a period. */
static int record_heartbeat(struct clo_node *node,
			    const struct clo_audit *audit,
			    const struct clo_occasion *occasion,
			    const char *scope)
{
	const struct clo_standing *standing =
		clo_standing_find(&node->standings, scope);
	json_auto_t *predicate = NULL;
	int r;

	if (!is_period(occasion))
		return 0;
	predicate = clo_predicate_heartbeat(node, occasion, scope, standing);
	if (!predicate)
		return -ENOMEM;
	r = clo_draft_append(node, audit->observed,
			     &(struct clo_draft){.kind = CLO_KIND_HEARTBEAT,
						 .scope = scope,
						 .predicate = predicate,
						 .now = occasion->now,
						 .verdict = standing->verdict});
	if (!scope)
		show(node, standing->verdict, occasion->now, r);
	return r;
}

/* A statement, or that the last one still holds; `news`: not so. */
static int record_scope(struct clo_node *node, const struct clo_audit *audit,
			const struct clo_occasion *every,
			const struct clo_challenge *challenge,
			const char *scope, bool news)
{
	const struct clo_occasion own = {
		.trigger = every->trigger,
		.nonce = challenge && is_asked(challenge, scope)
				 ? challenge->nonce
				 : NULL,
		.now = every->now,
		.gaps = every->gaps,
		.n_gaps = every->n_gaps,
		.facts = every->facts,
		/* of a nonce that is another's to read */
		.quote = !challenge || is_asked(challenge, scope) ? every->quote
								  : NULL,
	};
	json_auto_t *predicate = NULL;
	uint8_t judged[32];
	int r;

	predicate = clo_predicate_make(node, audit, &own, scope);
	if (!predicate)
		return -ENOMEM;
	r = clo_standing_judge(predicate, judged);
	if (r < 0)
		return r;
	if (!news && !challenge && is_routine(every) &&
	    still_holds(clo_standing_find(&node->standings, scope), judged))
		return record_heartbeat(node, audit, every, scope);
	return record_statement(node, audit, scope, predicate, every->now,
				judged);
}

/*
 * What is new among what is wrong, before the statements that carry all. 1:
 * something is.
 */
static int record_violations(struct clo_node *node,
			     const struct clo_audit *audit,
			     const struct clo_occasion *occasion,
			     const char *scope)
{
	json_auto_t *predicate = NULL;
	int r;

	r = clo_predicate_violations(node, audit, occasion, scope, &predicate);
	if (r < 0 || !predicate)
		return r;
	r = clo_draft_append(node, audit->observed,
			     &(struct clo_draft){.kind = CLO_KIND_VIOLATION,
						 .scope = scope,
						 .predicate = predicate,
						 .now = occasion->now,
						 .verdict = CLO_FAILED});
	return r < 0 ? r : 1;
}

/* Those that were not told of yet; an open one is told at both its ends. */
static int record_gaps(struct clo_node *node, const struct clo_audit *audit,
		       const struct clo_occasion *occasion, const char *scope)
{
	int worst = 0;

	for (size_t i = 0; i < occasion->n_gaps; i++) {
		const struct clo_gap *gap = &occasion->gaps[i];
		json_auto_t *predicate = NULL;
		int r = -ENOMEM;

		if (!gap->to && gap->told)
			continue;
		predicate = clo_predicate_gap(node, occasion, scope, gap);
		if (predicate)
			r = clo_draft_append(
				node, audit->observed,
				&(struct clo_draft){.kind = CLO_KIND_GAP,
						    .scope = scope,
						    .predicate = predicate,
						    .now = occasion->now,
						    .verdict =
							    CLO_INCONCLUSIVE});
		worst = r < 0 ? r : worst;
	}
	return worst;
}

/* Gaps and violations, then its statement; the worst of the results. */
static int record_each(struct clo_node *node, const struct clo_audit *audit,
		       const struct clo_occasion *occasion,
		       const struct clo_challenge *challenge, const char *scope)
{
	int gaps = record_gaps(node, audit, occasion, scope);
	int told = record_violations(node, audit, occasion, scope);
	int r = record_scope(node, audit, occasion, challenge, scope,
			     told != 0);

	return r < 0 ? r : told < 0 ? told : gaps;
}

/* What the next audit need not tell again. */
static void remember(struct clo_node *node, const struct clo_audit *audit)
{
	json_t *told = json_object();

	for (size_t i = 0; told && i < audit->problems.n; i++)
		if (!audit->problems.list[i].excepted)
			(void)json_object_set_new(
				told, audit->problems.list[i].text,
				json_string(audit->problems.list[i].control));
	json_decref(node->told);
	node->told = told;
}

bool clo_record_has(const struct clo_node *node, const char *scope)
{
	for (size_t i = 0; i < node->inventory->n_taps; i++)
		if (clo_predicate_covers(scope, &node->inventory->taps[i]))
			return true;
	return false;
}

static int record_scopes(struct clo_node *node, const struct clo_audit *audit,
			 const struct clo_occasion *occasion,
			 const struct clo_challenge *challenge)
{
	const struct clo_policy *policy = node->force->policy;
	int worst = 0;

	for (size_t t = 0; t < policy->n_tenants; t++)
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT;
		     e++) {
			char scope[CLO_SCOPE_MAX];
			int r;

			(void)snprintf(
				scope, sizeof(scope), "%s/%s",
				policy->tenants[t].name,
				clo_environment_name((enum clo_environment)e));
			if (!clo_record_has(node, scope))
				continue;
			r = record_each(node, audit, occasion, challenge,
					scope);
			if (r < 0)
				worst = r;
		}
	return worst;
}

/* The statements carry the gaps, and are a sign of life. */
static int note_signed(struct clo_node *node,
		       const struct clo_occasion *occasion)
{
	int r;

	r = clo_store_gaps_signed(node->store);
	return r < 0 ? r : clo_store_run_alive(node->store, occasion->now);
}

/* What `status` shows is not in the log after all. */
static int lose(struct clo_node *node, int r)
{
	(void)snprintf(node->verdict, sizeof(node->verdict), "INCONCLUSIVE");
	node->head_known = false;
	clo_standings_done(&node->standings);
	return r;
}

/* All of an audit, or what a challenge of one scope is answered with. */
static int record_all(struct clo_node *node, const struct clo_audit *audit,
		      const struct clo_occasion *occasion,
		      const struct clo_challenge *challenge)
{
	int worst = 0;
	int r;

	if (challenge && challenge->scope && audit->problems.n == 0 &&
	    clo_record_has(node, challenge->scope)) {
		r = record_scope(node, audit, occasion, challenge,
				 challenge->scope, false);
		return r < 0 ? r
			     : clo_store_run_alive(node->store, occasion->now);
	}
	if (node->force)
		worst = record_scopes(node, audit, occasion, challenge);
	r = record_each(node, audit, occasion, challenge, NULL);
	if (r == 0 && worst == 0)
		r = note_signed(node, occasion);
	return r < 0 ? r : worst;
}

/* One group of the log. */
static int record_group(struct clo_node *node, const struct clo_audit *audit,
			const struct clo_occasion *occasion,
			const struct clo_challenge *challenge)
{
	int group = clo_store_begin(node->store);
	int worst = record_all(node, audit, occasion, challenge);
	int r = group == 0 ? clo_store_commit(node->store) : 0;

	if (r < 0)
		worst = lose(node, r);
	if (worst < 0)
		return worst;
	remember(node, audit);
	clo_log(strcmp(node->verdict, "PASSED") == 0 ? CLO_LOG_INFO
						     : CLO_LOG_WARN,
		"attested verdict=%s trigger=%s problems=%zu", node->verdict,
		occasion->trigger, audit->problems.n);
	return 0;
}

static int record(struct clo_node *node, const struct clo_audit *audit,
		  const char *trigger, const struct clo_challenge *challenge)
{
	CLO_AUTO_MEM struct clo_gap *gaps = NULL;
	struct clo_occasion occasion = {.trigger = trigger, .now = time(NULL)};
	CLO_AUTO_MEM struct clo_facts *facts = NULL;
	json_auto_t *quote = NULL;
	int r;

	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	r = clo_facts_collect("/", facts);
	if (r < 0)
		return r;
	occasion.facts = facts;
	r = clo_store_gaps(node->store, &gaps, &occasion.n_gaps);
	if (r == 0)
		r = clo_retain_gap(node, occasion.now, &gaps, &occasion.n_gaps);
	if (r < 0)
		return r;
	occasion.gaps = gaps;
	quote = clo_identity_quote(
		node, audit->observed ? audit->observed->gen.epoch : 0,
		challenge ? challenge->nonce : NULL);
	occasion.quote = quote;

	return record_group(node, audit, &occasion, challenge);
}

/* Of no audit: at once, with a checkpoint of its own. */
int clo_record_ack(struct clo_node *node, const struct clo_ack *ack)
{
	const struct clo_occasion occasion = {.now = time(NULL)};
	json_auto_t *predicate = clo_predicate_ack(node, ack, &occasion);

	if (!predicate)
		return -ENOMEM;
	return clo_draft_append(
		node, ack->observed,
		&(struct clo_draft){.kind = CLO_KIND_POLICY_ACK,
				    .predicate = predicate,
				    .now = occasion.now,
				    .verdict = clo_ack_verdict(ack)});
}

int clo_record_violation(struct clo_node *node,
			 const struct clo_tables *observed, const char *control,
			 const char *detail)
{
	const struct clo_occasion occasion = {.now = time(NULL),
					      .trigger = "policy"};
	json_auto_t *predicate =
		clo_predicate_violation(node, &occasion, control, detail);

	if (!predicate)
		return -ENOMEM;
	return clo_draft_append(node, observed,
				&(struct clo_draft){.kind = CLO_KIND_VIOLATION,
						    .predicate = predicate,
						    .now = occasion.now,
						    .verdict = CLO_FAILED});
}

int clo_record_audit(struct clo_node *node, const struct clo_audit *audit,
		     const char *trigger, const struct clo_challenge *challenge)
{
	int r = record(node, audit, trigger, challenge);

	clo_retain(node, r);
	return r;
}
