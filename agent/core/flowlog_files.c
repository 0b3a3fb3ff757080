/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/flowlog_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK 2048

void clo_flowlog_name(const struct clo_flowlog_file *file,
		      char ret_name[CLO_FLOWLOG_NAME])
{
	(void)snprintf(ret_name, CLO_FLOWLOG_NAME, "%08u-%08" PRIu64 ".jsonl",
		       file->day, file->number);
}

/* False: not a name that clo_flowlog_name() writes. */
static bool parse_name(const char *name, struct clo_flowlog_file *ret_file)
{
	struct clo_flowlog_file file = {0};
	char again[CLO_FLOWLOG_NAME];

	if (strspn(name, "0123456789") != 8 || name[8] != '-' ||
	    strlen(name) >= sizeof(again))
		return false;
	file.day = (unsigned int)strtoul(name, NULL, 10);
	file.number = strtoull(name + 9, NULL, 10);
	clo_flowlog_name(&file, again);
	*ret_file = file;
	return strcmp(name, again) == 0;
}

static int by_number(const void *a, const void *b)
{
	const struct clo_flowlog_file *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int add(int dirfd, const char *name, struct clo_flowlog_file **files,
	       size_t *n)
{
	struct clo_flowlog_file file;
	struct clo_flowlog_file *grown;
	struct stat st;

	if (!parse_name(name, &file))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	grown = reallocarray(*files, *n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	file.bytes = (uint64_t)st.st_size;
	grown[(*n)++] = file;
	*files = grown;
	return 0;
}

int clo_flowlog_list(int dirfd, struct clo_flowlog_file **ret_files,
		     size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_flowlog_file *files = NULL;
	const struct dirent *entry;
	size_t n = 0;
	DIR *dir;
	int fd;
	int r = 0;

	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)))
		r = add(dirfd, entry->d_name, &files, &n);
	(void)closedir(dir);
	if (r < 0)
		return r;

	if (n > 0)
		qsort(files, n, sizeof(*files), by_number);
	*ret_files = CLO_TAKE(files);
	*ret_n = n;
	return 0;
}

int clo_flowlog_mend(int fd, uint64_t *ret_bytes)
{
	char chunk[CHUNK];
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (end = st.st_size; end > 0;) {
		off_t from = end > CHUNK ? end - CHUNK : 0;
		ssize_t n = pread(fd, chunk, (size_t)(end - from), from);
		const char *newline;

		if (n != end - from)
			return n < 0 ? -errno : -EIO;
		newline = memrchr(chunk, '\n', (size_t)n);
		if (newline) {
			end = from + (newline - chunk) + 1;
			break;
		}
		end = from;
	}
	if (end < st.st_size && ftruncate(fd, end) < 0)
		return -errno;
	*ret_bytes = (uint64_t)end;
	return 0;
}
