/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

#define BATCH 4096U

/* The slot that a write fills: never the one in force. */
struct generation {
	uint64_t epoch;
	__u32 slot;
};

int clo_bpf_epoch(struct clo_bpf *bpf, uint64_t *ret_epoch)
{
	struct clo_live live;
	__u32 key = 0;
	int r;

	r = bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_LIVE], &key, &live);
	if (r < 0)
		return r;

	*ret_epoch = live.epoch;
	return 0;
}

void *clo_bpf_array_map(int fd, size_t len, bool writable)
{
	void *memory =
		mmap(NULL, len, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		     MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void clo_bpf_array_unmap(void *memory, size_t len)
{
	(void)munmap(memory, len);
}

static int fill_array(int fd, const struct clo_table_type *type,
		      const struct clo_table_data *data)
{
	size_t len = data->n * type->value_size;
	void *memory;

	memory = clo_bpf_array_map(fd, len, true);
	if (!memory)
		return -errno;

	memcpy(memory, data->entries, len);
	clo_bpf_array_unmap(memory, len);
	return 0;
}

/* Batch updates overwrite: the same key twice must not get that far. */
static bool is_sorted(const struct clo_table_type *type,
		      const struct clo_table_data *data)
{
	for (size_t i = 1; i < data->n; i++)
		if (memcmp(data->entries + (i - 1) * type->entry_size,
			   data->entries + i * type->entry_size,
			   type->key_size) >= 0)
			return false;

	return true;
}

static void split(const struct clo_table_type *type, const uint8_t *entries,
		  size_t n, uint8_t *keys, uint8_t *values)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *entry = entries + i * type->entry_size;

		memcpy(keys + i * type->key_size, entry, type->key_size);
		memcpy(values + i * type->value_size, entry + type->key_size,
		       type->value_size);
	}
}

static int fill_hash(int fd, const struct clo_table_type *type,
		     const struct clo_table_data *data)
{
	CLO_AUTO_MEM uint8_t *keys = NULL;
	CLO_AUTO_MEM uint8_t *values = NULL;
	int r;

	if (!is_sorted(type, data))
		return -EINVAL;
	keys = calloc(BATCH, type->key_size);
	values = calloc(BATCH, type->value_size);
	if (!keys || !values)
		return -ENOMEM;

	for (size_t done = 0; done < data->n;) {
		__u32 n = BATCH;

		if (data->n - done < n)
			n = (__u32)(data->n - done);
		split(type, data->entries + done * type->entry_size, n, keys,
		      values);
		done += n;
		r = bpf_map_update_batch(fd, keys, values, &n, NULL);
		if (r < 0)
			return r;
	}

	return 0;
}

static int inner_create(const struct clo_bpf *bpf, unsigned int outer,
			const char *name, size_t n, int *ret_fd)
{
	const struct clo_bpf_inner *inner = &bpf->inner[outer];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = inner->flags);
	int fd;

	if (n > CLO_BPF_ENTRIES_MAX)
		return -E2BIG;
	fd = bpf_map_create((enum bpf_map_type)inner->type, name,
			    inner->key_size, inner->value_size,
			    n > 0 ? (__u32)n : 1, &opts);
	if (fd < 0)
		return fd;

	*ret_fd = fd;
	return 0;
}

/* One outer map's part of a write. */
struct install {
	const struct clo_bpf *bpf;
	const struct generation *next;
	const char *name;
	pthread_t thread;
	unsigned int outer;
	int fd; /* the filled inner map; -1: the slot is to be empty */
	int r;
	bool running;
};

static void *install_slot(void *arg)
{
	struct install *install = arg;
	int outer = install->bpf->maps[CLO_BPF_MAP_TABLES + install->outer];
	const __u32 *slot = &install->next->slot;

	if (install->fd >= 0) {
		install->r =
			bpf_map_update_elem(outer, slot, &install->fd, BPF_ANY);
	} else {
		install->r = bpf_map_delete_elem(outer, slot);
		if (install->r == -ENOENT)
			install->r = 0;
	}
	return NULL;
}

/*
 * The kernel lets each change of a map of maps wait for a grace period, and
 * has no call that changes several such maps. Side by side they share one.
 * Nobody reads the idle slot, so their order does not matter; all have ended
 * when this returns.
 */
static int install_slots(struct install *installs)
{
	int r = 0;

	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		struct install *install = &installs[i];

		install->running = pthread_create(&install->thread, NULL,
						  install_slot, install) == 0;
	}
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		struct install *install = &installs[i];

		if (install->running)
			(void)pthread_join(install->thread, NULL);
		else
			(void)install_slot(install);
		if (install->r < 0)
			r = install->r;
	}
	return r;
}

