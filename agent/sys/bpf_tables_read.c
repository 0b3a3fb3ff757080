/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"

#define BATCH 65536U

int clo_bpf_inner_open(struct clo_bpf *bpf, unsigned int outer, __u32 slot,
		       int *ret_fd, __u32 *ret_max_entries)
{
	const struct clo_bpf_inner *want = &bpf->inner[outer];
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	CLO_AUTO_FD int fd = -1;
	__u32 id;
	int r;

	r = bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_TABLES + outer], &slot,
				&id);
	if (r < 0)
		return r;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.type != want->type || info.key_size != want->key_size ||
	    info.value_size != want->value_size ||
	    info.max_entries > CLO_BPF_ENTRIES_MAX)
		return -EBADMSG;

	*ret_fd = clo_take_fd(&fd);
	*ret_max_entries = info.max_entries;
	return 0;
}

int clo_bpf_live_gen(struct clo_bpf *bpf, struct clo_gen *ret_gen)
{
	struct clo_gen gen;
	uint64_t epoch;
	__u32 slot;
	int r;

	r = clo_bpf_epoch(bpf, &epoch);
	if (r < 0)
		return r;
	if (epoch == 0)
		return -ENOENT;
	slot = epoch & 1;
	r = bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_GENS], &slot, &gen);
	if (r < 0)
		return r;
	if (gen.epoch != epoch)
		return -EBADMSG;

	*ret_gen = gen;
	return 0;
}

static int read_array(int fd, const struct clo_table_type *type, size_t n,
		      struct clo_table_data *data)
{
	size_t len = n * type->value_size;
	CLO_AUTO_MEM uint8_t *entries = NULL;
	void *memory;

	entries = malloc(len);
	if (!entries)
		return -ENOMEM;
	memory = clo_bpf_array_map(fd, len, false);
	if (!memory)
		return -errno;

	memcpy(entries, memory, len);
	clo_bpf_array_unmap(memory, len);
	data->entries = CLO_TAKE(entries);
	data->n = n;
	return 0;
}

static void join(const struct clo_table_type *type, const uint8_t *keys,
		 const uint8_t *values, size_t n, uint8_t *entries)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *entry = entries + i * type->entry_size;

		memcpy(entry, keys + i * type->key_size, type->key_size);
		memcpy(entry + type->key_size, values + i * type->value_size,
		       type->value_size);
	}
}

struct batch {
	uint8_t *keys;
	uint8_t *values;
	__u32 size;
};

static int read_batches(int fd, const struct clo_table_type *type,
			const struct batch *batch, size_t max,
			struct clo_table_data *data)
{
	uint8_t position[64]; /* the kernel's cursor: a u32 or a key */
	bool first = true;
	int r = 0;

	while (r != -ENOENT) {
		__u32 n = batch->size;

		r = bpf_map_lookup_batch(fd, first ? NULL : position, position,
					 batch->keys, batch->values, &n, NULL);
		if (r < 0 && r != -ENOENT) /* which says: this is the end */
			return r;
		if (n > max - data->n)
			return -EBADMSG;
		join(type, batch->keys, batch->values, n,
		     data->entries + data->n * type->entry_size);
		data->n += n;
		first = false;
	}

	return 0;
}

static int read_hash(int fd, const struct clo_table_type *type, size_t max,
		     struct clo_table_data *data)
{
	CLO_AUTO_MEM uint8_t *keys = NULL;
	CLO_AUTO_MEM uint8_t *values = NULL;
	struct batch batch;

	batch.size = max < BATCH ? (__u32)max : BATCH;
	keys = calloc(batch.size, type->key_size);
	values = calloc(batch.size, type->value_size);
	data->entries = calloc(max, type->entry_size);
	if (!keys || !values || !data->entries)
		return -ENOMEM;

	batch.keys = keys;
	batch.values = values;
	return read_batches(fd, type, &batch, max, data);
}

static int table_read(struct clo_bpf *bpf, unsigned int t, __u32 slot,
		      struct clo_table_data *data)
{
	const struct clo_table_type *type = &clo_table_types[t];
	CLO_AUTO_FD int fd = -1;
	__u32 max;
	int r;

	r = clo_bpf_inner_open(bpf, t, slot, &fd, &max);
	if (r == -ENOENT && type->kind == CLO_TABLE_ARRAY)
		return 0; /* see table_install(): no entries */
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;

	return type->kind == CLO_TABLE_ARRAY ? read_array(fd, type, max, data)
					     : read_hash(fd, type, max, data);
}

int clo_bpf_tables_read(struct clo_bpf *bpf, struct clo_tables **ret_tables)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	int r;

	tables = calloc(1, sizeof(*tables));
	if (!tables)
		return -ENOMEM;
	r = clo_bpf_live_gen(bpf, &tables->gen);
	if (r < 0)
		return r;
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++) {
		r = table_read(bpf, t, tables->gen.epoch & 1,
			       &tables->table[t]);
		if (r < 0)
			return r;
	}

	clo_tables_sort(tables);
	*ret_tables = CLO_TAKE(tables);
	return 0;
}
