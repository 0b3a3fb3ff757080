/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/core/audit_impl.h"
#include "agent/core/sandbox.h"
#include "agent/guard/files.h"
#include "agent/guard/place.h"

/* What the policy wants done about a finding of this control. */
static enum clo_response response_to(const struct clo_sandbox_doc *doc,
				     const char *control)
{
	for (size_t i = 0; i < doc->n_responses; i++)
		if (strcmp(doc->responses[i].control, control) == 0)
			return doc->responses[i].response;
	return doc->response;
}

static int note(struct clo_audit *audit,
		const struct clo_workload_doc *workload,
		const struct clo_finding *finding)
{
	char scope[CLO_SCOPE_MAX];
	char text[160];

	clo_scope_name(workload->tenant, workload->environment, scope);
	(void)snprintf(text, sizeof(text),
		       "the sandbox of workload %.63s is not as it must be",
		       workload->name);
	return clo_problem_scoped(
		clo_problem_add(&audit->problems, finding->control,
				"%s/%s: %s: %s", scope, workload->name,
				finding->where, finding->text),
		scope, NULL, text);
}

/* The strictest response to what was found of one workload. */
static int respond(struct clo_node *node, const struct clo_sandbox *sandbox,
		   const struct clo_virt_domain *domain)
{
	const struct clo_sandbox_doc *doc = &node->force->policy->node.sandbox;
	enum clo_response worst = CLO_RESPONSE_REPORT;
	int r = 0;

	for (size_t i = 0; i < sandbox->findings.n; i++) {
		enum clo_response response =
			response_to(doc, sandbox->findings.list[i].control);

		worst = response > worst ? response : worst;
	}
	if (worst >= CLO_RESPONSE_REPAIR) {
		r = clo_place_make(doc->directory, sandbox->profile);
		if (r == 0)
			r = clo_files_repair(&sandbox->findings,
					     sandbox->profile);
		if (r < 0)
			(void)clo_log_errno(CLO_LOG_WARN, r,
					    "files of %s not repaired",
					    sandbox->profile->workload);
	}
	if (worst != CLO_RESPONSE_QUARANTINE ||
	    clo_node_confined(node, domain->uuid))
		return 0;
	clo_log(CLO_LOG_WARN, "quarantine workload=%s domain=%s",
		sandbox->profile->workload, domain->name);
	return clo_node_confine(node, domain->uuid);
}

static int check_domain(struct clo_node *node, struct clo_audit *audit,
			const struct clo_virt_domain *domain)
{
	CLO_AUTO(clo_sandbox) struct clo_sandbox *sandbox = NULL;
	const struct clo_workload_doc *workload;
	bool ambiguous;
	int r;

	workload =
		clo_inventory_workload(node->force->policy, domain, &ambiguous);
	if (!workload || !domain->xml)
		return 0;
	r = clo_sandbox_look(node, workload, domain->xml, domain->name,
			     &sandbox);
	if (r == -ENOENT)
		return 0;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return note(audit, workload,
			    &(struct clo_finding){
				    .control = "sbx.guest-confinement",
				    .where = domain->name,
				    .text = (char[]){"cannot be looked at"}});
	for (size_t i = 0; i < sandbox->findings.n; i++) {
		r = note(audit, workload, &sandbox->findings.list[i]);
		if (r < 0)
			return r;
	}
	audit->n_sandboxes++;
	return respond(node, sandbox, domain);
}

/* Kernel same-page merging tells one guest what another has in memory. */
static int check_merging(struct clo_audit *audit)
{
	CLO_AUTO_FD int fd =
		open("/sys/kernel/mm/ksm/run", O_RDONLY | O_CLOEXEC);
	char state = '0';

	if (fd < 0 || read(fd, &state, 1) != 1 || state != '1')
		return 0;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "sbx.shared-resources",
				"KSM merges pages of guests: write 2 to "
				"/sys/kernel/mm/ksm/run"));
}

int clo_audit_sandboxes(struct clo_node *node, struct clo_audit *audit)
{
	int r;

	if (!node->force || !node->force->policy->node.sandbox.present)
		return 0;
	r = check_merging(audit);
	for (size_t i = 0; r == 0 && i < node->n_domains; i++)
		r = check_domain(node, audit, &node->domains[i]);
	return r;
}