static int install_pin(const struct install *install)
{
	char pin[64];

	(void)snprintf(pin, sizeof(pin), "gen/%u/%s", install->next->slot,
		       install->name);
	if (install->fd < 0)
		return clo_bpf_unpin(install->bpf, pin);
	return clo_bpf_pin(install->bpf, install->fd, pin);
}

static int table_fill(const struct clo_bpf *bpf,
		      const struct clo_tables *tables, unsigned int t,
		      int *ret_fd)
{
	const struct clo_table_type *type = &clo_table_types[t];
	const struct clo_table_data *data = &tables->table[t];
	CLO_AUTO_FD int fd = -1;
	int r;

	assert(bpf->inner[t].key_size == type->key_size &&
	       bpf->inner[t].value_size == type->value_size);
	/* A map has an entry at least; an array without any is no map. */
	if (type->kind == CLO_TABLE_ARRAY && data->n == 0)
		return 0;

	r = inner_create(bpf, t, type->name, data->n, &fd);
	if (r < 0)
		return r;
	if (type->kind == CLO_TABLE_ARRAY)
		r = fill_array(fd, type, data);
	else
		r = fill_hash(fd, type, data);
	if (r < 0)
		return r;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

/* All maps are filled before the first slot changes. */
static int slots_write(const struct clo_bpf *bpf,
		       const struct clo_tables *tables,
		       struct install *installs)
{
	int r;

	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++) {
		installs[t].name = clo_table_types[t].name;
		r = table_fill(bpf, tables, t, &installs[t].fd);
		if (r < 0)
			return r;
	}
	installs[CLO_BPF_OUTER_HITS].name = "hits";
	r = inner_create(bpf, CLO_BPF_OUTER_HITS, "hits", tables->gen.rules,
			 &installs[CLO_BPF_OUTER_HITS].fd);
	if (r < 0)
		return r;

	r = install_slots(installs);
	for (unsigned int i = 0; r == 0 && i < CLO_BPF_OUTER_COUNT; i++)
		r = install_pin(&installs[i]);
	return r;
}

/*
 * After the flip some CPU may still run with the old epoch. Updating a map of
 * maps waits until every such program is done; the same value again will do.
 */
static void wait_for_readers(const struct clo_bpf *bpf,
			     const struct generation *next, int hits)
{
	int r;

	r = bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_HITS], &next->slot, &hits,
				BPF_ANY);
	if (r < 0) /* the flip is done all the same */
		(void)clo_log_errno(CLO_LOG_WARN, r,
				    "could not wait for readers epoch=%llu",
				    (unsigned long long)next->epoch);
}

/*
 * The kernel's own update copies bytes; a program must never see half of an
 * epoch, so this is a store.
 */
static int flip(const struct clo_bpf *bpf, const struct clo_tables *tables,
		const struct generation *next)
{
	struct clo_gen gen = tables->gen;
	struct clo_live *live;
	int r;

	gen.epoch = next->epoch;
	r = bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_GENS], &next->slot, &gen,
				BPF_ANY);
	if (r < 0)
		return r;

	live = clo_bpf_array_map(bpf->maps[CLO_BPF_MAP_LIVE], sizeof(*live),
				 true);
	if (!live)
		return -errno;
	__atomic_store_n(&live->epoch, (__u64)next->epoch, __ATOMIC_RELEASE);
	clo_bpf_array_unmap(live, sizeof(*live));
	return 0;
}

int clo_bpf_tables_write(struct clo_bpf *bpf, const struct clo_tables *tables,
			 uint64_t *ret_epoch)
{
	struct install installs[CLO_BPF_OUTER_COUNT];
	struct generation next;
	uint64_t epoch;
	int r;

	r = clo_bpf_epoch(bpf, &epoch);
	if (r < 0)
		return r;
	next = (struct generation){epoch + 1, (epoch + 1) & 1};
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++)
		installs[i] = (struct install){
			.bpf = bpf, .next = &next, .outer = i, .fd = -1};

	r = slots_write(bpf, tables, installs);
	if (r == 0)
		r = flip(bpf, tables, &next);
	if (r == 0) {
		wait_for_readers(bpf, &next, installs[CLO_BPF_OUTER_HITS].fd);
		*ret_epoch = next.epoch;
	}

	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++)
		if (installs[i].fd >= 0)
			(void)close(installs[i].fd);
	return r;
}
