/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/confinement_impl.h"

#define CONTROL "sbx.guest-confinement"
#define SHARED "sbx.shared-resources"

static const char *const parts[] = {
#define PART_NAME(id, name) name,
	CLO_CONFINEMENT_PARTS(PART_NAME)
#undef PART_NAME
};

/* One process is looked at. */
struct look {
	const struct clo_confinement *confinement;
	const struct clo_confinement_rule *rule;
	struct clo_tell tell;
	char where[32];
};

static bool has(const struct look *look, enum clo_confinement_part part)
{
	unsigned int bits = look->confinement->missing | look->confinement->cut;

	return !(bits & 1U << part);
}

/* What cannot be read is never good news. */
static void check_parts(struct look *look)
{
	for (unsigned int i = 0; i < CLO_CONFINEMENT_N_PARTS; i++) {
		if (i == CLO_CONFINEMENT_MOUNTS && !look->rule->private_mounts)
			continue;
		if (look->confinement->missing & 1U << i)
			clo_tell(&look->tell, CONTROL, look->where,
				 "its /proc/%d/%s cannot be read",
				 (int)look->confinement->pid, parts[i]);
		if (look->confinement->cut & 1U << i)
			clo_tell(&look->tell, CONTROL, look->where,
				 "its /proc/%d/%s is too much to read",
				 (int)look->confinement->pid, parts[i]);
	}
}

static void check_ids(struct look *look, const char *what,
		      const uint32_t ids[4], uint32_t want)
{
	static const char *const names[] = {"real", "effective", "saved",
					    "file system"};

	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (ids[i] != want) {
			clo_tell(&look->tell, CONTROL, look->where,
				 "its %s %s is %u, not %u: does the domain "
				 "have its DAC label?",
				 names[i], what, ids[i], want);
			return;
		}
}

static bool may_have_group(const struct look *look, uint32_t group)
{
	if (group == look->rule->profile->gid)
		return true;
	for (size_t i = 0; i < look->rule->n_groups; i++)
		if (group == look->rule->groups[i])
			return true;
	return false;
}

static void check_groups(struct look *look,
			 const struct clo_credentials *credentials)
{
	if (credentials->n_groups > CLO_CONFINEMENT_GROUPS_MAX) {
		clo_tell(&look->tell, CONTROL, look->where,
			 "is in more than %u groups",
			 CLO_CONFINEMENT_GROUPS_MAX);
		return;
	}
	for (uint32_t i = 0; i < credentials->n_groups; i++)
		if (!may_have_group(look, credentials->groups[i]))
			clo_tell(&look->tell, CONTROL, look->where,
				 "is also in group %u", credentials->groups[i]);
}

static void check_capabilities(struct look *look, const uint64_t *sets,
			       bool gains)
{
	static const char *const names[CLO_N_CAPABILITIES] = {
		"inheritable", "permitted", "effective", "bounding", "ambient"};

	/* libvirt leaves the bounding set whole: no matter without a gain */
	for (size_t i = 0; i < CLO_N_CAPABILITIES; i++)
		if (sets[i] != 0 && (i != CLO_BOUNDING || gains))
			clo_tell(&look->tell, CONTROL, look->where,
				 "has capabilities in its %s set: %" PRIx64,
				 names[i], sets[i]);
}

static void check_credentials(struct look *look)
{
	const struct clo_confinement *confinement = look->confinement;
	const struct clo_credentials *credentials = &confinement->credentials;

	check_ids(look, "user", credentials->uids, look->rule->profile->uid);
	check_ids(look, "group", credentials->gids, look->rule->profile->gid);
	check_groups(look, credentials);
	check_capabilities(look, credentials->capabilities,
			   credentials->no_new_privs != 1);
	if (credentials->no_new_privs != 1)
		clo_tell(&look->tell, CONTROL, look->where,
			 "can gain privileges (NoNewPrivs %u): restart the "
			 "domain with its emulator %s",
			 credentials->no_new_privs,
			 look->rule->profile->emulator);
	if (credentials->seccomp != 2 ||
	    credentials->filters < look->rule->filters)
		clo_tell(&look->tell, CONTROL, look->where,
			 "has %u seccomp filters, and %u with the wrapper: "
			 "restart the domain with its emulator %s",
			 credentials->seccomp == 2 ? credentials->filters : 0,
			 look->rule->filters, look->rule->profile->emulator);
	if (confinement->n_odd > 0)
		clo_tell(&look->tell, CONTROL, look->where,
			 "%zu of its %zu threads have other credentials",
			 confinement->n_odd, confinement->n_tasks);
}

static void check_program(struct look *look)
{
	const struct clo_confinement *confinement = look->confinement;

	if (!has(look, CLO_CONFINEMENT_EXE))
		return;
	if (strcmp(confinement->exe, look->rule->binary) != 0)
		clo_tell(&look->tell, CONTROL, look->where,
			 "executes %s, not %s", confinement->exe,
			 look->rule->binary);
	else if (!confinement->exe_same)
		clo_tell(&look->tell, CONTROL, look->where,
			 "executes another file than %s is now: restart the "
			 "domain after an upgrade",
			 look->rule->binary);
}

