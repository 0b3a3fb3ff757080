/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/sandbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/path.h"

#define VERSION "cloison-sandbox 1"
#define LINE_MAX_BYTES (CLO_SANDBOX_PATH_MAX + 16)

bool clo_sandbox_uuid_valid(const char *uuid)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;

	for (; shape[i]; i++)
		if (shape[i] == '-'
			    ? uuid[i] != '-'
			    : !uuid[i] || !strchr("0123456789abcdef", uuid[i]))
			return false;
	return uuid[i] == '\0';
}

bool clo_sandbox_path_valid(const char *path)
{
	if (strlen(path) >= CLO_SANDBOX_PATH_MAX || !clo_path_is_plain(path))
		return false;
	for (; *path; path++)
		if (*path < ' ' || *path == 0x7f)
			return false;
	return true;
}

int clo_sandbox_file_add(struct clo_sandbox_file *file, bool writable,
			 const char *path)
{
	struct clo_sandbox_path *entry;

	if (!clo_sandbox_path_valid(path))
		return -EINVAL;
	if (file->n_paths == CLO_SANDBOX_PATHS_MAX)
		return -E2BIG;

	entry = &file->paths[file->n_paths++];
	entry->writable = writable;
	(void)snprintf(entry->path, sizeof(entry->path), "%s", path);
	return 0;
}

/* A decimal number without sign and leading zero; 0 is root's, and refused. */
static int parse_id(const char *text, uint32_t *ret_id)
{
	size_t len = strspn(text, "0123456789");
	unsigned long long id;

	if (len == 0 || len > 10 || text[len] || text[0] == '0' || *ret_id)
		return -EINVAL;
	id = strtoull(text, NULL, 10);
	if (id >= UINT32_MAX)
		return -EINVAL;
	*ret_id = (uint32_t)id;
	return 0;
}

static int parse_filter(const char *text, struct clo_sandbox_file *file,
			bool *seen)
{
	file->allow_list = strcmp(text, "allow") == 0;
	if (*seen || (!file->allow_list && strcmp(text, "deny") != 0))
		return -EINVAL;
	*seen = true;
	return 0;
}

static int parse_line(char *line, struct clo_sandbox_file *file, bool *filter)
{
	char *word = strsep(&line, " ");

	if (!line)
		return -EINVAL;
	if (strcmp(word, "uid") == 0)
		return parse_id(line, &file->uid);
	if (strcmp(word, "gid") == 0)
		return parse_id(line, &file->gid);
	if (strcmp(word, "filter") == 0)
		return parse_filter(line, file, filter);
	if (strcmp(word, "read") == 0 || strcmp(word, "write") == 0)
		return clo_sandbox_file_add(file, *word == 'w', line) < 0
			       ? -EINVAL
			       : 0;
	return -EINVAL;
}

int clo_sandbox_file_parse(const char *text, size_t len,
			   struct clo_sandbox_file *ret_file,
			   unsigned int *ret_line)
{
	struct clo_sandbox_file *file = ret_file;
	const char *end = text + len;
	bool filter = false;
	int r = 0;

	memset(file, 0, sizeof(*file));
	*ret_line = 0;
	while (r == 0 && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = stop ? (size_t)(stop - text) : 0;
		char line[LINE_MAX_BYTES];

		++*ret_line;
		if (!stop || n >= sizeof(line) || memchr(text, '\0', n))
			return -EINVAL;
		memcpy(line, text, n);
		line[n] = '\0';
		if (*ret_line == 1)
			r = strcmp(line, VERSION) == 0 ? 0 : -EINVAL;
		else
			r = parse_line(line, file, &filter);
		text = stop + 1;
	}
	if (r == 0 && (!file->uid || !file->gid || !filter))
		r = -EINVAL;
	return r;
}

/* What only root can have written. */
static int check_root(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (st.st_mode & S_IFMT) == type && st.st_uid == 0 &&
			       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0
		       ? 0
		       : -EPERM;
}

int clo_sandbox_file_read(int dirfd, const char *uuid,
			  struct clo_sandbox_file *ret_file,
			  unsigned int *ret_line)
{
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_FD int fd = -1;
	size_t len;
	int r;

	*ret_line = 0;
	if (!clo_sandbox_uuid_valid(uuid))
		return -EINVAL;
	r = check_root(dirfd, S_IFDIR);
	if (r < 0)
		return r;
	fd = openat(dirfd, uuid,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_root(fd, S_IFREG);
	if (r < 0)
		return r;

	r = clo_file_read_fd(fd, CLO_SANDBOX_TEXT_MAX, &text, &len);
	if (r < 0)
		return r == -EFBIG ? -E2BIG : r;
	return clo_sandbox_file_parse(text, len, ret_file, ret_line);
}

static int write_text(FILE *out, const struct clo_sandbox_file *file)
{
	(void)fprintf(out, VERSION "\nuid %u\ngid %u\nfilter %s\n", file->uid,
		      file->gid, file->allow_list ? "allow" : "deny");
	for (size_t i = 0; i < file->n_paths; i++)
		(void)fprintf(out, "%s %s\n",
			      file->paths[i].writable ? "write" : "read",
			      file->paths[i].path);
	return fflush(out) == 0 ? 0 : -errno;
}

int clo_sandbox_file_write(int dirfd, const char *uuid,
			   const struct clo_sandbox_file *file)
{
	char fresh[48];
	CLO_AUTO_FD int fd = -1;
	FILE *out;
	int r;

	if (!clo_sandbox_uuid_valid(uuid))
		return -EINVAL;
	(void)snprintf(fresh, sizeof(fresh), "%s.new", uuid);
	fd = openat(dirfd, fresh,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	if (fchown(fd, 0, file->gid) < 0 || fchmod(fd, 0640) < 0)
		return -errno;
	out = fdopen(fd, "w");
	if (!out)
		return -errno;
	(void)clo_take_fd(&fd); /* the stream's */
	r = write_text(out, file);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, fresh, dirfd, uuid) < 0)
		r = -errno;
	return r;
}
