/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

/*
 * Two slots: the one in force, and the idle one, which a write brings to the
 * new tables by what differs and then puts in force. Behind it a thread waits
 * until nobody reads the slot that was left, and brings that to the same
 * tables, read back entry by entry. So the next write finds an idle slot that
 * equals the live one, and has only what is new to write.
 */

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

struct clo_bpf_flip clo_bpf_flip_last(const struct clo_bpf *bpf)
{
	return bpf->flip;
}

void clo_bpf_tables_settle(struct clo_bpf *bpf)
{
	if (bpf->idle.running)
		(void)pthread_join(bpf->idle.thread, NULL);
	bpf->idle.running = false;
}

static void forget(struct clo_bpf_idle *idle, unsigned int t)
{
	free(idle->copy[t].entries);
	idle->copy[t] = (struct clo_table_data){0};
	idle->known[t] = false;
}

void clo_bpf_tables_done(struct clo_bpf *bpf)
{
	clo_bpf_tables_settle(bpf);
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		forget(&bpf->idle, t);
	clo_bpf_slots_close(bpf);
}

/* Which maps the slot has, large enough, and what is known of them. */
static int slot_prepare(struct clo_bpf *bpf, __u32 slot,
			const size_t need[CLO_BPF_OUTER_COUNT])
{
	struct clo_bpf_idle *idle = &bpf->idle;
	bool changed[CLO_BPF_OUTER_COUNT];
	int r;

	r = clo_bpf_slot_refresh(bpf, slot, changed);
	if (r < 0)
		return r;
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		if (changed[t])
			idle->known[t] = false;
	r = clo_bpf_slot_reserve(bpf, slot, need, changed);
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		if (changed[t])
			idle->known[t] = false;

	return r;
}

static int table_bring(struct clo_bpf *bpf, __u32 slot, unsigned int t,
		       const struct clo_table_data *data, bool *ret_changed)
{
	const struct clo_table_type *type = &clo_table_types[t];
	struct clo_bpf_content *content = &bpf->content[slot][t];
	struct clo_bpf_idle *idle = &bpf->idle;
	int r;

	assert(bpf->inner[t].key_size == type->key_size &&
	       bpf->inner[t].value_size == type->value_size);
	if (type->kind == CLO_TABLE_ARRAY)
		return clo_bpf_fill_array(content, type->entry_size, data);
	if (idle->known[t]) {
		r = clo_bpf_fill_difference(content->fd, type, &idle->copy[t],
					    data, ret_changed);
		if (r == 0 || r == -EINVAL)
			return r;
	}

	/* Unknown, or not what we thought it was. */
	*ret_changed = true;
	return clo_bpf_fill_any(content->fd, type, data);
}

static int hits_clear(struct clo_bpf *bpf, __u32 slot)
{
	static const struct clo_table_data none = {0};

	return clo_bpf_fill_array(&bpf->content[slot][CLO_BPF_OUTER_HITS],
				  sizeof(struct clo_hits), &none);
}

static int slot_write(struct clo_bpf *bpf, const struct clo_tables *tables,
		      __u32 slot, bool changed[CLO_TABLE_COUNT])
{
	size_t need[CLO_BPF_OUTER_COUNT];
	int r = 0;

	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		need[t] = tables->table[t].n;
	need[CLO_BPF_OUTER_HITS] = tables->gen.rules;
	memcpy(bpf->idle.need, need, sizeof(need));
	r = slot_prepare(bpf, slot, need);
	for (unsigned int t = 0; r == 0 && t < CLO_TABLE_COUNT; t++)
		r = table_bring(bpf, slot, t, &tables->table[t], &changed[t]);

	return r < 0 ? r : hits_clear(bpf, slot);
}

/*
 * The kernel's own update copies bytes; a program must never see half of an
 * epoch, so this is a store.
 */
static int flip(const struct clo_bpf *bpf, const struct clo_tables *tables,
		uint64_t epoch)
{
	struct clo_gen gen = tables->gen;
	struct clo_bpf_memory memory;
	struct clo_live *live;
	__u32 slot = epoch & 1;
	int r;

	gen.epoch = epoch;
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		gen.n[t] = (__u32)tables->table[t].n;
	r = bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_GENS], &slot, &gen,
				BPF_ANY);
	if (r < 0)
		return r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_LIVE], 0, sizeof(*live),
			       true, &memory);
	if (r < 0)
		return r;
	live = memory.at;
	__atomic_store_n(&live->epoch, (__u64)epoch, __ATOMIC_RELEASE);
	clo_bpf_memory_unmap(&memory);
	return 0;
}

/* The live tables, for the thread and the next write. */
static void remember(struct clo_bpf_idle *idle, unsigned int t,
		     const struct clo_table_data *data)
{
	size_t len = data->n * clo_table_types[t].entry_size;
	uint8_t *entries = realloc(idle->copy[t].entries, len + 1);

	if (!entries) {
		forget(idle, t);
		return;
	}
	if (len > 0)
		memcpy(entries, data->entries, len);
	idle->copy[t] = (struct clo_table_data){entries, data->n};
}

static int follow(struct clo_bpf *bpf)
{
	struct clo_bpf_idle *idle = &bpf->idle;
	int r;

	r = clo_bpf_grace(bpf);
	if (r < 0)
		return r;
	idle->quiet = true;
	r = slot_prepare(bpf, idle->slot, idle->need);
	for (unsigned int t = 0; r == 0 && t < CLO_TABLE_COUNT; t++) {
		const struct clo_table_type *type = &clo_table_types[t];

		if (type->kind == CLO_TABLE_ARRAY || !idle->copy[t].entries)
			continue;
		r = clo_bpf_fill_any(bpf->content[idle->slot][t].fd, type,
				     &idle->copy[t]);
		idle->known[t] = r == 0;
	}

	return r;
}

static void *follow_thread(void *arg)
{
	struct clo_bpf *bpf = arg;
	int r = follow(bpf);

	if (r < 0) /* the flip is done all the same; the next write repairs */
		(void)clo_log_errno(CLO_LOG_WARN, r,
				    "could not prepare the idle tables");
	return NULL;
}

static void follow_start(struct clo_bpf *bpf, __u32 slot)
{
	struct clo_bpf_idle *idle = &bpf->idle;

	idle->slot = slot;
	idle->quiet = false;
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		idle->known[t] = false;
	idle->running =
		pthread_create(&idle->thread, NULL, follow_thread, bpf) == 0;
	if (!idle->running)
		(void)follow_thread(bpf);
}

int clo_bpf_tables_write(struct clo_bpf *bpf, const struct clo_tables *tables,
			 uint64_t *ret_epoch)
{
	bool changed[CLO_TABLE_COUNT] = {false};
	struct clo_bpf_idle *idle = &bpf->idle;
	uint64_t epoch;
	int r;

	clo_bpf_tables_settle(bpf);
	r = clo_bpf_epoch(bpf, &epoch);
	if (r < 0)
		return r;
	if (!idle->quiet)
		r = clo_bpf_grace(bpf);
	if (r < 0)
		return r;
	idle->quiet = true;

	epoch++;
	r = slot_write(bpf, tables, epoch & 1, changed);
	if (r == 0)
		r = flip(bpf, tables, epoch);
	if (r < 0) {
		for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
			forget(idle, t);
		return r;
	}

	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		if (changed[t])
			remember(idle, t, &tables->table[t]);
	bpf->flip = (struct clo_bpf_flip){epoch, clo_milliseconds()};
	follow_start(bpf, (epoch & 1) ^ 1);
	*ret_epoch = epoch;
	return 0;
}
