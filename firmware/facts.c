/* SPDX-License-Identifier: Apache-2.0 */
#include "firmware/facts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "firmware/judge.h"
#include "firmware/source.h"

#define TEXT_SIZE 3072 /* the longest is the command line: 2048 on x86 */
#define NAMES_MAX 40 /* files of cpu/vulnerabilities */
#define ENTRIES_MAX 65536U
#define LINES_MAX 4194304U /* of /proc/cpuinfo */
#define EFI "sys/firmware/efi/efivars/"
#define EFI_GLOBAL "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define CPU "sys/devices/system/cpu"

_Static_assert(sizeof(((struct clo_fact *)0)->value) == CLO_VALUE_SIZE,
	       "judges write values of this size");

/* One fact from one file. */
struct probe {
	const char *name;
	const char *path;
	clo_judge_fn *judge;
};

static const struct probe probes[] = {
	{"secure-boot", EFI "SecureBoot" EFI_GLOBAL, clo_judge_efi_one},
	{"setup-mode", EFI "SetupMode" EFI_GLOBAL, clo_judge_efi_zero},
	{"kernel-lockdown", "sys/kernel/security/lockdown", clo_judge_lockdown},
	{"kernel-taint", "proc/sys/kernel/tainted", clo_judge_zero},
	{"cmdline-mitigations", "proc/cmdline", clo_judge_cmdline_mitigations},
	{"cmdline-iommu", "proc/cmdline", clo_judge_cmdline_iommu},
	{"ksm", "sys/kernel/mm/ksm/run", clo_judge_zero},
	{"swap", "proc/swaps", clo_judge_swaps},
};

/* Names of the files of a directory, sorted. */
struct names {
	size_t n;
	bool more; /* than there is room for */
	char name[NAMES_MAX][48];
};

/* Microcode revisions as they are met, CPU by CPU. */
struct revisions {
	size_t n;
	char first[32];
	char other[32]; /* one that differs from the first, or "" */
	bool unreadable;
};

