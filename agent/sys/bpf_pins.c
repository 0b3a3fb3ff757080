/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

#define FD_PATH "/proc/self/fd/%d/%s"
#define DEPTH_MAX 3 /* link/<ifindex>/<pin> */

static void dir_freep(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

int clo_bpf_path(const struct clo_bpf *bpf, char ret_path[CLO_BPF_PATH_MAX],
		 const char *fmt, ...)
{
	char name[CLO_BPF_PATH_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(name))
		return -ENAMETOOLONG;

	/*
	 * Below the directory that we hold, not below its name: another mount
	 * may hide that.
	 */
	n = snprintf(ret_path, CLO_BPF_PATH_MAX, FD_PATH, bpf->dir_fd, name);
	if (n < 0 || n >= CLO_BPF_PATH_MAX)
		return -ENAMETOOLONG;

	return 0;
}

static int require_bpffs(int fd, const char *dir)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;

	clo_log(CLO_LOG_ERR, "pins must lie on a bpffs (mount -t bpf) dir=%s",
		dir);
	return -EINVAL;
}

/* The name still leads to what we locked: nobody removed it meanwhile. */
static int require_same(int fd, const char *dir)
{
	struct stat held;
	struct stat named;

	if (fstat(fd, &held) < 0 || stat(dir, &named) < 0)
		return -errno;

	return held.st_ino == named.st_ino && held.st_dev == named.st_dev
		       ? 0
		       : -EBUSY;
}

static int dir_take(const char *dir, bool create, int *ret_fd)
{
	CLO_AUTO_FD int fd = -1;
	bool made = false;
	int r;

	if (create) {
		made = mkdir(dir, 0700) == 0;
		if (!made && errno != EEXIST)
			return -errno;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = require_bpffs(fd, dir);
	if (r < 0) {
		if (made)
			(void)rmdir(dir);
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	r = require_same(fd, dir);
	if (r < 0)
		return r;
	if (fchmod(fd, 0700) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

int clo_bpf_dir_open(struct clo_bpf *bpf, bool create)
{
	return dir_take(bpf->dir, create, &bpf->dir_fd);
}

int clo_bpf_dir_make(const struct clo_bpf *bpf, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;

	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	if (ftw->level == 0)
		return 0;
	return remove(path) < 0 ? -errno : 0;
}

static int wipe(const char *path)
{
	int r = nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	if (r == -1)
		r = -errno;
	return r == -ENOENT ? 0 : r;
}

int clo_bpf_dir_wipe(const struct clo_bpf *bpf, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	return r < 0 ? r : wipe(path);
}

int clo_bpf_dir_remove(const struct clo_bpf *bpf)
{
	int r = clo_bpf_dir_wipe(bpf, ".");

	if (r < 0)
		return r;
	return rmdir(bpf->dir) < 0 ? -errno : 0;
}

static int copy_pin(int from, int to, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	CLO_AUTO_FD int fd = -1;

	(void)snprintf(path, sizeof(path), FD_PATH, from, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	(void)snprintf(path, sizeof(path), FD_PATH, to, name);
	return bpf_obj_pin(fd, path);
}

static int copy_dir(int from, int to, int depth);

static int copy_subdir(int from, int to, const char *name, int depth)
{
	CLO_AUTO_FD int below = -1;
	CLO_AUTO_FD int above = -1;

	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	below = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	above = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (below < 0 || above < 0)
		return -errno;
	return copy_dir(below, above, depth + 1);
}

/* Everything that is pinned below `from`, also below `to`. */
static int copy_dir(int from, int to, int depth)
{
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	const struct dirent *entry;
	int r = 0;
	int fd;

	if (depth > DEPTH_MAX)
		return -ELOOP; /* nothing that we made */
	fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		r = entry->d_type == DT_DIR
			    ? copy_subdir(from, to, entry->d_name, depth)
			    : copy_pin(from, to, entry->d_name);
	}
	return r;
}

int clo_bpf_pins_check(const struct clo_bpf *bpf)
{
	return require_same(bpf->dir_fd, bpf->dir);
}

int clo_bpf_pins_restore(struct clo_bpf *bpf)
{
	char path[CLO_BPF_PATH_MAX];
	CLO_AUTO_FD int fd = -1;
	int r;

	if (clo_bpf_pins_check(bpf) == 0)
		return 0;
	r = dir_take(bpf->dir, true, &fd);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), FD_PATH, fd, ".");
	r = wipe(path);
	if (r == 0)
		r = copy_dir(bpf->dir_fd, fd, 0);
	if (r < 0)
		return r;

	clo_fd_closep(&bpf->dir_fd);
	bpf->dir_fd = clo_take_fd(&fd);
	return 0;
}

int clo_bpf_dir_is_empty(const struct clo_bpf *bpf, const char *name)
{
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	char path[CLO_BPF_PATH_MAX];
	const struct dirent *entry;
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 1 : -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return 0;

	return 1;
}

int clo_bpf_pin(const struct clo_bpf *bpf, int fd, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	char fresh[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	r = clo_bpf_path(bpf, fresh, "%s-new", name);
	if (r < 0)
		return r;
	if (unlink(fresh) < 0 && errno != ENOENT)
		return -errno;
	r = bpf_obj_pin(fd, fresh);
	if (r < 0)
		return r;
	if (rename(fresh, path) < 0) {
		r = -errno;
		(void)unlink(fresh);
		return r;
	}

	return 0;
}

int clo_bpf_unpin(const struct clo_bpf *bpf, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;

	return 0;
}

int clo_bpf_pin_open(const struct clo_bpf *bpf, const char *name, int *ret_fd)
{
	char path[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	r = bpf_obj_get(path);
	if (r < 0)
		return r;

	*ret_fd = r;
	return 0;
}

static int ifindexes_add(__u32 **ifindexes, size_t *n, const char *name)
{
	unsigned long ifindex;
	__u32 *larger;
	char *end;

	ifindex = strtoul(name, &end, 10);
	if (*end || ifindex == 0 || ifindex > INT32_MAX)
		return 0; /* not a name that we make */

	larger = reallocarray(*ifindexes, *n + 1, sizeof(**ifindexes));
	if (!larger)
		return -ENOMEM;
	larger[(*n)++] = (__u32)ifindex;
	*ifindexes = larger;
	return 0;
}

int clo_bpf_pinned_ifindexes(const struct clo_bpf *bpf, __u32 **ret_ifindexes,
			     size_t *ret_n)
{
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	CLO_AUTO_MEM __u32 *ifindexes = NULL;
	char path[CLO_BPF_PATH_MAX];
	const struct dirent *entry;
	size_t n = 0;
	int r;

	r = clo_bpf_path(bpf, path, "link");
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return -errno;
	while (dir && (entry = readdir(dir))) {
		r = ifindexes_add(&ifindexes, &n, entry->d_name);
		if (r < 0)
			return r;
	}

	*ret_ifindexes = CLO_TAKE(ifindexes);
	*ret_n = n;
	return 0;
}
