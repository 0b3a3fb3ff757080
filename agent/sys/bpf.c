/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/bpf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"
#include "skel/guard.skel.h"

/*
 * Pinned last of all maps: where it is, the set is complete. It lets an agent
 * of another ABI notice before it touches anything.
 */
#define ABI_PIN "map/clo_abi"

/* UAPI of Linux 6.6; Debian 12's headers are older. */
#define TCX_INGRESS 46U
#define TCX_EGRESS 47U

const struct clo_bpf_side clo_bpf_sides[CLO_BPF_SIDES] = {
	{"from_guest", "clo_from_guest", TCX_INGRESS, false},
	{"to_guest", "clo_to_guest", TCX_EGRESS, true},
};

static const char *const map_names[CLO_BPF_MAP_COUNT] = {
#define X(NAME, name) [CLO_BPF_MAP_##NAME] = "clo_" #name,
	CLO_BPF_MAPS(X)
#undef X
#define X(NAME, name, kind, key, value)                                        \
	[CLO_BPF_MAP_TABLES + CLO_TABLE_##NAME] = "clo_" #name,
		CLO_TABLES(X)
#undef X
			[CLO_BPF_MAP_HITS] = "clo_hits",
};

static void guard_freep(struct guard **object)
{
	guard__destroy(*object);
}

/* The program libbpf complained of last: load failures do not say which. */
static char refused[64];

__attribute__((format(printf, 2, 0))) static int
print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[400];
	int n;

	if (level == LIBBPF_DEBUG)
		return 0; /* hundreds of lines for each load */

	n = vsnprintf(text, sizeof(text), fmt, args);
	if (n < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (level == LIBBPF_WARN)
		(void)sscanf(text, "libbpf: prog '%63[^']'", refused);
	/* The extended acks of expected refusals, qdisc exists and such. */
	if (level == LIBBPF_WARN && !strstr(text, "Kernel error message"))
		clo_log(CLO_LOG_WARN, "%s", text);
	else
		clo_log(CLO_LOG_DEBUG, "%s", text);
	return 0;
}

static int bpf_new(const char *dir, struct clo_bpf **ret_bpf)
{
	struct clo_bpf *bpf;

	if (strlen(dir) >= sizeof(bpf->dir))
		return -ENAMETOOLONG;

	bpf = calloc(1, sizeof(*bpf));
	if (!bpf)
		return -ENOMEM;

	memcpy(bpf->dir, dir, strlen(dir) + 1);
	bpf->dir_fd = -1;
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++)
		bpf->maps[i] = -1;
	for (size_t i = 0; i < CLO_BPF_SIDES; i++)
		bpf->programs[i] = -1;
	*ret_bpf = bpf;
	return 0;
}

void clo_bpf_free(struct clo_bpf *bpf)
{
	if (!bpf)
		return;

	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++)
		clo_fd_closep(&bpf->maps[i]);
	for (size_t i = 0; i < CLO_BPF_SIDES; i++)
		clo_fd_closep(&bpf->programs[i]);
	clo_fd_closep(&bpf->dir_fd);
	free(bpf);
}

static int choose_attach(struct clo_bpf *bpf, enum clo_attach attach)
{
	bool supported = clo_bpf_tcx_supported();

	if (attach == CLO_ATTACH_TCX && !supported)
		return -EOPNOTSUPP;

	bpf->tcx = supported && attach != CLO_ATTACH_CLSACT;
	return 0;
}

const char *clo_bpf_attach_name(const struct clo_bpf *bpf)
{
	return bpf->tcx ? "tcx" : "clsact";
}

static int abi_write(struct clo_bpf *bpf)
{
	CLO_AUTO_FD int fd = -1;
	__u32 version = CLO_ABI_VERSION;
	__u32 key = 0;
	int r;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "clo_abi", sizeof(key),
			    sizeof(version), 1, NULL);
	if (fd < 0)
		return fd;
	r = bpf_map_update_elem(fd, &key, &version, BPF_ANY);
	if (r < 0)
		return r;

	return clo_bpf_pin(bpf, fd, ABI_PIN);
}

/* -ENOENT: nothing pinned. -EPROTO: pinned, but not what we speak. */
static int abi_check(const struct clo_bpf *bpf)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	CLO_AUTO_FD int fd = -1;
	__u32 version = 0;
	__u32 key = 0;
	int r;

	r = clo_bpf_pin_open(bpf, ABI_PIN, &fd);
	if (r < 0)
		return r;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size != sizeof(version) || info.max_entries != 1)
		return -EPROTO;
	r = bpf_map_lookup_elem(fd, &key, &version);
	if (r < 0)
		return r;

	return version == CLO_ABI_VERSION ? 0 : -EPROTO;
}

/* Left by a first start that died half-way: no guard can depend on it. */
static int clear_fragments(const struct clo_bpf *bpf)
{
	static const char *const guards[] = {"link", "prog"};
	int r;

	for (size_t i = 0; i < CLO_ARRAY_LEN(guards); i++) {
		r = clo_bpf_dir_is_empty(bpf, guards[i]);
		if (r < 0)
			return r;
		if (!r)
			return -EPROTO;
	}

	return clo_bpf_dir_wipe(bpf, "map");
}

