/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROL "sbx.guest-confinement"
#define TEXT_MAX 16384
#define FILTERS_MIN 4 /* the wrapper's three, and QEMU's own */

struct look {
	const struct clo_profile *profile;
	struct clo_findings *findings;
	char where[32];
	int r;
};

__attribute__((format(printf, 3, 4))) static void
find(struct look *look, const char *control, const char *fmt, ...)
{
	char text[256];
	va_list args;
	int r;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r = clo_finding_add(look->findings, control, look->where, "%s", text);
	if (r < 0)
		look->r = r;
}

/* A file of the process, cut off at the size; false: it is gone. */
static bool read_text(int dirfd, const char *name, char text[TEXT_MAX])
{
	CLO_AUTO_FD int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = fd < 0 ? 0 : 1;

	while (n > 0 && len < TEXT_MAX - 1) {
		n = read(fd, text + len, TEXT_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	return fd >= 0 && len > 0;
}

/* What follows "Name:" at the begin of a line; NULL: no such line. */
static const char *value_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line;
	     line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

/* All numbers of a line are one of these. */
static bool only(const char *value, uint32_t a, uint32_t b)
{
	while (value && *value != '\n' && *value) {
		char *end;
		unsigned long number;

		if (isspace((unsigned char)*value)) {
			value++;
			continue;
		}
		number = strtoul(value, &end, 10);
		if (end == value || (number != a && number != b))
			return false;
		value = end;
	}
	return value != NULL;
}

static bool is_zero(const char *value)
{
	return value && strtoull(value, NULL, 16) == 0;
}

/* /dev/kvm is that group's. */
static gid_t kvm_group(void)
{
	const struct group *group = getgrnam("kvm");

	return group ? group->gr_gid : (gid_t)-1;
}

static void check_status(struct look *look, const char *text)
{
	const struct clo_profile *profile = look->profile;
	const char *filters = value_of(text, "Seccomp_filters");

	if (!only(value_of(text, "Uid"), profile->uid, profile->uid))
		find(look, CONTROL, "has another user than %u", profile->uid);
	if (!only(value_of(text, "Gid"), profile->gid, profile->gid))
		find(look, CONTROL, "has another group than %u", profile->gid);
	if (!only(value_of(text, "Groups"), profile->gid, kvm_group()))
		find(look, CONTROL, "is in groups of others");
	if (!is_zero(value_of(text, "CapEff")) ||
	    !is_zero(value_of(text, "CapPrm")) ||
	    !is_zero(value_of(text, "CapAmb")))
		find(look, CONTROL, "has capabilities");
	if (!only(value_of(text, "NoNewPrivs"), 1, 1))
		find(look, CONTROL, "can gain privileges");
	if (!filters || strtoul(filters, NULL, 10) < FILTERS_MIN)
		find(look, CONTROL,
		     "has %lu seccomp filters, and %d with the wrapper: "
		     "restart the domain with it",
		     filters ? strtoul(filters, NULL, 10) : 0, FILTERS_MIN);
}

static void check_program(struct look *look, int dirfd)
{
	char path[256];
	ssize_t len = readlinkat(dirfd, "exe", path, sizeof(path) - 1);

	if (len < 0)
		return;
	path[len] = '\0';
	if (strcmp(path, CLO_QEMU_BINARY) != 0)
		find(look, CONTROL, "executes %s, not " CLO_QEMU_BINARY, path);
}

/* Below the scope's partition, in each hierarchy that knows partitions. */
static void check_group(struct look *look, const char *text)
{
	static const char *const hierarchies[] = {"memory", "cpu", ""};
	const char *name = strrchr(look->profile->partition, '/') + 1;
	size_t hits = 0;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		const char *colon = memchr(line, ':', len);
		const char *path = NULL;
		char own[512];

		if (colon)
			path = memchr(colon + 1, ':',
				      len - (size_t)(colon + 1 - line));
		for (size_t i = 0; path && i < CLO_ARRAY_LEN(hierarchies);
		     i++) {
			size_t n = strlen(hierarchies[i]);

			if ((size_t)(path - colon - 1) != n ||
			    strncmp(colon + 1, hierarchies[i], n) != 0)
				continue;
			(void)snprintf(own, sizeof(own), "%.*s",
				       (int)(len - (size_t)(path + 1 - line)),
				       path + 1);
			hits += strstr(own, name) != NULL;
		}
		line += len + (line[len] == '\n');
	}
	if (hits == 0)
		find(look, "sbx.shared-resources", "is not in the cgroup of %s",
		     look->profile->partition);
}

int clo_process_check(int proc, pid_t pid, const struct clo_profile *profile,
		      struct clo_findings *findings)
{
	struct look look = {.profile = profile, .findings = findings};
	CLO_AUTO_MEM char *text = malloc(TEXT_MAX);
	CLO_AUTO_FD int dirfd = -1;
	char name[16];

	if (!text)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	(void)snprintf(look.where, sizeof(look.where), "process %d", (int)pid);
	dirfd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || !read_text(dirfd, "status", text))
		return 0;

	check_status(&look, text);
	check_program(&look, dirfd);
	if (read_text(dirfd, "cgroup", text))
		check_group(&look, text);
	return look.r;
}
