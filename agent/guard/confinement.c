/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/confinement.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/guard/confinement_impl.h"

/* What is read into, and from where. */
struct reading {
	int dirfd; /* /proc/PID: of this process, whoever has its pid later */
	struct clo_confinement *confinement;
	char text[CLO_CONFINEMENT_TEXT_MAX + 1];
};

static void miss(struct reading *reading, enum clo_confinement_part part, int r)
{
	if (r == -EFBIG)
		reading->confinement->cut |= 1U << part;
	else
		reading->confinement->missing |= 1U << part;
}

/* All of a file as text; -EFBIG, or another -errno. */
static int read_text(struct reading *reading, const char *name)
{
	CLO_AUTO_FD int fd =
		openat(reading->dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < sizeof(reading->text)) {
		ssize_t n = read(fd, reading->text + len,
				 sizeof(reading->text) - len);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == sizeof(reading->text))
		return -EFBIG;
	reading->text[len] = '\0';
	return 0;
}

/* What follows "Name:" at the begin of a line; NULL: no such line. */
static const char *value_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (*text) {
		if (strncmp(text, name, len) == 0 && text[len] == ':')
			return text + len + 1;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

/* One number of this line; false: none that fits. */
static bool take_number(const char **at, int base, uint64_t max,
			uint64_t *ret_number)
{
	char *end;

	while (**at == ' ' || **at == '\t')
		(*at)++;
	if (!isxdigit((unsigned char)**at))
		return false;
	errno = 0;
	*ret_number = strtoull(*at, &end, base);
	if (end == *at || errno != 0 || *ret_number > max)
		return false;
	*at = end;
	return true;
}

static bool take_words(const char *text, const char *name, uint32_t *list,
		       size_t n)
{
	const char *at = value_of(text, name);

	for (size_t i = 0; i < n; i++) {
		uint64_t number;

		if (!at || !take_number(&at, 10, UINT32_MAX, &number))
			return false;
		list[i] = (uint32_t)number;
	}
	return true;
}

static bool take_groups(const char *text, struct clo_credentials *ret)
{
	const char *at = value_of(text, "Groups");
	uint64_t number;

	if (!at)
		return false;
	while (take_number(&at, 10, UINT32_MAX, &number)) {
		if (ret->n_groups == CLO_CONFINEMENT_GROUPS_MAX) {
			ret->n_groups = UINT32_MAX;
			return true;
		}
		ret->groups[ret->n_groups++] = (uint32_t)number;
	}
	return *at == '\n' || *at == '\0';
}

static bool take_capabilities(const char *text, struct clo_credentials *ret)
{
	static const char *const names[CLO_N_CAPABILITIES] = {
		"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	for (size_t i = 0; i < CLO_N_CAPABILITIES; i++) {
		const char *at = value_of(text, names[i]);

		if (!at ||
		    !take_number(&at, 16, UINT64_MAX, &ret->capabilities[i]))
			return false;
	}
	return true;
}

static bool take_credentials(const char *text, struct clo_credentials *ret)
{
	memset(ret, 0, sizeof(*ret)); /* compared as bytes */
	return take_words(text, "Uid", ret->uids, 4) &&
	       take_words(text, "Gid", ret->gids, 4) &&
	       take_groups(text, ret) && take_capabilities(text, ret) &&
	       take_words(text, "NoNewPrivs", &ret->no_new_privs, 1) &&
	       take_words(text, "Seccomp", &ret->seccomp, 1) &&
	       take_words(text, "Seccomp_filters", &ret->filters, 1);
}

static void read_task(struct reading *reading, const char *name)
{
	struct clo_confinement *confinement = reading->confinement;
	struct clo_credentials credentials;
	const char *cpus;
	char path[64];

	(void)snprintf(path, sizeof(path), "task/%.20s/status", name);
	if (read_text(reading, path) < 0)
		return; /* ended meanwhile */
	confinement->n_tasks++;
	if (!take_credentials(reading->text, &credentials) ||
	    memcmp(&credentials, &confinement->credentials,
		   sizeof(credentials)) != 0)
		confinement->n_odd++;
	cpus = value_of(reading->text, "Cpus_allowed_list");
	if (cpus)
		clo_cpus_add(&confinement->cpus, cpus);
}

static bool take_kilobytes(const char *text, const char *name,
			   uint64_t *ret_number)
{
	const char *at = value_of(text, name);

	return at && take_number(&at, 10, UINT64_MAX / 4, ret_number);
}

/* As mlockall() leaves it. What maps plain files is not swapped. */
static bool is_locked(const char *text)
{
	uint64_t locked, anonymous, shared;

	return take_kilobytes(text, "VmLck", &locked) &&
	       take_kilobytes(text, "RssAnon", &anonymous) &&
	       take_kilobytes(text, "RssShmem", &shared) && locked > 0 &&
	       locked >= anonymous + shared;
}

static void read_status(struct reading *reading)
{
	struct clo_confinement *confinement = reading->confinement;
	CLO_AUTO(clo_listing) struct clo_listing *tasks = NULL;
	int r;

	r = read_text(reading, "status");
	confinement->locked = r == 0 && is_locked(reading->text);
	if (r == 0 &&
	    !take_credentials(reading->text, &confinement->credentials))
		r = -EBADMSG;
	if (r < 0)
		miss(reading, CLO_CONFINEMENT_STATUS, r);
	r = clo_listing_new(reading->dirfd, "task", CLO_CONFINEMENT_TASKS_MAX,
			    &tasks);
	if (r < 0 || tasks->cut) {
		miss(reading, CLO_CONFINEMENT_TASKS, r < 0 ? r : -EFBIG);
		return;
	}
	for (size_t i = 0; i < tasks->n; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "%d", tasks->numbers[i]);
		read_task(reading, name);
	}
	if (confinement->n_tasks == 0)
		miss(reading, CLO_CONFINEMENT_TASKS, -ENOENT);
}

