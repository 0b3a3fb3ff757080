/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/auto.h"

/* As the newest kernel known here; the headers of Debian 12 know version 2. */
#define FS_READ_FILE (UINT64_C(1) << 2)
#define NET_TCP UINT64_C(3) /* 4: bind, connect */
#define SCOPE_ALL UINT64_C(3) /* 6: abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

static const struct {
	int abi;
	unsigned int rights; /* of files, from bit 0 on */
} known[] = {{5, 16}, {3, 15}, {2, 14}, {1, 13}};

/* All that a kernel of this ABI can refuse. */
static struct ruleset all_of(int abi)
{
	struct ruleset all = {0};

	for (size_t i = 0; all.fs == 0 && i < CLO_ARRAY_LEN(known); i++)
		if (abi >= known[i].abi)
			all.fs = (UINT64_C(1) << known[i].rights) - 1;
	if (abi >= 4)
		all.net = NET_TCP;
	if (abi >= 6)
		all.scoped = SCOPE_ALL;
	return all;
}

/* Older kernels refuse members that they do not know. */
static size_t size_of(int abi)
{
	size_t members = 1;

	if (abi >= 4)
		members++;
	if (abi >= 6)
		members++;
	return members * sizeof(uint64_t);
}

static int allow(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = {.allowed_access =
							  FS_READ_FILE};
	CLO_AUTO_FD int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rule.parent_fd = fd;
	return syscall(SYS_landlock_add_rule, ruleset,
		       LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

int clo_gateway_landlock(const char *const *paths, size_t n)
{
	CLO_AUTO_FD int fd = -1;
	struct ruleset all;
	int abi;
	int r;

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	all = all_of(abi);
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, size_of(abi), 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		r = allow(fd, paths[i]);
		if (r < 0)
			return r;
	}
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
