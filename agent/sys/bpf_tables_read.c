/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"

int clo_bpf_inner_open(struct clo_bpf *bpf, unsigned int outer, __u32 slot,
		       struct clo_bpf_content *ret_content)
{
	const struct clo_bpf_inner *want = &bpf->inner[outer];
	struct bpf_map_info info;
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
	r = clo_bpf_map_info(fd, &info);
	if (r < 0)
		return r;
	if (info.type != want->type || info.key_size != want->key_size ||
	    info.value_size != want->value_size ||
	    info.max_entries > 2 * CLO_BPF_ENTRIES_MAX)
		return -EBADMSG;

	*ret_content = (struct clo_bpf_content){
		.fd = clo_take_fd(&fd),
		.id = id,
		.capacity = info.max_entries,
	};
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

/* Behind its last entry an array is zero: anything else counts as entries. */
static size_t array_entries(const uint8_t *bytes, size_t size, size_t n,
			    size_t capacity)
{
	size_t end = capacity * size;

	while (end > n * size && bytes[end - 1] == 0)
		end--;

	return (end + size - 1) / size;
}

static int read_array(const struct clo_bpf_content *content,
		      const struct clo_table_type *type, size_t n,
		      struct clo_table_data *data)
{
	size_t size = type->entry_size;
	CLO_AUTO_MEM uint8_t *entries = NULL;
	struct clo_bpf_memory memory;
	int r;

	if (n > content->capacity)
		return -EBADMSG;
	r = clo_bpf_memory_map(content->fd, 0, content->capacity * size, false,
			       &memory);
	if (r < 0)
		return r;

	n = array_entries(memory.at, size, n, content->capacity);
	entries = malloc(n * size + 1);
	if (entries)
		memcpy(entries, memory.at, n * size);
	clo_bpf_memory_unmap(&memory);
	if (!entries)
		return -ENOMEM;

	data->entries = CLO_TAKE(entries);
	data->n = n;
	return 0;
}

struct reading {
	const struct clo_table_type *type;
	struct clo_table_data *data;
	size_t max;
};

static int join(const struct clo_bpf_batch *batch, void *userdata)
{
	const struct reading *reading = userdata;
	const struct clo_table_type *type = reading->type;
	struct clo_table_data *data = reading->data;

	if (batch->n > reading->max - data->n)
		return -EBADMSG;
	for (size_t i = 0; i < batch->n; i++) {
		uint8_t *entry = data->entries + data->n++ * type->entry_size;

		memcpy(entry, batch->keys + i * type->key_size, type->key_size);
		memcpy(entry + type->key_size,
		       batch->values + i * type->value_size, type->value_size);
	}

	return 0;
}

static int read_hash(const struct clo_bpf_content *content,
		     const struct clo_table_type *type,
		     struct clo_table_data *data)
{
	struct reading reading = {type, data, content->capacity};

	data->entries = calloc(content->capacity, type->entry_size);
	if (!data->entries)
		return -ENOMEM;

	return clo_bpf_map_walk(content->fd, type->key_size, type->value_size,
				join, &reading);
}

static int table_read(struct clo_bpf *bpf, unsigned int t,
		      const struct clo_gen *gen, struct clo_table_data *data)
{
	const struct clo_table_type *type = &clo_table_types[t];
	struct clo_bpf_content content;
	int r;

	r = clo_bpf_inner_open(bpf, t, gen->epoch & 1, &content);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;

	r = type->kind == CLO_TABLE_ARRAY
		    ? read_array(&content, type, gen->n[t], data)
		    : read_hash(&content, type, data);
	clo_fd_closep(&content.fd);
	return r;
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
		r = table_read(bpf, t, &tables->gen, &tables->table[t]);
		if (r < 0)
			return r;
		/*
		 * Like the compiler, the reader says it by the tables alone;
		 * what is left is of a generation that miscounts.
		 */
		tables->gen.n[t] -= (uint32_t)tables->table[t].n;
	}

	clo_tables_sort(tables);
	*ret_tables = CLO_TAKE(tables);
	return 0;
}
