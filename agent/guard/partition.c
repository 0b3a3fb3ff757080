/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/partition.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/base/auto.h"

/* What libvirt may put a domain in: version 1, one each, or version 2. */
static const char *const hierarchies[] = {
	"blkio", "cpu", "cpuacct", "devices", "memory", ".", "unified",
};

/* Version 2: those below may have what is theirs to give. */
static void delegate(int fd)
{
	static const char *const controllers[] = {"+cpu", "+io", "+memory"};
	CLO_AUTO_FD int control =
		openat(fd, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	/* what is not there libvirt will say when it is needed */
	for (size_t i = 0; control >= 0 && i < CLO_ARRAY_LEN(controllers); i++)
		if (write(control, controllers[i], strlen(controllers[i])) < 0)
			continue;
}

/* A hierarchy's top has cgroup.procs; tmpfs around it has not. */
static bool is_hierarchy(int fd)
{
	return faccessat(fd, "cgroup.procs", F_OK, 0) == 0;
}

static int make_below(int fd, const char *partition)
{
	CLO_AUTO_MEM char *names = strdup(partition);
	CLO_AUTO_FD int at = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	char *rest = names;
	char *name;

	if (!names)
		return -ENOMEM;
	while (at >= 0 && (name = strsep(&rest, "/"))) {
		bool top = strcmp(name, "machine") == 0;
		char part[256];
		int next;

		if (!*name)
			continue;
		delegate(at);
		if ((size_t)snprintf(part, sizeof(part), "%s%s", name,
				     top ? "" : ".partition") >= sizeof(part))
			return -ENAMETOOLONG;
		if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = openat(at, part,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	return at < 0 ? -errno : 0;
}

int clo_partition_make(const char *root, const char *partition)
{
	CLO_AUTO_FD int fd = -1;
	int worst = 0;

	if (sd_booted() > 0)
		return 0;
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < CLO_ARRAY_LEN(hierarchies); i++) {
		CLO_AUTO_FD int top = openat(
			fd, hierarchies[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r;

		if (top < 0 || !is_hierarchy(top))
			continue;
		r = make_below(top, partition);
		if (r < 0)
			worst = r;
	}
	return worst;
}

bool clo_partition_weighs(const char *root)
{
	static const char *const files[] = {
		"blkio/blkio.weight",
		"blkio/blkio.bfq.weight",
		"blkio/machine/blkio.bfq.weight",
		"blkio/machine.slice/blkio.bfq.weight",
		"machine.slice/io.weight",
		"machine/io.weight",
	};
	CLO_AUTO_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CLO_ARRAY_LEN(files); i++)
		if (faccessat(fd, files[i], F_OK, 0) == 0)
			return true;
	return false;
}

/* "/machine/a-b" as systemd.slice(5) and libvirt name it. */
static int slice_of(const char *partition, char *ret_path, size_t size)
{
	const char *name = strrchr(partition, '/') + 1;
	size_t n = (size_t)snprintf(ret_path, size, "machine.slice/machine-");

	for (; *name && n < size; name++)
		n += (size_t)snprintf(ret_path + n, size - n,
				      *name == '-' ? "\\x2d" : "%c", *name);
	if (n < size)
		n += (size_t)snprintf(ret_path + n, size - n, ".slice");
	return n < size ? 0 : -ENAMETOOLONG;
}

static int find_at(int root, const char *path, uint64_t *ret_id)
{
	CLO_AUTO_FD int fd = openat(
		root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	*ret_id = st.st_ino; /* kernfs: the same number */
	return 0;
}

int clo_partition_find(const char *root, const char *partition,
		       uint64_t *ret_id, uint64_t *ret_top)
{
	static const char *const tops[] = {".", "unified"};
	char slice[512], group[512];
	CLO_AUTO_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : slice_of(partition, slice, sizeof(slice));

	if (r < 0)
		return r;
	(void)snprintf(group, sizeof(group), "%s.partition", partition + 1);
	r = -ENOENT;
	for (size_t i = 0; r == -ENOENT && i < CLO_ARRAY_LEN(tops); i++) {
		CLO_AUTO_FD int top =
			openat(fd, tops[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (top < 0)
			continue;
		r = find_at(top, group, ret_id);
		if (r == -ENOENT)
			r = find_at(top, slice, ret_id);
		if (r == 0)
			r = find_at(top, ".", ret_top);
	}
	return r;
}
