/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/path.h"

static int enter(int dirfd, const char *name, bool one_mount)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_BENEATH |
			   (one_mount ? (unsigned int)RESOLVE_NO_XDEV : 0U),
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int take_name(const char *at, size_t len, char name[NAME_MAX + 1])
{
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, at, len);
	name[len] = '\0';
	return 0;
}

/* Links were opened as such: nothing is behind them. */
static int check(int fd, bool last, struct stat *ret_st)
{
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (S_ISLNK(ret_st->st_mode))
		return -ELOOP;
	return last || S_ISDIR(ret_st->st_mode) ? 0 : -ENOTDIR;
}

int clo_walk(int root, const char *path, size_t anchor,
	     void (*look)(void *data, const char *directory,
			  const struct stat *st),
	     void *data)
{
	CLO_AUTO_FD int fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
	CLO_AUTO_MEM char *way = NULL;
	size_t at = 1;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (strnlen(path, PATH_MAX) == PATH_MAX || !clo_path_is_plain(path))
		return -EINVAL;
	way = strdup(path);
	if (!way)
		return -ENOMEM;
	for (bool last = false; !last;) {
		size_t part = strcspn(path + at, "/");
		char name[NAME_MAX + 1];
		int r = take_name(path + at, part, name);
		int next;

		if (r < 0)
			return r;
		last = path[at + part] == '\0';
		next = enter(fd, name, anchor && at > anchor);
		clo_fd_closep(&fd);
		fd = next;
		r = fd < 0 ? fd : check(fd, last, &st);
		if (r < 0)
			return r;
		way[at + part] = '\0';
		if (!last)
			look(data, way, &st);
		way[at + part] = path[at + part];
		at += part + 1;
	}
	return clo_take_fd(&fd);
}
