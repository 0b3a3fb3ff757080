/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"

#define FRESH CLO_USERS_FILE ".new" /* no name that sysusers reads */
#define HEAD "# Made by cloisond from the policy in force.\n"
#define MODE_FILE 0644
#define MODE_DIRECTORY 0755

void clo_users_name(uid_t uid, char ret_name[CLO_USERS_NAME_MAX])
{
	(void)snprintf(ret_name, CLO_USERS_NAME_MAX, "cloison%u", uid);
}

static void tell_user(FILE *out, const struct clo_tenant_doc *tenant,
		      enum clo_environment environment)
{
	uid_t uid = tenant->scopes[environment].uid;
	char name[CLO_USERS_NAME_MAX];

	if (!uid)
		return;
	clo_users_name(uid, name);
	(void)fprintf(out,
		      "u %s %u \"%s/%s\" - -\n"
		      "m %s " CLO_USERS_GROUP "\n",
		      name, uid, tenant->name,
		      clo_environment_name(environment), name);
}

int clo_users_text(const struct clo_policy *policy, char **ret_text)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	(void)fputs(HEAD, out);
	for (size_t t = 0; t < policy->n_tenants; t++)
		for (unsigned int e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			tell_user(out, &policy->tenants[t], e);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}

/* What is there, is as it would be written. */
static bool is_written(int dirfd, const char *text)
{
	CLO_AUTO_FD int fd =
		openat(dirfd, CLO_USERS_FILE,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLO_AUTO_MEM char *there = NULL;
	size_t len = strlen(text);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & 07777) == MODE_FILE &&
	       clo_file_read_fd(fd, len, &there, &len) == 0 &&
	       strcmp(there, text) == 0;
}

static int write_fresh(int dirfd, const char *text)
{
	CLO_AUTO_FD int fd = openat(
		dirfd, FRESH,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	/* whatever the umask is */
	if (fchmod(fd, MODE_FILE) < 0 || close(clo_take_fd(&fd)) < 0)
		return -errno;
	return 0;
}

int clo_users_write(int dirfd, const char *text)
{
	int r;

	if (is_written(dirfd, text))
		return 0;
	/* what a writer that was killed left */
	if (unlinkat(dirfd, FRESH, 0) < 0 && errno != ENOENT)
		return -errno;
	r = write_fresh(dirfd, text);
	if (r == 0 && renameat(dirfd, FRESH, dirfd, CLO_USERS_FILE) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, FRESH, 0);
	return r;
}

/* The directory, made if `make`; its fd or -errno. */
static int open_directory(const char *path, bool make)
{
	CLO_AUTO_FD int fd = -1;
	bool made = make && mkdir(path, MODE_DIRECTORY) == 0;

	if (make && !made && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (made && fchmod(fd, MODE_DIRECTORY) < 0))
		return -errno;
	return clo_take_fd(&fd);
}

int clo_users_settle(const char *path, const struct clo_policy *policy)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_FD int fd = -1;
	bool any;
	int r;

	r = clo_users_text(policy, &text);
	if (r < 0)
		return r;
	any = strcmp(text, HEAD) != 0;
	fd = open_directory(path, any);
	if (!any &&
	    (fd == -ENOENT || (fd >= 0 && faccessat(fd, CLO_USERS_FILE, F_OK,
						    AT_SYMLINK_NOFOLLOW) < 0)))
		return 0;
	return fd < 0 ? fd : clo_users_write(fd, text);
}
