/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/attest/dsse.h"
#include "agent/base/auto.h"
#include "agent/base/file.h"

struct each {
	int (*on_item)(const char *name, const char *text, size_t len,
		       void *userdata);
	void *userdata;
	char **ret_name;
};

static void file_closep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

static int fail(const struct each *each, const char *name, int r)
{
	free(*each->ret_name);
	*each->ret_name = strdup(name);
	return r;
}

/* A line of any length up to the limit; -ENODATA: there is none any more. */
static int read_line(FILE *file, char **line, size_t *room, size_t *ret_len)
{
	size_t n = 0;
	int c;

	while ((c = getc_unlocked(file)) != EOF && c != '\n') {
		if (n + 1 >= *room) {
			size_t wider = *room ? 2 * *room : 4096;
			char *grown = realloc(*line, wider);

			if (!grown)
				return -ENOMEM;
			*line = grown;
			*room = wider;
		}
		if (n >= CLO_DSSE_MAX)
			return -EFBIG;
		(*line)[n++] = (char)c;
	}
	if (ferror(file))
		return -EIO;
	if (n == 0 && c == EOF)
		return -ENODATA;
	*ret_len = n;
	return 0;
}

static int each_line(const struct each *each, const char *path)
{
	__attribute__((cleanup(file_closep))) FILE *file = fopen(path, "re");
	CLO_AUTO_MEM char *line = NULL;
	size_t room = 0, len = 0;
	int r = 0;

	if (!file)
		return fail(each, path, -errno);
	for (unsigned long number = 1; r == 0; number++) {
		CLO_AUTO_MEM char *name = NULL;

		r = read_line(file, &line, &room, &len);
		if (r < 0 || len == 0)
			continue;
		if (asprintf(&name, "%s:%lu", path, number) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		r = each->on_item(name, line, len, each->userdata);
		if (r != 0)
			return r;
	}
	return r == -ENODATA ? 0 : fail(each, path, r);
}

static int each_file(const struct each *each, const char *path)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;
	int r;

	if (ends_in(path, ".jsonl"))
		return each_line(each, path);
	r = clo_file_read(path, CLO_DSSE_MAX, &text, &len);
	if (r < 0)
		return fail(each, path, r);
	return each->on_item(path, text, len, each->userdata);
}

static int is_evidence(const struct dirent *entry)
{
	return ends_in(entry->d_name, ".json") ||
	       ends_in(entry->d_name, ".jsonl");
}

static int each_of_directory(const struct each *each, const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_evidence, alphasort);
	int r = n < 0 ? fail(each, path, -errno) : 0;

	for (int i = 0; i < n; i++) {
		CLO_AUTO_MEM char *member = NULL;

		if (r == 0 &&
		    asprintf(&member, "%s/%s", path, names[i]->d_name) < 0) {
			member = NULL;
			r = -ENOMEM;
		}
		if (r == 0)
			r = each_file(each, member);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return r;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return strcmp(path, "-") != 0 && stat(path, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

bool clo_evidence_is_many(const char *operand)
{
	return ends_in(operand, ".jsonl") || is_directory(operand);
}

int clo_evidence_each(const char *operand,
		      int (*on_item)(const char *name, const char *text,
				     size_t len, void *userdata),
		      void *userdata, char **ret_name)
{
	struct each each = {on_item, userdata, ret_name};

	*ret_name = NULL;
	return is_directory(operand) ? each_of_directory(&each, operand)
				     : each_file(&each, operand);
}
