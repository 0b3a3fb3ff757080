/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "agent/attest/policy_bundle.h"
#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/core/apply.h"
#include "agent/core/held.h"
#include "agent/core/record.h"
#include "agent/core/reply.h"
#include "agent/core/seen.h"

#define CONTROL "agt.self-integrity"

/* What is made of one bundle. */
struct verdict {
	enum clo_outcome outcome;
	char reason[200]; /* printable ASCII: parts come from others */
};

__attribute__((format(printf, 3, 4))) static void
conclude(struct verdict *verdict, enum clo_outcome outcome, const char *fmt,
	 ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(verdict->reason, sizeof(verdict->reason), fmt, args);
	va_end(args);
	for (char *c = verdict->reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	verdict->outcome = outcome;
}

/* Root's file, which nobody else may write. */
static int read_trust(const char *path, char **ret_text, size_t *ret_len)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EACCES;
	return clo_file_read_fd(fd, CLO_TRUST_MAX, ret_text, ret_len);
}

/* Each time anew: a key that is revoked now opens nothing now. */
static int load_trust(const char *path, struct clo_trust **ret_trust,
		      char reason[200])
{
	CLO_AUTO_MEM char *text = NULL;
	char flaw[200];
	size_t len = 0;
	int r;

	r = read_trust(path, &text, &len);
	if (r == -ENOENT)
		(void)snprintf(reason, 200,
			       "no key for policies is installed: there is no "
			       "%s",
			       path);
	else if (r < 0)
		(void)snprintf(reason, 200,
			       "%s: %s (it must be root's, and written by "
			       "nobody else)",
			       path, strerrordesc_np(-r));
	if (r < 0)
		return r;
	r = clo_trust_parse(text, len, ret_trust, flaw);
	if (r == -EBADMSG)
		(void)snprintf(reason, 200, "%s: %.120s", path, flaw);
	return r;
}

static int open_bundle(const struct clo_node *node, const json_t *envelope,
		       struct clo_policy_bundle **ret_bundle, char reason[200])
{
	CLO_AUTO(clo_trust) struct clo_trust *trust = NULL;
	int r = load_trust(node->options->policy_trust, &trust, reason);

	return r < 0 ? r
		     : clo_policy_bundle_open(trust,
					      json_string_value(envelope),
					      json_string_length(envelope),
					      time(NULL), ret_bundle, reason);
}

/* Whoever brought it may bring it again and again: it is said once. */
static json_t *turn_away(struct clo_node *node, const char *reason)
{
	if (strcmp(node->bundle_refused, reason) != 0)
		clo_log(CLO_LOG_WARN, "policy bundle is not let in: %s",
			reason);
	(void)snprintf(node->bundle_refused, sizeof(node->bundle_refused), "%s",
		       reason);
	return clo_reply_because(
		CLO_EXIT_REFUSED,
		json_sprintf("the bundle is not let in: %s", reason));
}

static json_t *decided(const struct clo_policy_bundle *bundle,
		       enum clo_outcome outcome, const char *reason)
{
	return clo_reply_accept(json_pack(
		"{s:I, s:s, s:s, s:s, s:b}", "revision",
		(json_int_t)bundle->revision, "digest", bundle->digest,
		"outcome", clo_outcome_text(outcome), "reason", reason, "final",
		outcome != CLO_OUTCOME_FAILED));
}

/* What is in force now, as the kernel has it; NULL: nothing is. */
static struct clo_tables *observe(struct clo_node *node)
{
	struct clo_tables *observed = NULL;
	int r;

	if (!node->force || !node->bpf)
		return NULL;
	r = clo_bpf_tables_read(node->bpf, &observed);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "tables of policy-ack");
	return r < 0 ? NULL : observed;
}

