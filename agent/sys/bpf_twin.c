/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"
#include "skel/guard.skel.h"

#define FLOWS_MAX 16U

static void guard_freep(struct guard **object)
{
	guard__destroy(*object);
}

/* What a packet leaves behind: a twin has its own of each, and empty. */
static bool is_own(size_t map)
{
	static const size_t own[] = {CLO_BPF_MAP_METERS, CLO_BPF_MAP_ACCOUNTS,
				     CLO_BPF_MAP_CONN4,  CLO_BPF_MAP_CONN6,
				     CLO_BPF_MAP_FRAGS,  CLO_BPF_MAP_DROPS,
				     CLO_BPF_MAP_EVENTS, CLO_BPF_MAP_HITS};

	for (size_t i = 0; i < CLO_ARRAY_LEN(own); i++)
		if (own[i] == map)
			return true;
	return false;
}

/* Sizes that the translated text does not show may be small. */
static int size_own(struct bpf_map *map, size_t which)
{
	switch (which) {
	case CLO_BPF_MAP_CONN4:
	case CLO_BPF_MAP_CONN6:
		return bpf_map__set_max_entries(map, FLOWS_MAX);
	case CLO_BPF_MAP_EVENTS:
		return bpf_map__set_max_entries(map,
						(__u32)sysconf(_SC_PAGESIZE));
	default:
		return 0;
	}
}

static int choose_maps(const struct clo_bpf *bpf, const struct bpf_object *obj)
{
	for (size_t i = 0; i < CLO_BPF_MAP_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(obj, clo_bpf_map_names[i]);
		int r;

		assert(map); /* the object in our own binary */
		r = is_own(i) ? size_own(map, i)
			      : bpf_map__reuse_fd(map, bpf->maps[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int choose_programs(const struct bpf_object *obj)
{
	struct bpf_program *program;
	int r;

	bpf_object__for_each_program(program, obj)
	{
		bool hook = false;

		for (size_t i = 0; i < CLO_BPF_SIDES; i++)
			hook |= strcmp(bpf_program__name(program),
				       clo_bpf_sides[i].program) == 0;
		r = bpf_program__set_autoload(program, hook);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keep(int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

static int take(struct clo_bpf_twin *twin, const struct bpf_object *obj)
{
	static const size_t maps[CLO_BPF_TWIN_MAPS] = {
		CLO_BPF_MAP_CONN4, CLO_BPF_MAP_CONN6, CLO_BPF_MAP_FRAGS};
	int r = 0;

	for (size_t i = 0; i < CLO_BPF_SIDES && r == 0; i++)
		r = keep(bpf_program__fd(bpf_object__find_program_by_name(
				 obj, clo_bpf_sides[i].program)),
			 &twin->programs[i]);
	for (size_t i = 0; i < CLO_BPF_TWIN_MAPS && r == 0; i++)
		r = keep(bpf_object__find_map_fd_by_name(
				 obj, clo_bpf_map_names[maps[i]]),
			 &twin->maps[i]);
	return r;
}

void clo_bpf_twin_free(struct clo_bpf_twin *twin)
{
	if (!twin)
		return;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++)
		clo_fd_closep(&twin->programs[i]);
	for (size_t i = 0; i < CLO_BPF_TWIN_MAPS; i++)
		clo_fd_closep(&twin->maps[i]);
	free(twin);
}

static int load(const struct clo_bpf *bpf, struct clo_bpf_twin *twin)
{
	CLO_AUTO(guard) struct guard *object = guard__open();
	int r;

	if (!object)
		return -errno;
	r = choose_maps(bpf, object->obj);
	if (r == 0)
		r = choose_programs(object->obj);
	if (r == 0)
		r = guard__load(object);
	return r < 0 ? r : take(twin, object->obj);
}

int clo_bpf_twin_get(struct clo_bpf *bpf, struct clo_bpf_twin **ret_twin)
{
	CLO_AUTO(clo_bpf_twin) struct clo_bpf_twin *twin = NULL;
	int r;

	if (!bpf->twin) {
		twin = calloc(1, sizeof(*twin));
		if (!twin)
			return -ENOMEM;
		memset(twin->programs, -1, sizeof(twin->programs));
		memset(twin->maps, -1, sizeof(twin->maps));
		r = load(bpf, twin);
		if (r < 0)
			return r;
		bpf->twin = CLO_TAKE(twin);
	}
	*ret_twin = bpf->twin;
	return 0;
}

/* Programs do not change: what was compared once is known. */
static int find_side(struct clo_bpf_twin *twin, uint32_t prog_id,
		     size_t *ret_side)
{
	CLO_AUTO_FD int fd = -1;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		*ret_side = i;
		if (twin->twin_of[i] == prog_id)
			return 0;
	}
	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		bool same;
		int r = clo_bpf_program_same_text(fd, twin->programs[i], &same);

		if (r < 0)
			return r;
		*ret_side = i;
		if (same) {
			twin->twin_of[i] = prog_id;
			return 0;
		}
	}
	return -ESTALE;
}

int clo_bpf_twin_run(struct clo_bpf_twin *twin, uint32_t prog_id,
		     const struct clo_bpf_frame *frame,
		     struct clo_bpf_said *ret_said)
{
	size_t side;
	int r;

	if (prog_id == 0)
		return -ENOENT;
	r = find_side(twin, prog_id, &side);
	return r < 0 ? r
		     : clo_bpf_run_fd(twin->programs[side], frame, ret_said);
}

int clo_bpf_twin_flow(struct clo_bpf_twin *twin, uint8_t family,
		      const void *key, const struct clo_conn *conn)
{
	return bpf_map_update_elem(twin->maps[family == 4 ? 0 : 1], key, conn,
				   BPF_ANY);
}

static int clear(int map)
{
	uint8_t key[sizeof(struct clo_conn6_key)];

	while (bpf_map_get_next_key(map, NULL, key) == 0) {
		int r = bpf_map_delete_elem(map, key);

		if (r < 0)
			return r;
	}
	return 0;
}

int clo_bpf_twin_clear(struct clo_bpf_twin *twin)
{
	int r = 0;

	for (size_t i = 0; i < CLO_BPF_TWIN_MAPS && r == 0; i++)
		r = clear(twin->maps[i]);
	return r;
}
