/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/tags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"
#include "skel/tags.skel.h"

static void tags_freep(struct tags **object)
{
	tags__destroy(*object);
}

#define DIR_NAME "tag"
#define PIN_MAX 64

enum {
	MAP_RANGE,
	MAP_SCOPES,
	MAP_REFUSED,
	MAP_COUNT,
};

static const char *const map_names[MAP_COUNT] = {
	[MAP_RANGE] = "clo_tag_range",
	[MAP_SCOPES] = "clo_tag_scopes",
	[MAP_REFUSED] = "clo_tag_refused",
};

static const char *const hook_names[CLO_TAG_HOOK_COUNT] = {
#define X(hook) [CLO_TAG_HOOK_##hook] = #hook,
	CLO_TAG_HOOKS(X)
#undef X
};

struct clo_tags {
	const struct clo_bpf *bpf; /* borrowed */
	int maps[MAP_COUNT];
	int links[CLO_TAG_HOOK_COUNT];
	int depth; /* program */
	bool set;
	struct clo_tag_range range;
	struct clo_tag_cgroup *cgroups; /* by id */
	size_t n_cgroups;
};

static void pin_name(char ret_name[PIN_MAX], const char *name)
{
	(void)snprintf(ret_name, PIN_MAX, DIR_NAME "/%s", name);
}

static int open_pin(const struct clo_bpf *bpf, const char *name, int *ret_fd)
{
	char path[PIN_MAX];

	pin_name(path, name);
	return clo_bpf_pin_open(bpf, path, ret_fd);
}

static int pin(const struct clo_bpf *bpf, int fd, const char *name)
{
	char path[PIN_MAX];

	pin_name(path, name);
	return clo_bpf_pin(bpf, fd, path);
}

/* What the kernel says when it refuses a program is for those who look. */
__attribute__((format(printf, 2, 0))) static int
print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[400];

	if (level == LIBBPF_DEBUG ||
	    vsnprintf(text, sizeof(text), fmt, args) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	clo_log(CLO_LOG_DEBUG, "%s", text);
	return 0;
}

static struct clo_tags *tags_new(const struct clo_bpf *bpf)
{
	struct clo_tags *tags = calloc(1, sizeof(*tags));

	if (!tags)
		return NULL;
	tags->bpf = bpf;
	for (size_t i = 0; i < MAP_COUNT; i++)
		tags->maps[i] = -1;
	for (size_t i = 0; i < CLO_TAG_HOOK_COUNT; i++)
		tags->links[i] = -1;
	tags->depth = -1;
	return tags;
}

void clo_tags_free(struct clo_tags *tags)
{
	if (!tags)
		return;

	for (size_t i = 0; i < MAP_COUNT; i++)
		clo_fd_closep(&tags->maps[i]);
	for (size_t i = 0; i < CLO_TAG_HOOK_COUNT; i++)
		clo_fd_closep(&tags->links[i]);
	clo_fd_closep(&tags->depth);
	free(tags->cgroups);
	free(tags);
}

/* Before the load: maps that an earlier run pinned, if they are alike. */
static void adopt_maps(const struct clo_bpf *bpf, const struct tags *object)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(object->obj, map_names[i]);
		struct bpf_map_info info;
		CLO_AUTO_FD int fd = -1;

		if (open_pin(bpf, map_names[i], &fd) == 0 &&
		    clo_bpf_map_info(fd, &info) == 0 &&
		    info.type == bpf_map__type(map) &&
		    info.key_size == bpf_map__key_size(map) &&
		    info.value_size == bpf_map__value_size(map) &&
		    info.max_entries == bpf_map__max_entries(map))
			(void)bpf_map__reuse_fd(map, fd);
	}
}

