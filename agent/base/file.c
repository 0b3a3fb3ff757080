/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/auto.h"

#define FIRST_SIZE 65536U

int clo_file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t size = 0, len = 0;
	ssize_t n;
	char *more;

	for (;;) {
		if (size - len < 2) {
			size = size ? size * 2 : FIRST_SIZE;
			more = realloc(text, size);
			if (!more)
				return -ENOMEM;
			text = more;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}

	text[len] = '\0';
	*ret_text = CLO_TAKE(text);
	*ret_len = len;
	return 0;
}

static int read_regular(int dir, const char *name, int flags, size_t max,
			char **ret_text, size_t *ret_len)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;

	/* A FIFO must not hold us up until it is known to be one. */
	fd = openat(dir, name,
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((size_t)st.st_size > max)
		return -EFBIG;

	return clo_file_read_fd(fd, max, ret_text, ret_len);
}

int clo_file_read_at(int dir, const char *name, size_t max, char **ret_text,
		     size_t *ret_len)
{
	return read_regular(dir, name, 0, max, ret_text, ret_len);
}

int clo_file_read_own(int dir, const char *name, size_t max, char **ret_text,
		      size_t *ret_len)
{
	return read_regular(dir, name, O_NOFOLLOW, max, ret_text, ret_len);
}

int clo_file_read(const char *path, size_t max, char **ret_text,
		  size_t *ret_len)
{
	CLO_AUTO_FD int fd = -1;

	if (strcmp(path, "-") == 0)
		return clo_file_read_fd(STDIN_FILENO, max, ret_text, ret_len);

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;

	return clo_file_read_fd(fd, max, ret_text, ret_len);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int clo_file_write(const char *path, const char *text, size_t len)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
		  0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (r < 0)
		return r;
	/* The file system may only now say that it is full. */
	return close(clo_take_fd(&fd)) < 0 ? -errno : 0;
}

static int write_draft(int dir, const char *name, const char *text, size_t len)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	fd = openat(dir, name,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int clo_file_replace_at(int dir, const char *name, const char *text, size_t len)
{
	CLO_AUTO_MEM char *draft = NULL;
	int r;

	if (asprintf(&draft, "%s" CLO_FILE_DRAFT, name) < 0) {
		draft = NULL;
		return -ENOMEM;
	}
	r = write_draft(dir, draft, text, len);
	if (r < 0)
		return r;
	return renameat(dir, draft, dir, name) < 0 ? -errno : 0;
}

int clo_file_replace(const char *dir, const char *name, const char *text)
{
	CLO_AUTO_FD int dirfd = -1;
	int r;

	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	r = clo_file_replace_at(dirfd, name, text, strlen(text));
	if (r < 0)
		return r;
	return fsync(dirfd) < 0 ? -errno : 0;
}