static int read_exe(struct reading *reading, const char *binary)
{
	struct clo_confinement *confinement = reading->confinement;
	struct stat own;
	struct stat now;
	int r;

	r = clo_link_read(reading->dirfd, "exe", &confinement->exe);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		miss(reading, CLO_CONFINEMENT_EXE, r);
	confinement->exe_same = fstatat(reading->dirfd, "exe", &own, 0) == 0 &&
				stat(binary, &now) == 0 &&
				own.st_dev == now.st_dev &&
				own.st_ino == now.st_ino;
	return 0;
}

static int read_cgroup(struct reading *reading)
{
	int r = read_text(reading, "cgroup");

	if (r < 0)
		miss(reading, CLO_CONFINEMENT_CGROUP, r);
	reading->confinement->cgroup = strdup(r < 0 ? "" : reading->text);
	return reading->confinement->cgroup ? 0 : -ENOMEM;
}

/* "mnt:[4026531832]" */
static uint64_t namespace_of(int dirfd, const char *name)
{
	char text[64];
	ssize_t len = readlinkat(dirfd, name, text, sizeof(text) - 1);
	const char *at;
	uint64_t number;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strchr(text, '[');
	return at && (at++, take_number(&at, 10, UINT32_MAX, &number)) ? number
								       : 0;
}

static void read_mounts(struct reading *reading, int proc)
{
	struct clo_confinement *confinement = reading->confinement;

	confinement->mounts = namespace_of(reading->dirfd, "ns/mnt");
	confinement->host_mounts = namespace_of(proc, "1/ns/mnt");
	if (!confinement->host_mounts) /* in containers not to be read */
		confinement->host_mounts = namespace_of(proc, "self/ns/mnt");
	if (!confinement->mounts || !confinement->host_mounts)
		miss(reading, CLO_CONFINEMENT_MOUNTS, -ENOENT);
}

/* "Max core file size   0   unlimited   bytes" */
static void read_limits(struct reading *reading)
{
	static const char name[] = "\nMax core file size";
	int r = read_text(reading, "limits");
	const char *at = r < 0 ? NULL : strstr(reading->text, name);
	uint64_t soft;

	reading->confinement->core = UINT64_MAX;
	if (!at) {
		miss(reading, CLO_CONFINEMENT_LIMITS, r < 0 ? r : -EBADMSG);
		return;
	}
	at += sizeof(name) - 1;
	if (take_number(&at, 10, UINT64_MAX, &soft))
		(void)take_number(&at, 10, UINT64_MAX,
				  &reading->confinement->core);
}

/* What kernels without KSM, and older ones, do not have. */
static void read_ksm(struct reading *reading)
{
	struct clo_confinement *confinement = reading->confinement;
	const char *at;
	uint64_t number;

	confinement->mergeable = -1;
	confinement->merged = -1;
	if (read_text(reading, "ksm_merging_pages") == 0) {
		at = reading->text;
		if (take_number(&at, 10, INT64_MAX, &number))
			confinement->merged = (int64_t)number;
	}
	if (read_text(reading, "ksm_stat") < 0)
		return;
	at = value_of(reading->text, "ksm_mergeable");
	if (at)
		confinement->mergeable = strncmp(at, " no", 3) != 0;
}

/* Field 22 of "pid (name) S ..."; -ESRCH also for one that has ended. */
static int read_start(struct reading *reading, uint64_t *ret_started)
{
	const char *at;
	int r = read_text(reading, "stat");

	if (r < 0)
		return -ESRCH;
	at = strrchr(reading->text, ')');
	if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
		return -ESRCH;
	at++;
	for (int field = 3; field < 22; field++) {
		at += strspn(at, " ");
		at += strcspn(at, " ");
	}
	return take_number(&at, 10, UINT64_MAX, ret_started) ? 0 : -ESRCH;
}

static int read_all(struct reading *reading, int proc, const char *binary)
{
	struct clo_confinement *confinement = reading->confinement;
	uint64_t again;
	int r;

	r = read_start(reading, &confinement->started);
	if (r < 0)
		return r;
	read_status(reading);
	read_limits(reading);
	read_mounts(reading, proc);
	read_ksm(reading);
	r = read_exe(reading, binary);
	if (r == 0)
		r = read_cgroup(reading);
	if (r < 0)
		return r;
	r = clo_held_read(reading->dirfd, confinement);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		miss(reading, CLO_CONFINEMENT_HELD, r);
	r = read_start(reading, &again);
	return r == 0 && again != confinement->started ? -ESRCH : r;
}

int clo_confinement_read(int proc, pid_t pid, const char *binary,
			 struct clo_confinement **ret_confinement)
{
	CLO_AUTO(clo_confinement) struct clo_confinement *confinement = NULL;
	CLO_AUTO_MEM struct reading *reading = calloc(1, sizeof(*reading));
	CLO_AUTO_FD int dirfd = -1;
	char name[16];
	int r;

	confinement = calloc(1, sizeof(*confinement));
	if (!confinement || !reading)
		return -ENOMEM;
	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	dirfd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -ESRCH;
	confinement->pid = pid;
	reading->dirfd = dirfd;
	reading->confinement = confinement;
	r = read_all(reading, proc, binary);
	if (r < 0)
		return r;

	*ret_confinement = CLO_TAKE(confinement);
	return 0;
}

void clo_confinement_free(struct clo_confinement *confinement)
{
	if (!confinement)
		return;

	for (size_t i = 0; i < confinement->n_held; i++)
		free(confinement->held[i].what);
	free(confinement->held);
	free(confinement->cgroup);
	free(confinement->exe);
	free(confinement);
}
