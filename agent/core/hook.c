/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/hook.h"

#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/core/control.h"
#include "agent/core/reply.h"
#include "agent/core/sandbox.h"
#include "agent/core/tend.h"

/* One question of libvirtd's. */
struct question {
	const char *operation;
	const char *xml;
	struct clo_virt_domain domain;
	const struct clo_workload_doc *workload; /* NULL: none, or not one */
	bool ambiguous;
};

static void question_done(struct question *question)
{
	clo_virt_domain_done(&question->domain);
}

static json_t *refuse(const struct question *question, json_t *why)
{
	clo_log(CLO_LOG_WARN, "refused domain=%s operation=%s: %s",
		question->domain.name, question->operation,
		json_string_value(why));
	return clo_reply_because(CLO_EXIT_REFUSED, why);
}

static const char *governed_bridge(const struct clo_node_doc *node,
				   const struct clo_virt_domain *domain)
{
	for (size_t i = 0; i < domain->n_nics; i++)
		if (clo_node_governs(node, domain->nics[i].source))
			return domain->nics[i].source;
	return NULL;
}

/* Whose state may come in from elsewhere: the tenant's permit. */
static json_t *check_origin(const struct question *question)
{
	static const struct {
		const char *operation;
		unsigned int permit;
		const char *name;
	} origins[] = {
		{"restore", CLO_PERMIT_SAVE, "save"},
		{"migrate", CLO_PERMIT_MIGRATION, "migration"},
		{"attach", 0, NULL}, /* a QEMU that somebody else started */
	};
	const struct clo_workload_doc *workload = question->workload;
	unsigned int permits =
		workload->tenant->scopes[workload->environment].permits;

	for (size_t i = 0; i < CLO_ARRAY_LEN(origins); i++) {
		if (strcmp(origins[i].operation, question->operation) != 0 ||
		    permits & origins[i].permit)
			continue;
		return origins[i].name
			       ? json_sprintf("%s of tenant %s does not permit "
					      "\"%s\"",
					      clo_environment_name(
						      workload->environment),
					      workload->tenant->name,
					      origins[i].name)
			       : json_string("a QEMU process that libvirt did "
					     "not start has no sandbox");
	}
	return NULL;
}

/* Why it must not begin; NULL: it may. */
static json_t *object(struct clo_node *node, const struct question *question)
{
	const struct clo_policy *policy =
		node->force ? node->force->policy : NULL;
	CLO_AUTO(clo_sandbox) struct clo_sandbox *sandbox = NULL;
	const char *bridge;
	json_t *why;
	int r;

	if (!policy || !policy->node.sandbox.present)
		return NULL;
	if (question->ambiguous)
		return json_string("two workloads of the policy claim it");
	if (!question->workload) {
		bridge = governed_bridge(&policy->node, &question->domain);
		return bridge ? json_sprintf("it is no workload of the policy, "
					     "but has a NIC on %s",
					     bridge)
			      : NULL;
	}
	why = check_origin(question);
	if (why)
		return why;
	r = clo_sandbox_look(node, question->workload, question->xml, NULL,
			     &sandbox);
	if (r < 0)
		return json_sprintf("its sandbox cannot be checked: %s",
				    strerrordesc_np(-r));
	return clo_sandbox_first(sandbox);
}

/* "prepare": nothing of it exists yet, and no file was relabelled. */
static json_t *answer_begin(struct clo_node *node, struct question *question)
{
	json_t *why = object(node, question);
	int r;

	if (why)
		return refuse(question, why);
	if (!question->workload || strcmp(question->operation, "prepare") != 0)
		return clo_reply_accept(json_object());
	r = clo_sandbox_prepare(node, question->workload, &question->domain);
	return r < 0 ? refuse(question,
			      json_sprintf("its sandbox cannot be made: %s",
					   strerrordesc_np(-r)))
		     : clo_reply_accept(json_object());
}

static bool guarded(struct clo_node *node, const char *uuid)
{
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_tap *tap = &node->inventory->taps[i];

		if (strcmp(tap->domain, uuid) == 0 &&
		    !clo_tend_guarded(node, tap->ifindex))
			return false;
	}
	return true;
}

/* "start": its taps exist, QEMU does not. */
static json_t *answer_start(struct clo_node *node, struct question *question)
{
	bool changed;
	char uuid[37];
	int r;

	memcpy(uuid, question->domain.uuid, sizeof(uuid));
	if (!node->force)
		return clo_reply_accept(json_object());
	r = clo_node_announce(node, &question->domain);
	if (r == 0)
		r = clo_tend_reconcile(node, &changed);
	if (r == 0 && !guarded(node, uuid))
		r = -EIO;
	if (r == 0)
		return clo_reply_accept(json_object());
	return clo_reply_failure("its taps cannot be guarded", r);
}

static json_t *answer_end(struct clo_node *node, struct question *question)
{
	clo_node_retract(node, question->domain.uuid);
	if (strcmp(question->operation, "release") == 0)
		clo_sandbox_release(question->domain.uuid);
	return clo_reply_accept(json_object());
}

static json_t *answer_nothing(struct clo_node *node, struct question *question)
{
	(void)node;
	(void)question;
	return clo_reply_accept(json_object());
}

static const struct operation {
	const char *name;
	json_t *(*answer)(struct clo_node *node, struct question *question);
} operations[] = {
	{"attach", answer_begin},  {"migrate", answer_begin},
	{"prepare", answer_begin}, {"reconnect", answer_nothing},
	{"release", answer_end},   {"restore", answer_begin},
	{"start", answer_start},   {"started", answer_nothing},
	{"stopped", answer_end},
};

json_t *clo_hook_answer(struct clo_node *node, const json_t *request)
{
	__attribute__((cleanup(question_done))) struct question question = {
		.operation = json_string_value(
			json_object_get(request, "operation")),
		.xml = json_string_value(json_object_get(request, "xml")),
	};
	int r;

	if (!question.operation || !question.xml)
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"hook needs operation and xml");
	r = clo_virt_parse(question.xml, &question.domain);
	if (r < 0)
		return clo_reply_refuse(CLO_EXIT_REFUSED,
					"its XML cannot be understood");
	question.workload =
		clo_inventory_workload(node->force ? node->force->policy : NULL,
				       &question.domain, &question.ambiguous);
	for (size_t i = 0; i < CLO_ARRAY_LEN(operations); i++)
		if (strcmp(operations[i].name, question.operation) == 0)
			return operations[i].answer(node, &question);
	return clo_reply_refuse(CLO_EXIT_USAGE, "no such hook operation");
}
