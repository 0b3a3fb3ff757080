/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

/*
 * Pinned last of all maps: where it is, the set is complete. It lets an agent
 * of another ABI notice before it touches anything.
 */
#define ABI_PIN "map/clo_abi"

const char *const clo_bpf_map_names[CLO_BPF_MAP_COUNT] = {
#define X(NAME, name) [CLO_BPF_MAP_##NAME] = "clo_" #name,
	CLO_BPF_MAPS(X)
#undef X
#define X(NAME, name, kind, key, value)                                        \
	[CLO_BPF_MAP_TABLES + CLO_TABLE_##NAME] = "clo_" #name,
		CLO_TABLES(X)
#undef X
			[CLO_BPF_MAP_HITS] = "clo_hits",
};

int clo_bpf_map_info(int fd, struct bpf_map_info *ret_info)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int r;

	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;

	*ret_info = info;
	return 0;
}

int clo_bpf_map_max_entries(int fd, __u32 *ret_max)
{
	struct bpf_map_info info;
	int r;

	r = clo_bpf_map_info(fd, &info);
	if (r < 0)
		return r;
	if (info.max_entries > CLO_BPF_ENTRIES_MAX)
		return -EBADMSG;

	*ret_max = info.max_entries;
	return 0;
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

int clo_bpf_abi_check(const struct clo_bpf *bpf)
{
	struct bpf_map_info info;
	CLO_AUTO_FD int fd = -1;
	__u32 version = 0;
	__u32 key = 0;
	int r;

	r = clo_bpf_pin_open(bpf, ABI_PIN, &fd);
	if (r < 0)
		return r;
	r = clo_bpf_map_info(fd, &info);
	if (r < 0)
		return r;
	if (info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size != sizeof(version) || info.max_entries != 1)
		return -EPROTO;
	r = bpf_map_lookup_elem(fd, &key, &version);
	if (r < 0)
		return r;
	if (version == CLO_ABI_VERSION)
		return 0;

	clo_log(CLO_LOG_ERR,
		"the guards in the kernel are of another version and stay as "
		"they are: run the old cloisond, or stop the guests and run "
		"cloisond --remove first dir=%s theirs=%u ours=%u",
		bpf->dir, version, CLO_ABI_VERSION);
	return -EPROTO;
}

static int reuse_map(const struct clo_bpf *bpf, struct bpf_map *map)
{
	struct bpf_map_info info;
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "map/%s", bpf_map__name(map));
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0)
		return r == -ENOENT ? -EPROTO : r;
	r = clo_bpf_map_info(fd, &info);
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

int clo_bpf_maps_prepare(struct clo_bpf *bpf, const struct bpf_object *obj,
			 bool adopt)
{
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(obj, clo_bpf_map_names[i]);
		int r = 0;

		assert(map); /* the object in our own binary */
		if (i >= CLO_BPF_MAP_TABLES)
			note_inner(&bpf->inner[i - CLO_BPF_MAP_TABLES], map);
		if (adopt && !clo_bpf_resize_replaces(bpf, i))
			r = reuse_map(bpf, map);
		if (r < 0)
			return r;
	}

	return 0;
}

int clo_bpf_maps_take(struct clo_bpf *bpf, const struct bpf_object *obj,
		      bool adopted)
{
	char name[64];
	int r;

	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++) {
		int fd = bpf_object__find_map_fd_by_name(obj,
							 clo_bpf_map_names[i]);

		bpf->maps[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (bpf->maps[i] < 0)
			return -errno;
		if (adopted)
			continue;
		(void)snprintf(name, sizeof(name), "map/%s",
			       clo_bpf_map_names[i]);
		r = clo_bpf_pin(bpf, fd, name);
		if (r < 0)
			return r;
	}

	return adopted ? 0 : abi_write(bpf);
}

int clo_bpf_memory_map(int fd, size_t from, size_t len, bool writable,
		       struct clo_bpf_memory *ret_memory)
{
	size_t within = from % (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	page = mmap(NULL, within + len,
		    writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		    fd, (off_t)(from - within));
	if (page == MAP_FAILED)
		return -errno;

	*ret_memory = (struct clo_bpf_memory){page, within + len,
					      (uint8_t *)page + within};
	return 0;
}

void clo_bpf_memory_unmap(struct clo_bpf_memory *memory)
{
	if (memory->page)
		(void)munmap(memory->page, memory->len);
	memory->page = NULL;
}

int clo_bpf_map_walk(int fd, size_t key_size, size_t value_size,
		     int (*on_batch)(const struct clo_bpf_batch *batch,
				     void *userdata),
		     void *userdata)
{
	uint8_t position[64]; /* the kernel's cursor: a u32 or a key */
	CLO_AUTO_MEM uint8_t *values = NULL;
	CLO_AUTO_MEM uint8_t *keys = NULL;
	bool first = true;
	bool end = false;
	int r;

	assert(key_size <= sizeof(position));
	keys = calloc(CLO_BPF_BATCH, key_size);
	values = calloc(CLO_BPF_BATCH, value_size);
	if (!keys || !values)
		return -ENOMEM;
	while (!end) {
		__u32 n = CLO_BPF_BATCH;

		r = bpf_map_lookup_batch(fd, first ? NULL : position, position,
					 keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT) /* which says: this is the end */
			return r;
		end = r == -ENOENT;
		first = false;
		r = on_batch(&(struct clo_bpf_batch){keys, values, n},
			     userdata);
		if (r < 0)
			return r;
	}

	return 0;
}
