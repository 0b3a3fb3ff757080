/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/core/audit_impl.h"

/* `response`: what will be done about it; NULL: nothing. */
static int note(struct clo_audit *audit,
		const struct clo_workload_doc *workload,
		const struct clo_finding *finding, const char *response)
{
	const char *colon = response ? "; response: " : "";
	char scope[CLO_SCOPE_MAX];
	char text[192];

	response = response ? response : "";
	clo_scope_name(workload->tenant, workload->environment, scope);
	(void)snprintf(text, sizeof(text),
		       "the sandbox of workload %.63s is not as it must be%s%s",
		       workload->name, colon, response);
	return clo_problem_scoped(
		clo_problem_add(&audit->problems, finding->control,
				"%s/%s: %s: %s%s%s", scope, workload->name,
				finding->where, finding->text, colon, response),
		scope, NULL, text);
}

static int note_all(struct clo_node *node, struct clo_audit *audit,
		    const struct clo_workload_doc *workload,
		    const struct clo_findings *findings)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < findings->n; i++) {
		enum clo_response response =
			clo_sandbox_response(node, findings->list[i].control);

		r = note(audit, workload, &findings->list[i],
			 response == CLO_RESPONSE_REPORT
				 ? NULL
				 : clo_response_name(response));
	}
	return r;
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
				    .text = (char[]){"cannot be looked at"}},
			    NULL);
	r = note_all(node, audit, workload, &sandbox->findings);
	if (r < 0)
		return r;
	audit->sandboxes[audit->n_sandboxes++] =
		(struct clo_sandboxed){domain, workload, CLO_TAKE(sandbox)};
	return 0;
}

int clo_audit_sandboxes(struct clo_node *node, struct clo_audit *audit)
{
	int r = 0;

	if (!node->force || !node->force->policy->node.sandbox.present)
		return 0;
	audit->sandboxes =
		calloc(node->n_domains + 1, sizeof(*audit->sandboxes));
	if (!audit->sandboxes)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < node->n_domains; i++)
		r = check_domain(node, audit, &node->domains[i]);
	return r;
}