static int take_maps(struct clo_tags *tags, const struct tags *object)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		int r;

		tags->maps[i] = fcntl(bpf_object__find_map_fd_by_name(
					      object->obj, map_names[i]),
				      F_DUPFD_CLOEXEC, 3);
		if (tags->maps[i] < 0)
			return -errno;
		r = pin(tags->bpf, tags->maps[i], map_names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The program of a link; a program over other maps is another one. */
static int info_of_link(int link, struct bpf_prog_info *ret_info,
			__u32 maps[MAP_COUNT + 1])
{
	struct bpf_link_info link_info = {0};
	__u32 len = sizeof(link_info);
	CLO_AUTO_FD int program = -1;
	int r;

	r = bpf_obj_get_info_by_fd(link, &link_info, &len);
	if (r < 0)
		return r;
	program = bpf_prog_get_fd_by_id(link_info.prog_id);
	if (program < 0)
		return program;
	*ret_info = (struct bpf_prog_info){
		.map_ids = (__u64)(uintptr_t)maps,
		.nr_map_ids = MAP_COUNT + 1,
	};
	len = sizeof(*ret_info);
	return bpf_obj_get_info_by_fd(program, ret_info, &len);
}

static bool same_program(int link, int built)
{
	__u32 maps[2][MAP_COUNT + 1] = {0};
	struct bpf_prog_info info[2] = {0};
	__u32 len = sizeof(info[1]);

	info[1].map_ids = (__u64)(uintptr_t)maps[1];
	info[1].nr_map_ids = MAP_COUNT + 1;
	return info_of_link(link, &info[0], maps[0]) == 0 &&
	       bpf_obj_get_info_by_fd(built, &info[1], &len) == 0 &&
	       info[0].type == info[1].type &&
	       info[0].attach_btf_id == info[1].attach_btf_id &&
	       memcmp(info[0].tag, info[1].tag, sizeof(info[0].tag)) == 0 &&
	       memcmp(maps[0], maps[1], sizeof(maps[0])) == 0;
}

static int take_hook(struct clo_tags *tags, const struct tags *object,
		     size_t hook)
{
	const struct bpf_program *program;
	CLO_AUTO_FD int link = -1;
	char name[PIN_MAX];
	int fd;

	(void)snprintf(name, sizeof(name), "tag_%s", hook_names[hook]);
	program = bpf_object__find_program_by_name(object->obj, name);
	fd = program ? bpf_program__fd(program) : -ENOENT;
	if (fd < 0)
		return fd;
	if (open_pin(tags->bpf, hook_names[hook], &link) < 0 ||
	    !same_program(link, fd)) {
		clo_fd_closep(&link);
		link = bpf_raw_tracepoint_open(NULL, fd);
		if (link < 0)
			return link;
	}
	tags->links[hook] = clo_take_fd(&link);
	return 0;
}

/* The old links end when the new ones hang: no hook is without. */
static int take_hooks(struct clo_tags *tags, const struct tags *object)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < CLO_TAG_HOOK_COUNT; i++)
		r = take_hook(tags, object, i);
	for (size_t i = 0; r == 0 && i < CLO_TAG_HOOK_COUNT; i++)
		r = pin(tags->bpf, tags->links[i], hook_names[i]);
	tags->depth = fcntl(bpf_program__fd(object->progs.clo_tag_depth),
			    F_DUPFD_CLOEXEC, 3);
	return r == 0 && tags->depth < 0 ? -errno : r;
}

int clo_tags_open(const struct clo_bpf *bpf, struct clo_tags **ret_tags)
{
	CLO_AUTO(clo_tags) struct clo_tags *tags = tags_new(bpf);
	CLO_AUTO(tags) struct tags *object = NULL;
	libbpf_print_fn_t printed;
	bool adopted;
	int r;

	if (!tags)
		return -ENOMEM;
	adopted = clo_bpf_dir_make(bpf, DIR_NAME) == 0 &&
		  clo_bpf_dir_is_empty(bpf, DIR_NAME) == 0;
	printed = libbpf_set_print(print);
	object = tags__open();
	r = object ? 0 : -errno;
	if (r == 0) {
		adopt_maps(bpf, object);
		r = tags__load(object);
	}
	if (r == 0)
		r = take_maps(tags, object);
	if (r == 0)
		r = take_hooks(tags, object);
	(void)libbpf_set_print(printed);
	if (r < 0) {
		if (!adopted)
			(void)clo_bpf_dir_wipe(bpf, DIR_NAME);
		return r;
	}

	*ret_tags = CLO_TAKE(tags);
	return 0;
}

int clo_tags_depth(const struct clo_tags *tags, uint64_t cgroup,
		   uint32_t *ret_depth)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &cgroup,
		    .ctx_size_in = sizeof(cgroup));
	int r = bpf_prog_test_run_opts(tags->depth, &options);

	if (r < 0)
		return r;
	if ((int)options.retval < 0)
		return -ENOENT;
	*ret_depth = options.retval;
	return 0;
}

static int write_range(struct clo_tags *tags)
{
	static const __u32 zero;

	return bpf_map_update_elem(tags->maps[MAP_RANGE], &zero, &tags->range,
				   BPF_ANY);
}

static const struct clo_tag_cgroup *find(const struct clo_tags *tags,
					 uint64_t id)
{
	for (size_t i = 0; i < tags->n_cgroups; i++)
		if (tags->cgroups[i].id == id)
			return &tags->cgroups[i];
	return NULL;
}

/* Remove what is there and not wanted; count what is left. */
static int prune(struct clo_tags *tags, bool remove, size_t *ret_same)
{
	int map = tags->maps[MAP_SCOPES];
	struct clo_tag_scope there;
	__u64 key, next;
	bool more = bpf_map_get_next_key(map, NULL, &next) == 0;

	*ret_same = 0;
	for (size_t i = 0; more && i < CLO_TAG_SCOPES; i++) {
		const struct clo_tag_cgroup *want = find(tags, next);

		key = next;
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (bpf_map_lookup_elem(map, &key, &there) < 0)
			continue;
		if (want && memcmp(&there, &want->scope, sizeof(there)) == 0)
			++*ret_same;
		else if (!remove)
			return -ESTALE;
		else if (!want && bpf_map_delete_elem(map, &key) < 0)
			return -errno;
	}
	return 0;
}

