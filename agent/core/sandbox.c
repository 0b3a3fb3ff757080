/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/guard/accounts.h"
#include "agent/guard/files.h"
#include "agent/guard/partition.h"
#include "agent/guard/passthrough.h"
#include "agent/guard/place.h"
#include "agent/guard/process.h"
#include "agent/guard/sandbox_file.h"
#include "agent/guard/users.h"
#include "agent/guard/xml_check.h"

static int look_devices(struct clo_sandbox *sandbox, const char *xml,
			bool running)
{
	CLO_AUTO_FD int proc = -1;
	CLO_AUTO_FD int sys = -1;

	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sys = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || sys < 0)
		return -errno;
	return clo_passthrough_check(proc, sys, xml, sandbox->profile, running,
				     &sandbox->findings);
}

static int look_process(struct clo_sandbox *sandbox, const char *domain)
{
	CLO_AUTO_FD int state = -1;
	CLO_AUTO_FD int proc = -1;
	pid_t pid = 0;
	int r;

	state = open(CLO_LIBVIRT_STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = state < 0 ? -errno : clo_process_find(state, domain, &pid);
	if (r < 0)
		return clo_finding_add(&sandbox->findings,
				       "sbx.guest-confinement", domain,
				       "has no process that libvirt knows of");
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	return clo_process_check(proc, pid, sandbox->profile,
				 &sandbox->findings, &sandbox->process);
}

static int look_accounts(struct clo_sandbox *sandbox, const char *xml)
{
	CLO_AUTO_FD int etc = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLO_AUTO_FD int dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct clo_accounts accounts = {etc, dev,
					      !clo_xml_is_emulated(xml)};

	return etc < 0 || dev < 0
		       ? -errno
		       : clo_accounts_check(&accounts, sandbox->profile,
					    &sandbox->findings);
}

int clo_sandbox_profile(const struct clo_node *node,
			const struct clo_workload_doc *workload,
			struct clo_profile **ret_profile)
{
	int r = clo_profile_new(node->force->policy, workload,
				node->options->emulator, ret_profile);

	if (r == 0)
		(*ret_profile)->weighs = clo_partition_weighs(CLO_CGROUP_ROOT);
	return r;
}

int clo_sandbox_look(struct clo_node *node,
		     const struct clo_workload_doc *workload, const char *xml,
		     const char *running, struct clo_sandbox **ret_sandbox)
{
	CLO_AUTO(clo_sandbox) struct clo_sandbox *sandbox = NULL;
	int r;

	sandbox = calloc(1, sizeof(*sandbox));
	if (!sandbox)
		return -ENOMEM;
	r = clo_sandbox_profile(node, workload, &sandbox->profile);
	if (r < 0)
		return r;
	r = clo_xml_check(xml, sandbox->profile, &sandbox->findings);
	if (r == 0)
		r = clo_files_check(xml, sandbox->profile, running,
				    &sandbox->findings);
	if (r == 0)
		r = look_devices(sandbox, xml, running);
	if (r == 0)
		r = look_accounts(sandbox, xml);
	if (r == 0 && running)
		r = look_process(sandbox, running);
	if (r < 0)
		return r;

	*ret_sandbox = CLO_TAKE(sandbox);
	return 0;
}

void clo_sandbox_free(struct clo_sandbox *sandbox)
{
	if (!sandbox)
		return;

	clo_findings_done(&sandbox->findings);
	clo_confinement_free(sandbox->process);
	clo_profile_free(sandbox->profile);
	free(sandbox);
}

json_t *clo_sandbox_first(const struct clo_sandbox *sandbox)
{
	const struct clo_finding *first = sandbox->findings.list;
	size_t n = sandbox->findings.n;

	if (n == 0)
		return NULL;
	if (n == 1)
		return json_sprintf("%s: %s", first->where, first->text);
	return json_sprintf("%s: %s (and %zu more)", first->where, first->text,
			    n - 1);
}

enum clo_response clo_sandbox_response(const struct clo_node *node,
				       const char *control)
{
	const struct clo_sandbox_doc *doc = &node->force->policy->node.sandbox;

	for (size_t i = 0; i < doc->n_responses; i++)
		if (strcmp(doc->responses[i].control, control) == 0)
			return doc->responses[i].response;
	return doc->response;
}

static void repair(const struct clo_node *node,
		   const struct clo_sandbox *sandbox)
{
	int r = clo_place_make(node->force->policy->node.sandbox.directory,
			       sandbox->profile);

	if (r == 0)
		r = clo_files_repair(&sandbox->findings, sandbox->profile);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_WARN, r, "files of %s not repaired",
				    sandbox->profile->workload);
}

