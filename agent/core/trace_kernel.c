/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/trace.h"

/* One run of one program, and what it is compared with. */
struct probe {
	struct clo_node *node;
	const struct clo_trace_run *run;
	const struct clo_trace_pass *pass;
	struct clo_bpf_drop *before, *after;
	size_t n_before, n_after;
	struct clo_hits *hits_before, *hits_after;
	size_t n_hits_before, n_hits_after;
	bool dropped;
};

/* How sure the comparison is; the worst of a frame's hooks counts. */
enum verdict {
	SKIPPED,
	AGREES,
	DIFFERS,
};

static void probe_done(struct probe *probe)
{
	free(probe->before);
	free(probe->after);
	free(probe->hits_before);
	free(probe->hits_after);
}

__attribute__((format(printf, 3, 4))) static enum verdict
say(enum verdict verdict, char ret_text[200], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(ret_text, 200, fmt, args);
	va_end(args);
	return verdict;
}

static uint64_t count_of(const struct clo_bpf_drop *drops, size_t n,
			 const struct clo_drop_key *key)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&drops[i].key, key, sizeof(*key)) == 0)
			return drops[i].count;
	return 0;
}

/* Was this counted meanwhile, at this hook? */
static bool rose(const struct probe *probe, enum clo_drop reason, bool passed)
{
	const struct clo_drop_key key = {.ifindex = probe->pass->ifindex,
					 .reason = (uint16_t)reason,
					 .to_guest = probe->pass->to_guest,
					 .passed = passed};

	return count_of(probe->after, probe->n_after, &key) >
	       count_of(probe->before, probe->n_before, &key);
}

/* The first reason that was counted at this hook; NONE: none was. */
static enum clo_drop counted(const struct probe *probe, bool passed)
{
	for (int reason = CLO_DROP_NONE + 1; reason < CLO_DROP_COUNT; reason++)
		if (rose(probe, (enum clo_drop)reason, passed))
			return (enum clo_drop)reason;
	return CLO_DROP_NONE;
}

static bool is_hit(const struct probe *probe, uint32_t rule)
{
	return rule < probe->n_hits_before && rule < probe->n_hits_after &&
	       probe->hits_after[rule].flows > probe->hits_before[rule].flows;
}

/* What others use up meanwhile may make the two differ. */
static bool is_limit(enum clo_drop drop)
{
	return drop == CLO_DROP_CONNECTIONS || drop == CLO_DROP_QUOTA ||
	       drop == CLO_DROP_FLOW_RATE || drop == CLO_DROP_RATE ||
	       drop == CLO_DROP_MULTICAST_RATE;
}

/* Which rule a flow began by shows in its counter alone. */
static int read_hits(const struct probe *probe, struct clo_hits **ret_hits,
		     size_t *ret_n)
{
	if (!probe->pass->opened || !probe->pass->rule)
		return 0;
	return clo_bpf_hits_read(probe->node->bpf, ret_hits, ret_n);
}

static int run_program(struct probe *probe, uint32_t program)
{
	struct clo_bpf *bpf = probe->node->bpf;
	int r = clo_bpf_drops_read(bpf, &probe->before, &probe->n_before);

	if (r == 0)
		r = read_hits(probe, &probe->hits_before,
			      &probe->n_hits_before);
	if (r == 0)
		r = clo_bpf_probe(bpf, program, probe->pass->ifindex,
				  probe->pass->mark, probe->run->frame,
				  probe->run->len, &probe->dropped);
	if (r == 0)
		r = clo_bpf_drops_read(bpf, &probe->after, &probe->n_after);
	if (r == 0)
		r = read_hits(probe, &probe->hits_after, &probe->n_hits_after);
	return r;
}

static enum verdict compare(const struct probe *probe, char text[200])
{
	const struct clo_trace_pass *pass = probe->pass;
	bool audit = pass->mode == CLO_MODE_AUDIT;
	bool may_pass = !pass->drop || audit;
	enum clo_drop reason = counted(probe, audit);

	if (probe->dropped == may_pass ||
	    (pass->drop && !rose(probe, pass->drop, audit))) {
		if (is_limit(pass->drop) || is_limit(reason))
			return say(SKIPPED, text,
				   "a limit was reached meanwhile (%s)",
				   clo_trace_reason(is_limit(reason)
							    ? reason
							    : pass->drop));
		return say(DIFFERS, text,
			   "the attached program says %s (%s), the tables say "
			   "%s (%s)",
			   probe->dropped ? "drop" : "pass",
			   clo_trace_reason(reason),
			   pass->drop ? "drop" : "pass",
			   clo_trace_reason(pass->drop));
	}
	if (pass->opened && pass->rule && !is_hit(probe, pass->rule))
		return say(DIFFERS, text,
			   "the attached program allowed the flow, but not by "
			   "the rule that the tables name");
	if (pass->drop)
		return say(AGREES, text, "%s (%s)",
			   audit ? "passes in audit mode, counted" : "dropped",
			   clo_trace_reason(pass->drop));
	return say(AGREES, text, "passes");
}

/* Why a run would say nothing, or change what is not its own; NULL: it may. */
static const char *obstacle(const struct clo_trace_run *run,
			    const struct clo_trace_pass *pass)
{
	if (!pass->ifindex)
		return "its interface is not on this node";
	if (run->len < ETH_HLEN)
		return "the kernel runs no frame without its Ethernet header";
	if (pass->tracked)
		return "it meets a flow in progress, which a run would change";
	if (pass->fragment)
		return "it is a fragment, and a run would touch its datagram";
	return NULL;
}

static enum verdict check(struct clo_node *node,
			  const struct clo_trace_run *run,
			  const struct clo_trace_pass *pass, bool *ret_began,
			  char text[200])
{
	struct probe probe = {.node = node, .run = run, .pass = pass};
	const char *why = obstacle(run, pass);
	struct clo_bpf_guard guard;
	struct clo_bpf_hook *hook;
	enum verdict verdict;
	int r;

	if (why)
		return say(SKIPPED, text, "%s", why);
	r = clo_bpf_guard_query(node->bpf, pass->ifindex, &guard);
	if (r < 0)
		return say(SKIPPED, text, "its hooks cannot be read: %s",
			   strerrordesc_np(-r));
	hook = pass->to_guest ? &guard.to_guest : &guard.from_guest;
	if (!hook->ours)
		return say(DIFFERS, text, "no guard is attached there");
	r = run_program(&probe, hook->prog_id);
	if (r < 0)
		verdict = say(SKIPPED, text, "it could not be run: %s",
			      strerrordesc_np(-r));
	else
		verdict = compare(&probe, text);
	if (pass->family &&
	    clo_bpf_flow_expire(node->bpf, pass->family, &pass->key) == 0)
		*ret_began = true;
	probe_done(&probe);
	return verdict;
}

json_t *clo_trace_kernel(struct clo_node *node, const struct clo_trace_run *run,
			 bool *ret_began)
{
	enum verdict worst = SKIPPED;
	char all[2 * 200 + 64] = "";

	for (size_t i = 0; i < run->n; i++) {
		char text[200];
		enum verdict verdict =
			check(node, run, &run->pass[i], ret_began, text);
		size_t len = strlen(all);

		(void)snprintf(all + len, sizeof(all) - len, "%s%s guest: %s",
			       i ? "; " : "",
			       run->pass[i].to_guest ? "to" : "from", text);
		if (verdict > worst)
			worst = verdict;
	}
	return json_pack("{s:o, s:s}", "agrees",
			 worst == SKIPPED ? json_null()
					  : json_boolean(worst == AGREES),
			 "text", all);
}