/* The log may fail; what was decided stays so. */
static void acknowledge(struct clo_node *node, int64_t revision,
			const char *digest, const struct verdict *verdict)
{
	CLO_AUTO(clo_tables) struct clo_tables *observed = observe(node);
	const char *outcome = clo_outcome_text(verdict->outcome);
	int r = 0;

	clo_log(verdict->outcome == CLO_OUTCOME_APPLIED ? CLO_LOG_INFO
							: CLO_LOG_WARN,
		"policy bundle revision=%lld %s%s%s", (long long)revision,
		outcome, verdict->reason[0] ? ": " : "", verdict->reason);
	if (verdict->outcome == CLO_OUTCOME_REPLAYED)
		r = clo_record_violation(node, observed, CONTROL,
					 verdict->reason);
	if (r == 0)
		r = clo_record_ack(node, &(const struct clo_ack){
						 .revision = revision,
						 .digest = digest,
						 .outcome = verdict->outcome,
						 .reason = verdict->reason,
						 .observed = observed});
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "policy-ack of %lld",
				    (long long)revision);
}

static json_t *save_failed(int r)
{
	return clo_reply_failure("what bundles were seen cannot be kept", r);
}

/* It changes nothing, not even what is the highest revision. */
static json_t *turn_down(struct clo_node *node, struct clo_seen *seen,
			 const struct clo_policy_bundle *bundle,
			 const struct verdict *verdict)
{
	if (clo_seen_tell(seen, bundle->digest)) {
		int r = clo_seen_save(seen, node->options->state_dir);

		if (r < 0)
			return save_failed(r);
		acknowledge(node, bundle->revision, bundle->digest, verdict);
	}
	return decided(bundle, verdict->outcome, verdict->reason);
}

/* The first of the reasons that a refusal gives. */
static void reason_of(const json_t *reply, struct verdict *verdict)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_t *flaw = json_array_get(json_object_get(reply, "flaws"), 0);
	json_t *breach = json_array_get(json_object_get(reply, "breaches"), 0);
	const char *file = "?", *path = "?", *text = "?";
	const char *rule = NULL, *invariant = "?", *packet = NULL;
	int line = 0;

	if (flaw &&
	    json_unpack(flaw, "{s:s, s:i, s:s, s:s}", "file", &file, "line",
			&line, "path", &path, "text", &text) == 0)
		conclude(verdict, CLO_OUTCOME_REFUSED, "%s:%d: %s: %s", file,
			 line, path, text);
	else if (breach &&
		 json_unpack(breach, "{s:s, s?s, s?s}", "invariant", &invariant,
			     "rule", &rule, "packet", &packet) == 0)
		conclude(verdict, CLO_OUTCOME_REFUSED,
			 "rule %s breaks an invariant, %s: %s",
			 rule ? rule : "?", invariant, packet ? packet : "-");
	else
		conclude(verdict, CLO_OUTCOME_REFUSED, "%s",
			 error ? error : "?");
}

static void apply(struct clo_node *node, const struct clo_policy_bundle *bundle,
		  struct verdict *verdict)
{
	json_auto_t *reply = clo_apply_documents(node, bundle->documents,
						 bundle->node, NULL);

	if (json_is_true(json_object_get(reply, "ok"))) {
		conclude(verdict, CLO_OUTCOME_APPLIED, "%s", "");
		return;
	}
	reason_of(reply, verdict);
	if (json_integer_value(json_object_get(reply, "exit")) !=
	    CLO_EXIT_REFUSED)
		verdict->outcome = CLO_OUTCOME_FAILED;
}

/* On disk before it is in force: whatever happens, no older one comes after. */
static json_t *put_in_force(struct clo_node *node, struct clo_seen *seen,
			    const struct clo_policy_bundle *bundle)
{
	const char *state_dir = node->options->state_dir;
	bool again = bundle->revision == seen->revision &&
		     seen->outcome == CLO_OUTCOME_FAILED;
	struct verdict verdict = {0};
	int r;

	clo_seen_begin(seen, bundle->revision, bundle->digest);
	r = clo_seen_save(seen, state_dir);
	if (r < 0)
		return save_failed(r);
	if (bundle->not_after && time(NULL) > bundle->not_after)
		conclude(&verdict, CLO_OUTCOME_EXPIRED,
			 "its notAfter has passed");
	else
		apply(node, bundle, &verdict);

	seen->outcome = verdict.outcome;
	memcpy(seen->reason, verdict.reason, sizeof(seen->reason));
	if (verdict.outcome == CLO_OUTCOME_APPLIED) {
		seen->in_force = bundle->revision;
		memcpy(seen->in_force_digest, bundle->digest,
		       sizeof(seen->in_force_digest));
	}
	if (!again || verdict.outcome != CLO_OUTCOME_FAILED)
		acknowledge(node, bundle->revision, bundle->digest, &verdict);
	r = clo_seen_save(seen, state_dir);
	return r < 0 ? save_failed(r)
		     : decided(bundle, verdict.outcome, verdict.reason);
}