static int make_dirs(const struct clo_bpf *bpf)
{
	static const char *const dirs[] = {"map", "prog",  "link",
					   "gen", "gen/0", "gen/1"};
	int r;

	for (size_t i = 0; i < CLO_ARRAY_LEN(dirs); i++) {
		r = clo_bpf_dir_make(bpf, dirs[i]);
		if (r < 0)
			return r;
	}

	return 0;
}

static int reuse_map(const struct clo_bpf *bpf, struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "map/%s", bpf_map__name(map));
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0)
		return r == -ENOENT ? -EPROTO : r;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.type != (__u32)bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map) ||
	    info.map_flags != bpf_map__map_flags(map)) {
		clo_log(CLO_LOG_ERR, "pinned map has another shape map=%s",
			bpf_map__name(map));
		return -EPROTO;
	}

	return bpf_map__reuse_fd(map, fd);
}

/* Before load: libbpf forgets the inner templates once it made the outer. */
static void note_inner(struct clo_bpf_inner *ret_inner, struct bpf_map *outer)
{
	const struct bpf_map *inner = bpf_map__inner_map(outer);

	assert(inner);
	*ret_inner = (struct clo_bpf_inner){
		(__u32)bpf_map__type(inner),
		bpf_map__key_size(inner),
		bpf_map__value_size(inner),
		bpf_map__map_flags(inner),
	};
}

static int prepare_maps(struct clo_bpf *bpf, const struct guard *object,
			bool adopt)
{
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(object->obj, map_names[i]);
		int r = 0;

		assert(map); /* the object in our own binary */
		if (i >= CLO_BPF_MAP_TABLES)
			note_inner(&bpf->inner[i - CLO_BPF_MAP_TABLES], map);
		if (adopt)
			r = reuse_map(bpf, map);
		if (r < 0)
			return r;
	}

	return 0;
}

static int take_maps(struct clo_bpf *bpf, const struct guard *object,
		     bool adopted)
{
	char name[64];
	int r;

	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++) {
		int fd = bpf_object__find_map_fd_by_name(object->obj,
							 map_names[i]);

		bpf->maps[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (bpf->maps[i] < 0)
			return -errno;
		if (adopted)
			continue;
		(void)snprintf(name, sizeof(name), "map/%s", map_names[i]);
		r = clo_bpf_pin(bpf, fd, name);
		if (r < 0)
			return r;
	}

	return adopted ? 0 : abi_write(bpf);
}

static int load(struct clo_bpf *bpf, bool adopt)
{
	CLO_AUTO(guard) struct guard *object = NULL;
	int r;

	refused[0] = '\0';
	object = guard__open();
	if (!object)
		return -errno;
	r = prepare_maps(bpf, object, adopt);
	if (r < 0)
		return r;
	r = guard__load(object);
	if (r < 0) {
		clo_log(CLO_LOG_ERR,
			"kernel refuses the datapath program=%s error=%s",
			refused[0] ? refused : "none", strerror(-r));
		return r;
	}
	r = take_maps(bpf, object, adopt);
	if (r < 0)
		return r;

	return clo_bpf_programs_adopt(bpf, object->obj);
}

int clo_bpf_open(const char *dir, enum clo_attach attach,
		 struct clo_bpf **ret_bpf, bool *ret_adopted)
{
	CLO_AUTO(clo_bpf) struct clo_bpf *bpf = NULL;
	bool adopt;
	int r;

	(void)libbpf_set_print(print);
	r = bpf_new(dir, &bpf);
	if (r < 0)
		return r;
	r = clo_bpf_dir_open(bpf, true);
	if (r < 0)
		return r;
	r = choose_attach(bpf, attach);
	if (r < 0)
		return r;
	r = abi_check(bpf);
	if (r < 0 && r != -ENOENT)
		return r;
	adopt = r != -ENOENT;
	if (!adopt) {
		r = clear_fragments(bpf);
		if (r < 0)
			return r;
	}
	r = make_dirs(bpf);
	if (r < 0)
		return r;
	r = load(bpf, adopt);
	if (r < 0)
		return r;

	*ret_bpf = CLO_TAKE(bpf);
	*ret_adopted = adopt;
	return 0;
}

int clo_bpf_remove(const char *dir)
{
	CLO_AUTO(clo_bpf) struct clo_bpf *bpf = NULL;
	int r;

	(void)libbpf_set_print(print);
	r = bpf_new(dir, &bpf);
	if (r < 0)
		return r;
	r = clo_bpf_dir_open(bpf, false);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = clo_bpf_links_remove(bpf);
	if (r < 0)
		return r;
	r = clo_bpf_clsact_remove();
	if (r < 0)
		return r;

	return clo_bpf_dir_wipe(bpf, "");
}
