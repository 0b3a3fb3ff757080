/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/auto.h"

/*
 * What the emulator's wrapper is told about one domain: a file that the daemon
 * writes before libvirt starts it, and that only root can write.
 *
 *   cloison-sandbox 1
 *   uid 200001
 *   gid 200001
 *   filter allow
 *   read /srv/bases
 *   write /var/lib/cloison-tenants/acme/production/web-1
 *
 * The first line names the version. Paths are absolute and plain; a directory
 * stands for all that is below it. `filter deny`: the system calls that are
 * known to be harmful are refused, and not all that are not known.
 */

#define CLO_SANDBOX_DIR "/run/cloison/sandbox"
#define CLO_SANDBOX_TEXT_MAX 65536U
#define CLO_SANDBOX_PATHS_MAX 64U
#define CLO_SANDBOX_PATH_MAX 256U

struct clo_sandbox_path {
	bool writable;
	char path[CLO_SANDBOX_PATH_MAX];
};

struct clo_sandbox_file {
	uid_t uid;
	gid_t gid;
	bool allow_list;
	size_t n_paths;
	struct clo_sandbox_path paths[CLO_SANDBOX_PATHS_MAX];
};

/* 0, -E2BIG for one path too many, or -EINVAL for one that is not plain. */
int clo_sandbox_file_add(struct clo_sandbox_file *file, bool writable,
			 const char *path);
/* 0, or -EINVAL, with the number of the line that is wrong. */
int clo_sandbox_file_parse(const char *text, size_t len,
			   struct clo_sandbox_file *ret_file,
			   unsigned int *ret_line);
/*
 * The file `uuid` of a directory: read only if it is root's, and nobody else
 * can write it or its directory (-EPERM), or atomically written for root and
 * the sandbox's group.
 */
int clo_sandbox_file_read(int dirfd, const char *uuid,
			  struct clo_sandbox_file *ret_file,
			  unsigned int *ret_line);
int clo_sandbox_file_write(int dirfd, const char *uuid,
			   const struct clo_sandbox_file *file);
/* Lower-case hexadecimal digits and dashes, as libvirt writes it. */
bool clo_sandbox_uuid_valid(const char *uuid);
/*
 * Absolute and plain: neither "." nor ".." nor nothing between two slashes, no
 * slash at the end, printable ASCII.
 */
bool clo_sandbox_path_valid(const char *path);
