/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/place.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Others' names can be walked through, not listed. */
#define MODE_WAY 0711
#define MODE_END 0710

struct owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

static int put_right(int fd, const struct owner *owner)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != owner->uid || st.st_gid != owner->gid) &&
	    fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	if ((st.st_mode & 07777) != owner->mode && fchmod(fd, owner->mode) < 0)
		return -errno;
	return 0;
}

/* The directory `name` in dirfd, made and put right; its fd or -errno. */
static int enter(int dirfd, const char *name, const struct owner *owner)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = put_right(fd, owner);
	return r < 0 ? r : clo_take_fd(&fd);
}

int clo_place_make(const char *root, const struct clo_profile *profile)
{
	const struct owner way = {0, 0, MODE_WAY};
	const struct owner end = {0, profile->gid, MODE_END};
	CLO_AUTO_MEM char *names = strdup(profile->workload);
	CLO_AUTO_FD int fd = -1;
	char *rest = names;
	char *name;

	if (!names)
		return -ENOMEM;
	fd = enter(AT_FDCWD, root, &way);
	while (fd >= 0 && (name = strsep(&rest, "/"))) {
		int next = enter(fd, name, rest ? &way : &end);

		clo_fd_closep(&fd);
		fd = next;
	}
	return fd < 0 ? fd : 0;
}
