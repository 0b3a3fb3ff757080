/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/path.h"
#include "policy/quote.h"

#define SWAPS_MAX 65536U /* bytes */
#define WORD_MAX 512
#define DEPTH_MAX 8 /* of devices on devices */
#define CPU "devices/system/cpu"

/* The first line of a small file. */
static bool read_word(int dirfd, const char *name, char ret_word[WORD_MAX])
{
	CLO_AUTO_FD int fd =
		openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_word, WORD_MAX - 1);

	if (n < 0)
		return false;
	ret_word[n] = '\0';
	ret_word[strcspn(ret_word, "\n")] = '\0';
	return true;
}

static bool says(int dirfd, const char *name, const char *word)
{
	char text[WORD_MAX];

	return read_word(dirfd, name, text) && strcmp(text, word) == 0;
}

/* An attribute of a block device. */
static bool read_attribute(int sys, const char *device, const char *name,
			   char ret_word[WORD_MAX])
{
	char path[WORD_MAX];

	return (size_t)snprintf(path, sizeof(path), "class/block/%s/%s", device,
				name) < sizeof(path) &&
	       read_word(sys, path, ret_word);
}

/* zram, unless it may write to a device behind it. */
static bool is_memory(int sys, const char *device)
{
	char word[WORD_MAX];

	return strncmp(device, "zram", 4) == 0 &&
	       (!read_attribute(sys, device, "backing_dev", word) ||
		strcmp(word, "none") == 0);
}

static bool is_encrypted(int sys, const char *device, int depth);

/* All that it lies on. */
static bool lies_encrypted(int sys, const char *device, int depth)
{
	const struct dirent *entry;
	char path[WORD_MAX];
	size_t n = 0;
	DIR *dir;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "class/block/%s/slaves",
			     device) >= sizeof(path))
		return false;
	fd = openat(sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return false;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (!is_encrypted(sys, entry->d_name, depth + 1)) {
			n = 0;
			break;
		}
	}
	(void)closedir(dir);
	return n > 0;
}

/* By what cryptsetup calls its devices: those of dm-integrity are not. */
static bool is_encrypted(int sys, const char *device, int depth)
{
	char uuid[WORD_MAX];

	if (depth > DEPTH_MAX)
		return false;
	if (read_attribute(sys, device, "dm/uuid", uuid) &&
	    (strncmp(uuid, "CRYPT-LUKS", 10) == 0 ||
	     strncmp(uuid, "CRYPT-PLAIN-", 12) == 0))
		return true;
	return lies_encrypted(sys, device, depth);
}

/* "/dev/dm-1   partition   8388604   0   -2", or a file of type "file". */
static bool is_in_the_clear(int sys, const char *line)
{
	size_t len = strcspn(line, " \t\n");
	const char *type = line + len + strspn(line + len, " \t");
	char name[64];

	if (strncmp(line, "/dev/", 5) != 0 ||
	    strncmp(type, "partition", 9) != 0 || len - 5 >= sizeof(name))
		return true;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(len - 5), line + 5);
	return strchr(name, '/') ||
	       !(is_memory(sys, name) || is_encrypted(sys, name, 0));
}

static int name_swap(const char *line, struct clo_host *host)
{
	CLO_AUTO_MEM char *raw = strndup(line, strcspn(line, " \t\n"));

	host->swap = raw ? clo_printable(raw) : NULL;
	return host->swap ? 0 : -ENOMEM;
}

static int read_swaps(int proc, int sys, struct clo_host *host)
{
	CLO_AUTO_MEM char *text = NULL;
	const char *line;
	size_t len;
	int r;

	r = clo_file_read_at(proc, "swaps", SWAPS_MAX, &text, &len);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	/* below its heading */
	for (line = text + strcspn(text, "\n"); *line;
	     line += strcspn(line, "\n")) {
		line++;
		if (!*line || !is_in_the_clear(sys, line))
			continue;
		return name_swap(line, host);
	}
	return 0;
}

static int read_cores(int sys, struct clo_host *host)
{
	if (!says(sys, CPU "/smt/active", "1"))
		return 0;
	host->beside = calloc(CLO_CPUS_MAX, sizeof(*host->beside));
	if (!host->beside)
		return -ENOMEM;
	for (unsigned int cpu = 0; cpu < CLO_CPUS_MAX; cpu++) {
		char word[WORD_MAX];
		char path[80];

		(void)snprintf(path, sizeof(path),
			       CPU "/cpu%u/topology/thread_siblings_list", cpu);
		if (!read_word(sys, path, word))
			continue;
		clo_cpus_add(&host->beside[cpu], word);
		clo_cpus_remove(&host->beside[cpu], cpu);
	}
	return 0;
}

int clo_host_read(int proc, int sys, struct clo_host **ret_host)
{
	CLO_AUTO(clo_host) struct clo_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->merges = says(sys, "kernel/mm/ksm/run", "1");
	r = read_swaps(proc, sys, host);
	if (r == 0)
		r = read_cores(sys, host);
	if (r < 0)
		return r;

	*ret_host = CLO_TAKE(host);
	return 0;
}

void clo_host_free(struct clo_host *host)
{
	if (!host)
		return;

	free(host->swap);
	free(host->beside);
	free(host);
}

/* Its group of version 2: what follows "0::" in /proc/PID/cgroup. */
static const char *group_of(const struct clo_confinement *process)
{
	const char *line = process->cgroup;

	while (strncmp(line, "0::/", 4) != 0) {
		line += strcspn(line, "\n");
		if (!*line)
			return NULL;
		line++;
	}
	return line + 3;
}

/* No page of that group goes to a swap area, and none is there. */
static bool is_kept_out(int cgroups, const char *group)
{
	CLO_AUTO_FD int fd =
		openat(cgroups, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char used[WORD_MAX];

	return fd >= 0 && says(fd, "memory.swap.max", "0") &&
	       (!read_word(fd, "memory.swap.current", used) ||
		strcmp(used, "0") == 0);
}

bool clo_host_swaps(const struct clo_host *host, int cgroups,
		    const struct clo_confinement *process)
{
	const char *group = group_of(process);
	char path[WORD_MAX];
	char *end;

	if (!host->swap || process->locked)
		return false;
	if (!group || strcspn(group, "\n") >= sizeof(path))
		return true;
	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(group, "\n"),
		       group);
	if (!clo_path_is_plain(path))
		return true;
	/* a group's limit holds for all below it */
	while ((end = strrchr(path, '/')) && *path) {
		if (is_kept_out(cgroups, path + 1))
			return false;
		*end = '\0';
	}
	return true;
}

void clo_host_beside(const struct clo_host *host, const struct clo_cpus *cpus,
		     struct clo_cpus *ret_beside)
{
	*ret_beside = (struct clo_cpus){0};
	for (unsigned int cpu = 0; host->beside && cpu < CLO_CPUS_MAX; cpu++)
		if (clo_cpus_has(cpus, cpu))
			clo_cpus_join(ret_beside, &host->beside[cpu]);
}