/* Before the first policy the host's name, unless the key is of one node. */
static bool is_own(const struct clo_node *node,
		   const struct clo_policy_bundle *bundle)
{
	struct utsname kernel = {0};

	(void)uname(&kernel);
	if (node->force)
		return strcmp(bundle->node, node->force->policy->node.name) ==
		       0;
	return bundle->bound || strcmp(bundle->node, kernel.nodename) == 0;
}

static json_t *decide(struct clo_node *node, struct clo_seen *seen,
		      const struct clo_policy_bundle *bundle)
{
	struct verdict verdict = {0};

	if (!is_own(node, bundle)) {
		conclude(&verdict, CLO_OUTCOME_FOREIGN, "it is for node %s",
			 bundle->node);
		return turn_down(node, seen, bundle, &verdict);
	}
	switch (clo_seen_as(seen, bundle->revision, bundle->digest)) {
	case CLO_SEEN_DECIDED:
		return decided(bundle, seen->outcome, seen->reason);
	case CLO_SEEN_OLD:
		conclude(&verdict, CLO_OUTCOME_REPLAYED,
			 "policy bundle of revision %lld came %s revision %lld",
			 (long long)bundle->revision,
			 bundle->revision == seen->revision ? "as another of"
							    : "after",
			 (long long)seen->revision);
		return turn_down(node, seen, bundle, &verdict);
	case CLO_SEEN_NEW:
	case CLO_SEEN_AGAIN:
		break;
	}
	return put_in_force(node, seen, bundle);
}

json_t *clo_bundle_answer(struct clo_node *node, const json_t *request)
{
	CLO_AUTO(clo_policy_bundle) struct clo_policy_bundle *bundle = NULL;
	const json_t *envelope = json_object_get(request, "envelope");
	struct clo_seen seen;
	char reason[200] = "out of memory";
	int r;

	if (!json_is_string(envelope))
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"bundle needs an envelope, as text");
	if (open_bundle(node, envelope, &bundle, reason) < 0)
		return turn_away(node, reason);
	node->bundle_refused[0] = '\0';
	r = clo_seen_load(node->options->state_dir, &seen);
	if (r < 0)
		return clo_reply_failure(
			"what bundles were seen, bundle.json of the state "
			"directory, cannot be read",
			r);
	return decide(node, &seen, bundle);
}

static json_t *refuse_local(const struct clo_seen *seen)
{
	return clo_reply_because(
		CLO_EXIT_REFUSED,
		json_sprintf("the control plane's bundle of revision %lld is "
			     "in force: change the policy there, or apply with "
			     "--override",
			     (long long)seen->in_force));
}

json_t *clo_bundle_apply(struct clo_node *node, const json_t *request)
{
	json_auto_t *documents = NULL;
	const json_t *approved = json_object_get(request, "approved");
	struct verdict verdict = {0};
	struct clo_seen seen;
	json_t *reply;
	int r = clo_seen_load(node->options->state_dir, &seen);

	if (approved && !json_is_null(approved) && !json_is_string(approved))
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"approved is not a text");
	/* an operator is let in also where the file is damaged */
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "bundle.json");
	if (r == 0 && seen.in_force &&
	    !json_is_true(json_object_get(request, "override")))
		return refuse_local(&seen);
	reply = clo_held_resolve(node, json_object_get(request, "documents"),
				 &documents);
	if (!documents)
		return reply;
	reply = clo_apply_documents(node, documents, NULL,
				    json_string_value(approved));
	if (r < 0 || !seen.in_force ||
	    !json_is_true(json_object_get(reply, "ok")))
		return reply;
	conclude(&verdict, CLO_OUTCOME_OVERRIDDEN,
		 "an operator has applied another policy on the node");
	acknowledge(node, seen.in_force, seen.in_force_digest, &verdict);
	seen.in_force = 0;
	r = clo_seen_save(&seen, node->options->state_dir);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "bundle.json");
	return reply;
}
