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

	n = snprintf(ret_path, CLO_BPF_PATH_MAX, "%s/%s", bpf->dir, name);
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

int clo_bpf_dir_open(struct clo_bpf *bpf, bool create)
{
	CLO_AUTO_FD int fd = -1;
	bool made = false;
	int r;

	if (create) {
		made = mkdir(bpf->dir, 0700) == 0;
		if (!made && errno != EEXIST)
			return -errno;
	}
	fd = open(bpf->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = require_bpffs(fd, bpf->dir);
	if (r < 0) {
		if (made)
			(void)rmdir(bpf->dir);
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	r = require_same(fd, bpf->dir);
	if (r < 0)
		return r;
	if (fchmod(fd, 0700) < 0)
		return -errno;

	bpf->dir_fd = clo_take_fd(&fd);
	return 0;
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
	(void)ftw;
	return remove(path) < 0 ? -errno : 0;
}

int clo_bpf_dir_wipe(const struct clo_bpf *bpf, const char *name)
{
	char path[CLO_BPF_PATH_MAX];
	int r;

	r = clo_bpf_path(bpf, path, "%s", name);
	if (r < 0)
		return r;
	r = nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (r == -1)
		r = -errno;

	return r == -ENOENT ? 0 : r;
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