static void dir_freep(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void file_freep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

const char *clo_fact_state_text(enum clo_fact_state state)
{
	static const char *const texts[] = {
		[CLO_FACT_VERIFIED] = "verified",
		[CLO_FACT_CONTRADICTED] = "contradicted",
		[CLO_FACT_NOT_OBSERVABLE] = "not observable",
	};

	assert((size_t)state < CLO_ARRAY_LEN(texts));
	return texts[state];
}

/* A new fact, not observable until somebody says more. */
static struct clo_fact *add(struct clo_facts *facts, const char *name,
			    const char *path)
{
	struct clo_fact *fact = &facts->facts[facts->n];

	assert(facts->n < CLO_FACTS_MAX);
	facts->n++;
	clo_source_line(name, fact->name, sizeof(fact->name));
	fact->source[0] = '/';
	clo_source_line(path, fact->source + 1, sizeof(fact->source) - 1);
	fact->state = CLO_FACT_NOT_OBSERVABLE;
	fact->value[0] = '\0';
	return fact;
}

static void collect_probe(int root, const struct probe *probe,
			  struct clo_facts *facts)
{
	struct clo_fact *fact = add(facts, probe->name, probe->path);
	char text[TEXT_SIZE];
	size_t len;

	if (clo_source_read(root, probe->path, text, sizeof(text), &len) < 0)
		return;

	clo_source_line(text, fact->value, sizeof(fact->value));
	fact->state = probe->judge(text, len, fact->value);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list_names(int root, const char *path, struct names *ret_names)
{
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	const struct dirent *entry;
	int r;

	ret_names->n = 0;
	ret_names->more = false;
	r = clo_source_list(root, path, &dir);
	if (r < 0)
		return r;

	while (!ret_names->more && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		ret_names->more = ret_names->n == NAMES_MAX ||
				  len >= sizeof(ret_names->name[0]);
		if (!ret_names->more)
			memcpy(ret_names->name[ret_names->n++], entry->d_name,
			       len + 1);
	}
	qsort(ret_names->name, ret_names->n, sizeof(ret_names->name[0]),
	      by_name);
	return 0;
}

static void collect_vulnerabilities(int root, struct clo_facts *facts)
{
	static const char dir[] = CPU "/vulnerabilities";
	struct names names;

	/* Nothing read, or not all: said once, instead of silence. */
	if (list_names(root, dir, &names) < 0 || names.n == 0 || names.more)
		(void)add(facts, "cpu-vulnerabilities", dir);

	for (size_t i = 0; i < names.n; i++) {
		char name[80];
		char path[128];
		struct probe probe = {name, path, clo_judge_vulnerability};

		(void)snprintf(name, sizeof(name), "cpu-vulnerability.%s",
			       names.name[i]);
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names.name[i]);
		collect_probe(root, &probe, facts);
	}
}

static void note_revision(struct revisions *revisions, const char *text)
{
	char line[sizeof(revisions->first)];

	clo_source_line(text, line, sizeof(line));
	if (revisions->n++ == 0)
		memcpy(revisions->first, line, sizeof(line));
	else if (strcmp(revisions->first, line) != 0)
		memcpy(revisions->other, line, sizeof(line));
}

static bool is_cpu(const char *name)
{
	return !strncmp(name, "cpu", 3) && name[3] &&
	       strlen(name) <= strlen("cpu12345678") &&
	       name[3 + strspn(name + 3, "0123456789")] == '\0';
}

/* From sysfs; a CPU that is offline has no microcode directory. */
static void read_revisions(int root, struct revisions *revisions)
{
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	const struct dirent *entry;

	if (clo_source_list(root, CPU, &dir) < 0)
		return;

	while ((entry = readdir(dir))) {
		char path[sizeof(CPU) + 64];
		char text[64];
		size_t len;
		int r;

		if (!is_cpu(entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path),
			       CPU "/%.12s/microcode/version", entry->d_name);
		r = clo_source_read(root, path, text, sizeof(text), &len);
		if (r == 0)
			note_revision(revisions, text);
		else if (r != -ENOENT)
			revisions->unreadable = true;
	}
}

/* From "microcode : 0x1" in each CPU's block of /proc/cpuinfo. */
static void parse_cpuinfo(int root, struct revisions *revisions)
{
	__attribute__((cleanup(file_freep))) FILE *file = NULL;
	bool at_start = true;
	size_t n_cpus = 0;
	char line[256];

	if (clo_source_open(root, "proc/cpuinfo", &file) < 0)
		return;

	for (size_t i = 0; i < LINES_MAX; i++) {
		const char *colon;

		if (!fgets(line, sizeof(line), file))
			break;
		colon = at_start ? strstr(line, ": ") : NULL;
		at_start = strchr(line, '\n') != NULL;
		if (colon && !strncmp(line, "processor\t", 10))
			n_cpus++;
		if (colon && !strncmp(line, "microcode\t", 10))
			note_revision(revisions, colon + 2);
	}
	revisions->unreadable = !feof(file) || n_cpus != revisions->n;
}

static void collect_microcode(int root, struct clo_facts *facts)
{
	static const char sysfs[] = CPU "/cpu0/microcode/version";
	struct revisions revisions = {0};
	struct clo_fact *fact;

	read_revisions(root, &revisions);
	if (revisions.n == 0 && !revisions.unreadable) {
		fact = add(facts, "microcode", "proc/cpuinfo");
		parse_cpuinfo(root, &revisions);
	} else {
		fact = add(facts, "microcode", sysfs);
	}
	if (revisions.n == 0)
		return;

	if (revisions.other[0]) {
		(void)snprintf(fact->value, sizeof(fact->value),
			       "%s and %s differ", revisions.first,
			       revisions.other);
		fact->state = CLO_FACT_CONTRADICTED;
		return;
	}
	(void)snprintf(fact->value, sizeof(fact->value), "%s", revisions.first);
	if (!revisions.unreadable)
		fact->state = clo_judge_microcode(revisions.first);
}

/* The file's first line, or NULL. */
static const char *read_word(int root, const char *path, char word[32])
{
	char text[64];
	size_t len;

	if (clo_source_read(root, path, text, sizeof(text), &len) < 0)
		return NULL;
	clo_source_line(text, word, 32);
	return word;
}

static void collect_smt(int root, struct clo_facts *facts)
{
	struct clo_fact *fact = add(facts, "smt", CPU "/smt/active");
	char control_word[32];
	char active_word[32];
	const char *control = read_word(root, CPU "/smt/control", control_word);
	const char *active = read_word(root, CPU "/smt/active", active_word);

	fact->state = clo_judge_smt(control, active);
	if (control || active)
		(void)snprintf(fact->value, sizeof(fact->value),
			       "control %s, active %s", control ? control : "-",
			       active ? active : "-");
}

/* No group although the kernel could make some: no IOMMU is in use. */
static void collect_iommu_groups(int root, struct clo_facts *facts)
{
	static const char path[] = "sys/kernel/iommu_groups";
	__attribute__((cleanup(dir_freep))) DIR *dir = NULL;
	struct clo_fact *fact = add(facts, "iommu-groups", path);
	const struct dirent *entry;
	size_t n = 0;

	if (clo_source_list(root, path, &dir) < 0)
		return;

	while (n < ENTRIES_MAX && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	(void)snprintf(fact->value, sizeof(fact->value), "%zu groups", n);
	fact->state = n ? CLO_FACT_VERIFIED : CLO_FACT_CONTRADICTED;
}

int clo_facts_collect(const char *root, struct clo_facts *ret_facts)
{
	CLO_AUTO_FD int fd = -1;

	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	ret_facts->n = 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(probes); i++)
		collect_probe(fd, &probes[i], ret_facts);
	collect_microcode(fd, ret_facts);
	collect_smt(fd, ret_facts);
	collect_iommu_groups(fd, ret_facts);
	collect_vulnerabilities(fd, ret_facts);
	return 0;
}
