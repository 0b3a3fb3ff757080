/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"

#define FILE_NAME "reserve"
#define ALWAYS (1 << 20)
#define LEAST (1 << 12)

static int open_dir(const char *state_dir)
{
	return open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void clo_reserve_hold(const char *state_dir, size_t size)
{
	CLO_AUTO_FD int dirfd = open_dir(state_dir);
	CLO_AUTO_FD int fd = -1;

	if (dirfd >= 0)
		fd = openat(dirfd, FILE_NAME,
			    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	size += ALWAYS;
	while (fd >= 0 && size >= LEAST &&
	       posix_fallocate(fd, 0, (off_t)size) != 0)
		size -= size / 8;
}

bool clo_reserve_drop(const char *state_dir)
{
	CLO_AUTO_FD int dirfd = open_dir(state_dir);

	return dirfd >= 0 && unlinkat(dirfd, FILE_NAME, 0) == 0;
}

int clo_reserve_replace(const char *state_dir, const char *name,
			const char *text)
{
	int r;

	r = clo_file_replace(state_dir, name, text);
	if (r == -ENOSPC && clo_reserve_drop(state_dir))
		r = clo_file_replace(state_dir, name, text);
	clo_reserve_hold(state_dir, 2 * strlen(text));
	return r;
}
