/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* A directory of planted files, gone at the end. */
struct planted {
	char top[40];
	int dir;
};

static inline void planted_begin(struct planted *planted)
{
	(void)strcpy(planted->top, "/tmp/clo-planted-XXXXXX");
	assert_non_null(mkdtemp(planted->top));
	planted->dir = open(planted->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(planted->dir >= 0);
}

static inline int planted_remove(const char *name, const struct stat *st,
				 int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static inline void planted_end(struct planted *planted)
{
	(void)nftw(planted->top, planted_remove, 16, FTW_DEPTH | FTW_PHYS);
	(void)close(planted->dir);
}

/* Its path, with the directories on the way made. */
static inline void planted_path(const struct planted *planted, const char *name,
				char ret_path[256])
{
	(void)snprintf(ret_path, 256, "%s/%s", planted->top, name);
	for (char *at = ret_path + strlen(planted->top) + 1;
	     (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(ret_path, 0755);
		*at = '/';
	}
}

static inline void planted_put(const struct planted *planted, const char *name,
			       const char *text)
{
	char path[256];
	int fd;

	planted_path(planted, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static inline void planted_read(const struct planted *planted, const char *name,
				char *ret_text, size_t size)
{
	int fd = openat(planted->dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, ret_text, size - 1);
	assert_true(n >= 0);
	ret_text[n] = '\0';
	assert_int_equal(close(fd), 0);
}
