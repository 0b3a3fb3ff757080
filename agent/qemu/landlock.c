/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/qemu/qemu.h"

/*
 * The ABI of the newest kernel that is known here; the headers of Debian 12
 * know version 2. https://docs.kernel.org/userspace-api/landlock.html
 */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_MAKE_SOCK (UINT64_C(1) << 9)
#define FS_TRUNCATE (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_TCP UINT64_C(3) /* 4: bind, connect */
#define SCOPE_ALL UINT64_C(3) /* 6: abstract sockets, signals */

#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE (FS_READ | FS_WRITE_FILE | FS_TRUNCATE)
#define FS_DEVICE (FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV)

struct ruleset {
	uint64_t fs, net, scoped;
};

/* What every QEMU may have. Those that are missing are no loss. */
static const struct {
	const char *path;
	uint64_t rights;
} common[] = {
	{CLO_QEMU_REAL, FS_EXECUTE | FS_READ_FILE},
	{"/lib64/ld-linux-x86-64.so.2", FS_EXECUTE | FS_READ_FILE},
	{"/usr/lib", FS_READ},
	{"/usr/lib64", FS_READ},
	{"/usr/share", FS_READ},
	{"/etc/ld.so.cache", FS_READ},
	{"/etc/ld.so.preload", FS_READ},
	{"/etc/gnutls", FS_READ},
	{"/etc/localtime", FS_READ},
	{"/proc/filesystems", FS_READ},
	{"/proc/self", FS_READ},
	{"/sys/devices/system", FS_READ},
	{"/sys/kernel/mm/transparent_hugepage", FS_READ},
	{"/dev/full", FS_DEVICE},
	{"/dev/kvm", FS_DEVICE},
	{"/dev/null", FS_DEVICE},
	{"/dev/ptmx", FS_DEVICE}, /* serial ports of type pty */
	{"/dev/pts", FS_DEVICE},
	{"/dev/random", FS_DEVICE},
	{"/dev/urandom", FS_DEVICE},
	{"/dev/zero", FS_DEVICE},
};

/* Where libvirt talks with the QEMU that it probes. */
static const struct {
	const char *path;
	uint64_t rights;
} probed[] = {
	{"/var/lib/libvirt/qemu", FS_WRITE | FS_MAKE_SOCK | UINT64_C(0x120)},
};

/* All rights that a kernel of this ABI can handle. */
static struct ruleset known_by(int abi)
{
	static const int fs_bits[] = {0, 13, 14, 15, 15};
	struct ruleset handled = {0};

	handled.fs = (UINT64_C(1) << (abi < 5 ? fs_bits[abi] : 16)) - 1;
	handled.net = abi >= 4 ? NET_TCP : 0;
	handled.scoped = abi >= 6 ? SCOPE_ALL : 0;
	return handled;
}

/* An older kernel knows a shorter structure. */
static size_t size_of(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {0};
	CLO_AUTO_FD int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode)) /* the others are of directories only */
		rights &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE |
			  FS_TRUNCATE | FS_IOCTL_DEV;
	rule.allowed_access = rights;
	rule.parent_fd = fd;
	return syscall(SYS_landlock_add_rule, ruleset,
		       LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

static int allow_common(int ruleset, uint64_t handled, const char **ret_where)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(common); i++) {
		int r = allow(ruleset, common[i].path,
			      common[i].rights & handled);

		if (r < 0 && r != -ENOENT) {
			*ret_where = common[i].path;
			return r;
		}
	}
	return 0;
}

static int allow_own(int ruleset, uint64_t handled,
		     const struct clo_sandbox_file *sandbox,
		     const char *private, const char **ret_where)
{
	int r = 0;

	for (size_t i = 0; i < sandbox->n_paths; i++) {
		const struct clo_sandbox_path *own = &sandbox->paths[i];

		*ret_where = own->path;
		r = allow(ruleset, own->path,
			  (own->writable ? FS_WRITE : FS_READ) & handled);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	*ret_where = private;
	return *private ? allow(ruleset, private, FS_READ & handled) : 0;
}

static int allow_probed(int ruleset, uint64_t handled, const char **ret_where)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(probed); i++) {
		int r = allow(ruleset, probed[i].path,
			      probed[i].rights & handled);

		*ret_where = probed[i].path;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/*
 * A canary: what no rule names, and everybody may read elsewhere, is refused
 * now. A kernel that took the rules and does not keep them starts no guest.
 */
static int check_held(const char **ret_where)
{
	CLO_AUTO_FD int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return 0;
	*ret_where = "/";
	return fd < 0 ? -errno : -ENOTRECOVERABLE;
}

int clo_qemu_landlock(const struct clo_sandbox_file *sandbox,
		      const char *private, const char **ret_where)
{
	struct ruleset handled;
	CLO_AUTO_FD int fd = -1;
	int abi;
	int r;

	*ret_where = "";
	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	handled = known_by(abi);
	fd = (int)syscall(SYS_landlock_create_ruleset, &handled, size_of(abi),
			  0);
	if (fd < 0)
		return -errno;
	r = allow_common(fd, handled.fs, ret_where);
	if (r == 0)
		r = sandbox ? allow_own(fd, handled.fs, sandbox, private,
					ret_where)
			    : allow_probed(fd, handled.fs, ret_where);
	if (r < 0)
		return r;
	*ret_where = "";
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return check_held(ret_where);
}
