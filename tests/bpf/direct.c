/* SPDX-License-Identifier: Apache-2.0 */
#include "direct.h"

#include <sys/mman.h>

#define KEYED_MAX 16384U
#define ARRAY_MAX 65536U

static uint32_t room_of(enum clo_table t)
{
	if (t == CLO_TABLE_SERVICES)
		return CLO_SLOTS / 4;
	return clo_table_types[t].kind == CLO_TABLE_ARRAY ? ARRAY_MAX
							  : KEYED_MAX;
}

static int make_inner(enum clo_table t)
{
	static const struct {
		enum bpf_map_type type;
		uint32_t flags;
	} how[] = {
		[CLO_TABLE_HASH] = {BPF_MAP_TYPE_HASH, 0},
		[CLO_TABLE_LPM] = {BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC},
		[CLO_TABLE_ARRAY] = {BPF_MAP_TYPE_ARRAY,
				     BPF_F_INNER_MAP | BPF_F_MMAPABLE},
	};
	const struct clo_table_type *type = &clo_table_types[t];

	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = how[type->kind].flags);

	return bpf_map_create(how[type->kind].type, "direct", type->key_size,
			      type->value_size, room_of(t), &opts);
}

static void open_table(const struct sandbox *box, struct direct *direct,
		       enum clo_table t)
{
	const struct clo_table_type *type = &clo_table_types[t];
	uint32_t slot = direct->epoch & 1;
	CLO_AUTO_FD int outer = -1;
	char name[32];

	(void)snprintf(name, sizeof(name), "map/clo_%s", type->name);
	outer = sandbox_pin(box, name);
	direct->inner[t] = make_inner(t);
	assert_true(direct->inner[t] >= 0);
	assert_int_equal(
		bpf_map_update_elem(outer, &slot, &direct->inner[t], BPF_ANY),
		0);
	if (type->kind != CLO_TABLE_ARRAY)
		return;
	direct->arrays[t] =
		mmap(NULL, (size_t)room_of(t) * type->value_size,
		     PROT_READ | PROT_WRITE, MAP_SHARED, direct->inner[t], 0);
	assert_true(direct->arrays[t] != MAP_FAILED);
}

void direct_open(const struct sandbox *box, struct direct *ret_direct)
{
	*ret_direct = (struct direct){0};
	clo_bpf_tables_settle(box->bpf);
	assert_int_equal(clo_bpf_epoch(box->bpf, &ret_direct->epoch), 0);
	assert_true(ret_direct->epoch > 0);
	ret_direct->gens = sandbox_pin(box, "map/clo_gens");
	for (int t = 0; t < CLO_TABLE_COUNT; t++)
		open_table(box, ret_direct, (enum clo_table)t);
}

static void write_array(struct direct *direct, enum clo_table t,
			const struct clo_table_data *data)
{
	size_t size = clo_table_types[t].value_size;
	size_t was = direct->held[t].n;

	memcpy(direct->arrays[t], data->entries, data->n * size);
	if (was > data->n)
		memset(direct->arrays[t] + data->n * size, 0,
		       (was - data->n) * size);
	direct->held[t].n = data->n;
}

static void write_keyed(struct direct *direct, enum clo_table t,
			const struct clo_table_data *data)
{
	const struct clo_table_type *type = &clo_table_types[t];
	struct clo_table_data *held = &direct->held[t];
	size_t size = type->entry_size;

	for (size_t i = 0; i < held->n; i++)
		assert_int_equal(bpf_map_delete_elem(direct->inner[t],
						     held->entries + i * size),
				 0);
	for (size_t i = 0; i < data->n; i++) {
		const uint8_t *entry = data->entries + i * size;

		assert_int_equal(bpf_map_update_elem(direct->inner[t], entry,
						     entry + type->key_size,
						     BPF_NOEXIST),
				 0);
	}
	held->entries = realloc(held->entries, data->n * size + 1);
	assert_non_null(held->entries);
	memcpy(held->entries, data->entries, data->n * size);
	held->n = data->n;
}

void direct_write(struct direct *direct, const struct clo_tables *tables)
{
	uint32_t slot = direct->epoch & 1;
	struct clo_gen gen = tables->gen;

	gen.epoch = direct->epoch;
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		const struct clo_table_data *data = &tables->table[t];

		assert_in_range(data->n, 0, room_of((enum clo_table)t));
		gen.n[t] = (uint32_t)data->n;
		if (clo_table_types[t].kind == CLO_TABLE_ARRAY)
			write_array(direct, (enum clo_table)t, data);
		else
			write_keyed(direct, (enum clo_table)t, data);
	}
	assert_int_equal(
		bpf_map_update_elem(direct->gens, &slot, &gen, BPF_ANY), 0);
}

void direct_close(struct direct *direct)
{
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		if (direct->arrays[t])
			(void)munmap(direct->arrays[t],
				     (size_t)room_of((enum clo_table)t) *
					     clo_table_types[t].value_size);
		free(direct->held[t].entries);
		clo_fd_closep(&direct->inner[t]);
	}
	clo_fd_closep(&direct->gens);
}