static int quarantine(struct clo_node *node, const struct clo_sandbox *sandbox,
		      const struct clo_virt_domain *domain)
{
	if (clo_node_confined(node, domain->uuid))
		return 0;
	clo_log(CLO_LOG_WARN, "quarantine workload=%s domain=%s",
		sandbox->profile->workload, domain->name);
	return clo_node_confine(node, domain->uuid);
}

/* Nothing happens where it is suspended; who resumed it has it so again. */
static void suspend(struct clo_node *node, const struct clo_sandbox *sandbox,
		    const struct clo_virt_domain *domain)
{
	int r = node->suspender
			? clo_virt_suspender_ask(node->suspender, domain->uuid,
						 domain->id)
			: -ENOTCONN;

	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r,
				    "not suspended workload=%s domain=%s",
				    sandbox->profile->workload, domain->name);
}

int clo_sandbox_respond(struct clo_node *node,
			const struct clo_sandbox *sandbox,
			const struct clo_virt_domain *domain)
{
	enum clo_response worst = CLO_RESPONSE_REPORT;
	int r = 0;

	for (size_t i = 0; i < sandbox->findings.n; i++) {
		enum clo_response response = clo_sandbox_response(
			node, sandbox->findings.list[i].control);

		worst = response > worst ? response : worst;
	}
	if (worst >= CLO_RESPONSE_REPAIR)
		repair(node, sandbox);
	if (worst >= CLO_RESPONSE_QUARANTINE)
		r = quarantine(node, sandbox, domain);
	if (worst >= CLO_RESPONSE_SUSPEND)
		suspend(node, sandbox, domain);
	return r;
}

/* What QEMU opens: its own directory, and what everybody may read. */
static int describe(const struct clo_profile *profile,
		    struct clo_sandbox_file *file)
{
	int r;

	file->uid = profile->uid;
	file->gid = profile->gid;
	file->allow_list = !profile->deny_list;
	r = clo_sandbox_file_add(file, true, profile->directory);
	for (size_t i = 0; r == 0 && i < profile->n_bases; i++)
		r = clo_sandbox_file_add(file, false, profile->bases[i]);
	return r;
}

static int open_files(void)
{
	int fd;

	if (mkdir(CLO_SANDBOX_DIR, 0711) < 0 && errno != EEXIST)
		return -errno;
	fd = open(CLO_SANDBOX_DIR,
		  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0711) < 0) { /* whatever the umask is */
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

int clo_sandbox_prepare(struct clo_node *node,
			const struct clo_workload_doc *workload,
			const struct clo_virt_domain *domain)
{
	const struct clo_policy *policy = node->force->policy;
	CLO_AUTO(clo_profile) struct clo_profile *profile = NULL;
	CLO_AUTO_MEM struct clo_sandbox_file *file = NULL;
	CLO_AUTO_FD int dirfd = -1;
	int r;

	r = clo_sandbox_profile(node, workload, &profile);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = clo_place_make(policy->node.sandbox.directory, profile);
	if (r < 0)
		return r;
	r = clo_partition_make(CLO_CGROUP_ROOT, profile->partition);
	if (r < 0)
		return r;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	r = describe(profile, file);
	if (r < 0)
		return r;
	dirfd = open_files();
	return dirfd < 0 ? dirfd
			 : clo_sandbox_file_write(dirfd, domain->uuid, file);
}

void clo_sandbox_release(const char *uuid)
{
	CLO_AUTO_FD int dirfd = -1;

	dirfd = open(CLO_SANDBOX_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd >= 0 && clo_sandbox_uuid_valid(uuid))
		(void)unlinkat(dirfd, uuid, 0);
}

int clo_sandbox_settle(struct clo_node *node)
{
	const struct clo_policy *policy = node->force->policy;
	int worst = clo_users_settle(CLO_USERS_DIR, policy);

	if (worst < 0)
		(void)clo_log_errno(CLO_LOG_ERR, worst,
				    "users of the sandboxes not told");
	for (size_t i = 0; i < policy->n_workloads; i++) {
		CLO_AUTO(clo_profile) struct clo_profile *profile = NULL;
		int r = clo_profile_new(policy, &policy->workloads[i],
					node->options->emulator, &profile);

		if (r == 0)
			r = clo_place_make(policy->node.sandbox.directory,
					   profile);
		if (r < 0 && r != -ENOENT)
			worst = clo_log_errno(CLO_LOG_ERR, r,
					      "directory of workload %s",
					      policy->workloads[i].name);
	}
	return worst;
}
