/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/documents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/cli/output.h"
#include "policy/parse.h"

#define FILES_MAX 65536

struct reading {
	const char *dir;
	int fd;
	json_t *documents, *flaws;
	size_t total;
};

static int is_document(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > strlen(".json") &&
	       strcmp(entry->d_name + len - strlen(".json"), ".json") == 0;
}

/* Byte order: the same on every host, unlike alphasort's collation. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static const char *why(int r)
{
	switch (r) {
	case -EFBIG:
		return "longer than 8 MiB, the most that one file may hold";
	case -EINVAL:
		return "not a regular file; name it otherwise than *.json";
	case -EILSEQ:
		return "not UTF-8 text without NUL bytes";
	case -ENOSPC:
		return "all documents together exceed 64 MiB";
	default:
		return strerrordesc_np(-r);
	}
}

_Static_assert(CLO_DOCUMENT_MAX >> 20 == 8, "why() says 8 MiB");
_Static_assert(CLO_POLICY_MAX >> 20 == 64, "why() says 64 MiB");

static int read_one(struct reading *reading, const char *name, json_t *path)
{
	CLO_AUTO_MEM char *text = NULL;
	json_t *value;
	size_t len;
	int r;

	r = clo_file_read_at(reading->fd, name, CLO_DOCUMENT_MAX, &text, &len);
	if (r < 0)
		return r;

	reading->total += len;
	if (reading->total > CLO_POLICY_MAX)
		return -ENOSPC;
	if (memchr(text, '\0', len))
		return -EILSEQ;

	value = json_stringn(text, len);
	if (!value)
		return -EILSEQ;

	return json_array_append_new(
		       reading->documents,
		       json_pack("{s:O, s:o}", "name", path, "text", value)) < 0
		       ? -ENOMEM
		       : 0;
}

/* Reads one file; what is wrong with it becomes a flaw. */
static int take(struct reading *reading, const char *name)
{
	const char *slash =
		reading->dir[strlen(reading->dir) - 1] == '/' ? "" : "/";
	json_auto_t *path = NULL;
	int r;

	path = json_sprintf("%s%s%s", reading->dir, slash, name);
	if (!path)
		path = json_string("(a name that is not UTF-8)");
	if (!path)
		return -ENOMEM;

	r = read_one(reading, name, path);
	if (r == 0 || r == -ENOMEM)
		return r;

	return json_array_append_new(reading->flaws,
				     json_pack("{s:O, s:i, s:s, s:s}", "file",
					       path, "line", 0, "path", "",
					       "text", why(r))) < 0
		       ? -ENOMEM
		       : 0;
}

static int read_all(struct reading *reading, struct dirent **names, int n)
{
	int i, r;

	for (i = 0; i < n; i++) {
		r = take(reading, names[i]->d_name);
		if (r < 0)
			return r;
		if (reading->total > CLO_POLICY_MAX)
			break;
	}
	return 0;
}

static int read_dir(struct reading *reading, size_t *ret_n)
{
	struct dirent **names = NULL;
	int i, n, r;

	n = scandirat(reading->fd, ".", &names, is_document, by_name);
	if (n < 0)
		return -errno;

	r = n > FILES_MAX ? -E2BIG : read_all(reading, names, n);
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (r < 0)
		return r;

	*ret_n = (size_t)n;
	return 0;
}

int clo_documents_read(const struct clo_cli *cli, const char *dir,
		       json_t **ret_documents)
{
	json_auto_t *documents = json_array(), *flaws = json_array();
	CLO_AUTO_FD int fd = -1;
	struct reading reading = {dir, -1, documents, flaws, 0};
	size_t n = 0;
	int r;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", dir,
				strerrordesc_np(errno));

	reading.fd = fd;
	r = read_dir(&reading, &n);
	if (r == -ENOMEM)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", dir,
				strerrordesc_np(-r));
	if (n == 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "no *.json in %s", dir);
	if (json_array_size(flaws) > 0)
		return clo_refuse(cli, CLO_EXIT_REFUSED,
				  "nothing was sent: files cannot be read",
				  flaws, NULL);

	*ret_documents = CLO_TAKE(documents);
	return CLO_EXIT_OK;
}