/* libvirt's own group for a partition, without systemd: cgroups.html. */
static bool is_in_partition(const char *path, size_t len, const char *partition)
{
	size_t at = 0;

	while (*partition) {
		static const char suffix[] = ".partition";
		size_t part = strcspn(partition + 1, "/");
		bool top =
			part == 7 && memcmp(partition + 1, "machine", 7) == 0;
		size_t tail = top ? 0 : sizeof(suffix) - 1;

		if (len - at < 1 + part + tail ||
		    memcmp(path + at, partition, 1 + part) != 0 ||
		    memcmp(path + at + 1 + part, suffix, tail) != 0)
			return false;
		at += 1 + part + tail;
		partition += 1 + part;
	}
	return len > at + 1 && path[at] == '/';
}

/* One part of a slice's name: "-" is for levels. */
static bool skip_escaped(const char **at, const char *end, const char *part,
			 size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char *want =
			part[i] == '-' ? "\\x2d" : (char[]){part[i], '\0'};
		size_t n = strlen(want);

		if ((size_t)(end - *at) < n || memcmp(*at, want, n) != 0)
			return false;
		*at += n;
	}
	return true;
}

/* "/machine.slice/machine-cloison\x2dacme\x2dtest.slice/machine-qemu...". */
static bool is_in_slice(const char *path, size_t len, const char *partition)
{
	static const char head[] = "/machine.slice/machine-";
	static const char tail[] = ".slice/";
	const char *at = path + sizeof(head) - 1;
	const char *end = path + len;
	const char *name = strrchr(partition, '/') + 1;

	return strncmp(partition, "/machine/", 9) == 0 &&
	       name == partition + 9 && len > sizeof(head) &&
	       memcmp(path, head, sizeof(head) - 1) == 0 &&
	       skip_escaped(&at, end, name, strlen(name)) &&
	       (size_t)(end - at) > sizeof(tail) - 1 &&
	       memcmp(at, tail, sizeof(tail) - 1) == 0;
}

/* One of these is in the comma-separated list. */
static bool limits(const char *list, size_t len)
{
	static const char *const controllers[] = {"memory", "cpu", "blkio"};

	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		size_t part = comma ? (size_t)(comma - list) : len;

		for (size_t i = 0; i < CLO_ARRAY_LEN(controllers); i++)
			if (strlen(controllers[i]) == part &&
			    memcmp(list, controllers[i], part) == 0)
				return true;
		part += comma != NULL;
		list += part;
		len -= part;
	}
	return false;
}

/* One line: "4:memory:/machine/...". */
struct membership {
	const char *list;
	size_t list_len; /* 0: version 2 */
	const char *path;
	size_t path_len;
};

static bool take_line(const char *line, size_t len, struct membership *ret)
{
	const char *end = line + len;
	const char *list = memchr(line, ':', len);
	const char *path;

	if (!list)
		return false;
	list++;
	path = memchr(list, ':', (size_t)(end - list));
	if (!path)
		return false;
	*ret = (struct membership){list, (size_t)(path - list), path + 1,
				   (size_t)(end - path - 1)};
	return true;
}

static void check_membership(struct look *look, const struct membership *group)
{
	const char *partition = look->rule->profile->partition;

	if (!is_in_partition(group->path, group->path_len, partition) &&
	    !is_in_slice(group->path, group->path_len, partition))
		clo_tell(&look->tell, SHARED, look->where,
			 "is in cgroup %.*s:%.*s, not below %s",
			 (int)group->list_len, group->list,
			 (int)group->path_len, group->path, partition);
}

/*
 * In every hierarchy of version 1 with a controller that limits; in version 2
 * where there is none.
 */
static void check_cgroup(struct look *look)
{
	struct membership unified = {.list = "", .path = ""};
	size_t n = 0;

	if (!has(look, CLO_CONFINEMENT_CGROUP))
		return;
	for (const char *line = look->confinement->cgroup; *line;) {
		size_t len = strcspn(line, "\n");
		struct membership group;

		if (!take_line(line, len, &group)) {
			/* no line of this kernel's */
		} else if (group.list_len == 0) {
			unified = group;
		} else if (limits(group.list, group.list_len)) {
			n++;
			check_membership(look, &group);
		}
		line += len + (line[len] == '\n');
	}
	if (n == 0)
		check_membership(look, &unified);
}

static void check_sharing(struct look *look)
{
	const struct clo_confinement *confinement = look->confinement;

	if (confinement->mergeable == 1 || confinement->merged > 0)
		clo_tell(&look->tell, SHARED, look->where,
			 "its memory may be merged with that of others: "
			 "restart the domain with <nosharepages/>");
	if (has(look, CLO_CONFINEMENT_LIMITS) && confinement->core != 0)
		clo_tell(&look->tell, CONTROL, look->where,
			 "may leave its memory in a core dump: restart the "
			 "domain with its emulator %s",
			 look->rule->profile->emulator);
	if (look->rule->private_mounts && has(look, CLO_CONFINEMENT_MOUNTS) &&
	    confinement->mounts == confinement->host_mounts)
		clo_tell(&look->tell, CONTROL, look->where,
			 "sees the host's own /dev: set namespaces to "
			 "[ \"mount\" ] in qemu.conf");
}

int clo_confinement_check(const struct clo_confinement *confinement,
			  const struct clo_confinement_rule *rule,
			  struct clo_findings *findings)
{
	struct look look = {confinement, rule, {findings, 0}, ""};

	(void)snprintf(look.where, sizeof(look.where), "process %d",
		       (int)confinement->pid);
	check_parts(&look);
	if (has(&look, CLO_CONFINEMENT_STATUS))
		check_credentials(&look);
	check_program(&look);
	check_cgroup(&look);
	check_sharing(&look);
	clo_held_check(confinement, rule, look.where, &look.tell);
	return look.tell.r;
}
