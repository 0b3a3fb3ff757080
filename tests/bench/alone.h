/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/sys/bpf.h"
#include "bench/bench.h"

/*
 * Tables in the kernel without interfaces: a bpffs and a network namespace of
 * this process alone.
 */
struct alone {
	char mount_point[32];
	char dir[64];
	struct clo_bpf *bpf;
};

/* False, and said: no privileges, exit status 77. Other failures end it. */
static inline bool alone_open(struct alone *alone, const char *bench)
{
	struct clo_bpf_config config = {.connections = 1024, .dir = alone->dir};
	bool adopted;

	if (geteuid() != 0) {
		(void)fprintf(stderr, "%s: needs root\n", bench);
		return false;
	}
	bench_check(unshare(CLONE_NEWNET | CLONE_NEWNS) ? -errno : 0,
		    "unshare");
	bench_check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno
									: 0,
		    "mount");
	(void)snprintf(alone->mount_point, sizeof(alone->mount_point),
		       "/tmp/cloison-bench-XXXXXX");
	bench_check(mkdtemp(alone->mount_point) ? 0 : -errno, "mkdtemp");
	bench_check(mount("bpf", alone->mount_point, "bpf", 0, NULL) ? -errno
								     : 0,
		    "mount");
	(void)snprintf(alone->dir, sizeof(alone->dir), "%s/node",
		       alone->mount_point);
	bench_check(clo_bpf_open(&config, &alone->bpf, &adopted), "open");
	return true;
}

static inline void alone_close(struct alone *alone)
{
	clo_bpf_free(alone->bpf);
	bench_check(clo_bpf_remove(alone->dir), "remove");
	(void)umount2(alone->mount_point, MNT_DETACH);
	(void)rmdir(alone->mount_point);
}
