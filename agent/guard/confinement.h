/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/auto.h"
#include "agent/guard/cpus.h"
#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * How one process is confined, as the kernel says in a directory like /proc;
 * see proc(5). Landlock does not show there: canary.h.
 */
#define CLO_CONFINEMENT_TEXT_MAX 65536U /* bytes of one file */
#define CLO_CONFINEMENT_GROUPS_MAX 32U
#define CLO_CONFINEMENT_HELD_MAX 4096U /* descriptors */
#define CLO_CONFINEMENT_TASKS_MAX 4096U

/* X(id, name in /proc/PID): what must be there and can be read. */
#define CLO_CONFINEMENT_PARTS(X)                                               \
	X(STATUS, "status")                                                    \
	X(TASKS, "task")                                                       \
	X(EXE, "exe")                                                          \
	X(CGROUP, "cgroup")                                                    \
	X(LIMITS, "limits")                                                    \
	X(MOUNTS, "ns/mnt")                                                    \
	X(HELD, "fd")

enum clo_confinement_part {
#define CLO_PART_ID(id, name) CLO_CONFINEMENT_##id,
	CLO_CONFINEMENT_PARTS(CLO_PART_ID)
#undef CLO_PART_ID
	CLO_CONFINEMENT_N_PARTS
};

enum clo_capabilities {
	CLO_INHERITABLE,
	CLO_PERMITTED,
	CLO_EFFECTIVE,
	CLO_BOUNDING,
	CLO_AMBIENT,
	CLO_N_CAPABILITIES
};

/* A task's, which all of a process must have alike. */
struct clo_credentials {
	uint32_t uids[4]; /* real, effective, saved, file system */
	uint32_t gids[4];
	uint32_t groups[CLO_CONFINEMENT_GROUPS_MAX];
	uint32_t n_groups; /* UINT32_MAX: more than can be told */
	uint32_t seccomp; /* 2: filtered */
	uint32_t filters;
	uint32_t no_new_privs;
	uint64_t capabilities[CLO_N_CAPABILITIES];
};

/* An open descriptor. */
struct clo_held {
	int fd;
	mode_t type; /* S_IFREG and so on; 0: anonymous (epoll, eventfd) */
	dev_t dev, rdev;
	ino_t ino;
	uid_t uid;
	bool writable;
	char *what; /* path as /proc has it; a socket's protocol: "TCP" */
};

struct clo_confinement {
	pid_t pid;
	uint64_t started; /* ticks since boot: the same pid, the same process */
	unsigned int missing; /* 1 << clo_confinement_part: not to be read */
	unsigned int cut; /* the same: more than is read */
	struct clo_credentials credentials;
	size_t n_tasks, n_odd; /* odd: of other credentials */
	struct clo_cpus cpus; /* where its tasks may run */
	bool locked; /* all of its memory that could be swapped */
	char *exe; /* as /proc has it */
	bool exe_same; /* what it executes is what the binary's path has now */
	char *cgroup; /* all lines */
	uint64_t mounts, host_mounts; /* namespaces; of process 1, or ours */
	uint64_t core; /* hard limit in bytes; UINT64_MAX: unlimited */
	int mergeable; /* KSM may merge its pages: 1, 0; -1: not said */
	int64_t merged; /* pages; -1: not said */
	struct clo_held *held;
	size_t n_held;
};

/*
 * `proc`: a directory like /proc. `binary`: the path of the real QEMU. A
 * process that ends or is replaced meanwhile: -ESRCH; else 0 or -ENOMEM.
 */
int clo_confinement_read(int proc, pid_t pid, const char *binary,
			 struct clo_confinement **ret_confinement);
void clo_confinement_free(struct clo_confinement *confinement);
CLO_DEFINE_FREEP(clo_confinement)

/* What it must be; all borrowed. */
struct clo_confinement_rule {
	const struct clo_profile *profile;
	/* of other workloads, to say whose a foreign file is */
	const struct clo_profile *const *others;
	size_t n_others;
	const char *binary;
	bool private_mounts; /* libvirt gives each domain a /dev of its own */
	unsigned int filters; /* of seccomp at least: ours and QEMU's own */
	const gid_t *groups; /* supplementary ones that are allowed */
	size_t n_groups;
};

/* 0 with findings added, maybe none; -ENOMEM. */
int clo_confinement_check(const struct clo_confinement *confinement,
			  const struct clo_confinement_rule *rule,
			  struct clo_findings *findings);
