/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>

#include "agent/core/audit_impl.h"
#include "agent/guard/host.h"
#include "agent/guard/partition.h"

#define CONTROL "sbx.shared-resources"

/* Kernel same-page merging tells one guest what another has in memory. */
static int check_merging(struct clo_audit *audit, const struct clo_host *host)
{
	if (!host->merges)
		return 0;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, CONTROL,
				"KSM merges pages of guests: write 2 to "
				"/sys/kernel/mm/ksm/run"));
}

static int check_swap(struct clo_audit *audit, const struct clo_host *host,
		      int cgroups, const struct clo_sandboxed *one)
{
	char scope[CLO_SCOPE_MAX];
	char text[160];

	if (!clo_host_swaps(host, cgroups, one->sandbox->process))
		return 0;
	clo_scope_name(one->workload->tenant, one->workload->environment,
		       scope);
	(void)snprintf(text, sizeof(text),
		       "the host may write memory of workload %.63s to a disk",
		       one->workload->name);
	return clo_problem_scoped(
		clo_problem_add(&audit->problems, CONTROL,
				"%s/%s: domain %s may be swapped to %s, which "
				"is neither memory nor encrypted: swapoff it, "
				"set MemorySwapMax=0 of machine.slice, or have "
				"<locked/> in its <memoryBacking>",
				scope, one->workload->name, one->domain->name,
				host->swap),
		scope, NULL, text);
}

static bool in_one_scope(const struct clo_sandboxed *a,
			 const struct clo_sandboxed *b)
{
	return a->workload->tenant == b->workload->tenant &&
	       a->workload->environment == b->workload->environment;
}

/* The first of another scope that may run on one of these CPUs. */
static const struct clo_sandboxed *stranger_on(const struct clo_audit *audit,
					       const struct clo_sandboxed *one,
					       const struct clo_cpus *cpus)
{
	for (size_t i = 0; i < audit->n_sandboxes; i++) {
		const struct clo_sandboxed *other = &audit->sandboxes[i];

		if (other->sandbox->process && !in_one_scope(one, other) &&
		    clo_cpus_meet(cpus, &other->sandbox->process->cpus))
			return other;
	}
	return NULL;
}

/* Threads of one core share its caches, and what leaks from them. */
static int check_cores(struct clo_audit *audit, const struct clo_host *host,
		       const struct clo_sandboxed *one)
{
	const struct clo_sandboxed *other;
	char theirs[CLO_SCOPE_MAX];
	char scope[CLO_SCOPE_MAX];
	struct clo_cpus beside;
	char text[200];

	clo_host_beside(host, &one->sandbox->process->cpus, &beside);
	other = stranger_on(audit, one, &beside);
	if (!other)
		return 0;
	clo_scope_name(one->workload->tenant, one->workload->environment,
		       scope);
	clo_scope_name(other->workload->tenant, other->workload->environment,
		       theirs);
	(void)snprintf(text, sizeof(text),
		       "workload %.63s may run on one core together with a "
		       "guest of another tenant or environment",
		       one->workload->name);
	return clo_problem_scoped(
		clo_problem_add(&audit->problems, CONTROL,
				"%s/%s: domain %s may run on one core together "
				"with domain %s of %s/%s: switch SMT off, or "
				"give each scope cores of its own by "
				"<vcpu cpuset='...'>",
				scope, one->workload->name, one->domain->name,
				other->domain->name, theirs,
				other->workload->name),
		scope, NULL, text);
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int clo_audit_host(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO(clo_host) struct clo_host *host = NULL;
	CLO_AUTO_FD int proc = open_directory("/proc");
	CLO_AUTO_FD int sys = open_directory("/sys");
	CLO_AUTO_FD int cgroups = open_directory(CLO_CGROUP_ROOT);
	int r;

	if (!node->force || !node->force->policy->node.sandbox.present)
		return 0;
	r = clo_host_read(proc, sys, &host);
	if (r == 0)
		r = check_merging(audit, host);
	for (size_t i = 0; r == 0 && i < audit->n_sandboxes; i++) {
		const struct clo_sandboxed *one = &audit->sandboxes[i];

		if (!one->sandbox->process)
			continue;
		r = check_swap(audit, host, cgroups, one);
		if (r == 0)
			r = check_cores(audit, host, one);
	}
	return r;
}
