/* SPDX-License-Identifier: Apache-2.0 */
#include "firmware/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/base/auto.h"

static int open_file(int root, const char *path, int *ret_fd)
{
	CLO_AUTO_FD int fd = -1;
	struct stat st;

	fd = openat(root, path,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

int clo_source_read(int root, const char *path, char *ret_text, size_t size,
		    size_t *ret_len)
{
	CLO_AUTO_FD int fd = -1;
	size_t len = 0;
	ssize_t n;
	int r;

	r = open_file(root, path, &fd);
	if (r < 0)
		return r;

	do {
		n = read(fd, ret_text + len, size - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += (size_t)n;
	} while (n != 0 && len < size);
	if (len == size)
		return -EFBIG;

	ret_text[len] = '\0';
	*ret_len = len;
	return 0;
}

int clo_source_open(int root, const char *path, FILE **ret_file)
{
	CLO_AUTO_FD int fd = -1;
	FILE *file;
	int r;

	r = open_file(root, path, &fd);
	if (r < 0)
		return r;
	file = fdopen(fd, "r");
	if (!file)
		return -errno;

	(void)clo_take_fd(&fd);
	*ret_file = file;
	return 0;
}

int clo_source_list(int root, const char *path, DIR **ret_dir)
{
	CLO_AUTO_FD int fd = -1;
	DIR *dir;

	fd = openat(root, path,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;

	(void)clo_take_fd(&fd);
	*ret_dir = dir;
	return 0;
}

void clo_source_line(const char *text, char *ret_line, size_t size)
{
	size_t n = 0;

	while (text[n] && text[n] != '\n' && n + 1 < size) {
		ret_line[n] = text[n];
		if (text[n] < ' ' || text[n] > '~')
			ret_line[n] = '?';
		n++;
	}
	while (n > 0 && ret_line[n - 1] == ' ')
		n--;
	ret_line[n] = '\0';
}