static int write_all(struct clo_tags *tags)
{
	size_t same;
	int r;

	r = prune(tags, true, &same);
	for (size_t i = 0; r == 0 && i < tags->n_cgroups; i++)
		r = bpf_map_update_elem(tags->maps[MAP_SCOPES],
					&tags->cgroups[i].id,
					&tags->cgroups[i].scope, BPF_ANY);
	return r < 0 ? r : write_range(tags);
}

int clo_tags_set(struct clo_tags *tags, const struct clo_tag_range *range,
		 const struct clo_tag_cgroup *cgroups, size_t n)
{
	struct clo_tag_range wanted = *range;
	struct clo_tag_cgroup *copy;

	if (n > CLO_TAG_SCOPES)
		return -E2BIG;
	wanted.canary = tags->range.canary;
	wanted.pid_dev = tags->range.pid_dev;
	wanted.pid_ino = tags->range.pid_ino;
	if (tags->set && n == tags->n_cgroups &&
	    memcmp(&wanted, &tags->range, sizeof(wanted)) == 0 &&
	    (n == 0 || memcmp(cgroups, tags->cgroups, n * sizeof(*copy)) == 0))
		return 0;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		copy[i] = cgroups[i];
	free(tags->cgroups);
	tags->cgroups = copy;
	tags->n_cgroups = n;
	tags->range = wanted;
	tags->set = true;
	return write_all(tags);
}

int clo_tags_canary(struct clo_tags *tags, uint32_t pid)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	tags->range.canary = pid;
	tags->range.pid_dev = (uint32_t)st.st_dev;
	tags->range.pid_ino = (uint32_t)st.st_ino;
	return write_range(tags);
}

static bool same_link(int fd, int pinned)
{
	struct bpf_link_info a = {0};
	struct bpf_link_info b = {0};
	__u32 len = sizeof(a);

	return bpf_obj_get_info_by_fd(fd, &a, &len) == 0 &&
	       bpf_obj_get_info_by_fd(pinned, &b, &len) == 0 && a.id == b.id;
}

static bool same_map(int fd, int pinned)
{
	struct bpf_map_info a;
	struct bpf_map_info b;

	return clo_bpf_map_info(fd, &a) == 0 &&
	       clo_bpf_map_info(pinned, &b) == 0 && a.id == b.id;
}

static const char *find_lost(const struct clo_tags *tags)
{
	for (size_t i = 0; i < CLO_TAG_HOOK_COUNT; i++) {
		CLO_AUTO_FD int fd = -1;

		if (open_pin(tags->bpf, hook_names[i], &fd) < 0 ||
		    !same_link(tags->links[i], fd))
			return hook_names[i];
	}
	for (size_t i = 0; i < MAP_COUNT; i++) {
		CLO_AUTO_FD int fd = -1;

		if (open_pin(tags->bpf, map_names[i], &fd) < 0 ||
		    !same_map(tags->maps[i], fd))
			return map_names[i];
	}
	return NULL;
}

int clo_tags_read(struct clo_tags *tags, struct clo_tags_state *ret_state)
{
	struct clo_tags_state state = {.lost = find_lost(tags)};
	struct clo_tag_range range;
	__u32 key = 0;
	size_t same;
	int r;

	r = bpf_map_lookup_elem(tags->maps[MAP_RANGE], &key, &range);
	if (r < 0)
		return r;
	state.as_set = memcmp(&range, &tags->range, sizeof(range)) == 0 &&
		       prune(tags, false, &same) == 0 &&
		       same == tags->n_cgroups;
	for (; key < CLO_TAG_HOOK_COUNT; key++) {
		__u64 count = 0;

		r = bpf_map_lookup_elem(tags->maps[MAP_REFUSED], &key, &count);
		if (r < 0)
			return r;
		state.refused += count;
	}
	*ret_state = state;
	return 0;
}

int clo_tags_restore(struct clo_tags *tags)
{
	int r = clo_bpf_dir_make(tags->bpf, DIR_NAME);

	for (size_t i = 0; r == 0 && i < CLO_TAG_HOOK_COUNT; i++)
		r = pin(tags->bpf, tags->links[i], hook_names[i]);
	for (size_t i = 0; r == 0 && i < MAP_COUNT; i++)
		r = pin(tags->bpf, tags->maps[i], map_names[i]);
	return r < 0 ? r : write_all(tags);
}

int clo_tags_remove(const struct clo_bpf *bpf)
{
	return clo_bpf_dir_wipe(bpf, DIR_NAME);
}
