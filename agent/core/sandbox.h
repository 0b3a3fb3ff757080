/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"
#include "agent/guard/confinement.h"
#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * The sandboxes that the policy wants, made and compared with what is there.
 */

/* One workload's: what it must be, and where it is not so. */
struct clo_sandbox {
	struct clo_profile *profile;
	struct clo_findings findings;
	struct clo_confinement *process; /* NULL: none was seen */
};

/* What it must be. -ENOENT: the policy has none for this workload. */
int clo_sandbox_profile(const struct clo_node *node,
			const struct clo_workload_doc *workload,
			struct clo_profile **ret_profile);
/*
 * Compare a domain's XML, its files, the host's devices that it has, the
 * accounts of its user and the process of a running one, by its name, with the
 * profile; borrows from the policy in force. `running` NULL: it is about to
 * start. -ENOENT: it has no sandbox.
 */
int clo_sandbox_look(struct clo_node *node,
		     const struct clo_workload_doc *workload, const char *xml,
		     const char *running, struct clo_sandbox **ret_sandbox);
void clo_sandbox_free(struct clo_sandbox *sandbox);
CLO_DEFINE_FREEP(clo_sandbox)
/* The first finding in one line, and how many more; NULL: there is none. */
json_t *clo_sandbox_first(const struct clo_sandbox *sandbox);

/* What the policy wants done about a finding of this control. */
enum clo_response clo_sandbox_response(const struct clo_node *node,
				       const char *control);
/*
 * Do about the findings what the policy says of their controls, the strictest:
 * nothing, repair files, the domain's quarantine from the next look on, or that
 * and, each time that it is found running, its suspension.
 */
int clo_sandbox_respond(struct clo_node *node,
			const struct clo_sandbox *sandbox,
			const struct clo_virt_domain *domain);

/* What the emulator's wrapper reads when it starts that domain. */
int clo_sandbox_prepare(struct clo_node *node,
			const struct clo_workload_doc *workload,
			const struct clo_virt_domain *domain);
void clo_sandbox_release(const char *uuid);
/* The users of every scope, the directories of every workload. The worst of
 * what went wrong. */
int clo_sandbox_settle(struct clo_node *node);
