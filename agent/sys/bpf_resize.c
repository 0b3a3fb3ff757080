/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"

/*
 * The flows of one table go on in another. Copied once while the programs in
 * the links still use the old one; then the links change; then what the old
 * programs did meanwhile is brought after. The old table stays pinned until
 * that is done, so that the next start can finish what this one did not.
 */

static const struct {
	enum clo_bpf_map map;
	size_t key_size;
} tables[2] = {
	{CLO_BPF_MAP_CONN4, sizeof(struct clo_conn4_key)},
	{CLO_BPF_MAP_CONN6, sizeof(struct clo_conn6_key)},
};

static void pin_name(size_t i, const char *suffix, char ret_name[64])
{
	(void)snprintf(ret_name, 64, "map/%s%s",
		       clo_bpf_map_names[tables[i].map], suffix);
}

/* Also what a start that died left: pinned as old, and no longer in use. */
static int find_copied(struct clo_bpf *bpf, size_t i, __u32 pinned_id,
		       bool *ret_copied)
{
	struct bpf_map_info info;
	struct clo_live live;
	CLO_AUTO_FD int fd = -1;
	__u32 key = 0;
	CLO_AUTO_FD int live_fd = -1;
	char name[64];
	int r;

	*ret_copied = false;
	pin_name(i, "-old", name);
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = clo_bpf_map_info(fd, &info);
	if (r < 0)
		return r;
	if (info.id == pinned_id)
		return clo_bpf_unpin(bpf, name);
	r = clo_bpf_pin_open(bpf, "map/clo_live", &live_fd);
	if (r < 0)
		return r;
	r = bpf_map_lookup_elem(live_fd, &key, &live);
	if (r < 0)
		return r;

	bpf->resize[i] = (struct clo_bpf_resize){clo_take_fd(&fd), true,
						 live.pickup - CLO_BPF_PICKUP};
	*ret_copied = true;
	return 0;
}

static int prepare_one(struct clo_bpf *bpf, size_t i, struct bpf_map *map)
{
	struct bpf_map_info info;
	CLO_AUTO_FD int fd = -1;
	char name[64];
	bool copied;
	int r;

	pin_name(i, "", name);
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* no set of ours: see reuse_map */
	r = clo_bpf_map_info(fd, &info);
	if (r < 0)
		return r;
	if (info.type != (__u32)bpf_map__type(map) ||
	    info.key_size != tables[i].key_size ||
	    info.value_size != sizeof(struct clo_conn) ||
	    info.map_flags != bpf_map__map_flags(map))
		return 0;
	r = find_copied(bpf, i, info.id, &copied);
	if (r < 0)
		return r;
	if (copied) /* a change of size at a time */
		return bpf_map__set_max_entries(map, info.max_entries);
	if (info.max_entries != bpf_map__max_entries(map))
		bpf->resize[i].old = clo_take_fd(&fd);

	return 0;
}

int clo_bpf_resize_prepare(struct clo_bpf *bpf, const struct bpf_object *obj,
			   bool adopt, __u32 connections)
{
	int r;

	if (connections > CLO_BPF_ENTRIES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < CLO_ARRAY_LEN(tables); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(
			obj, clo_bpf_map_names[tables[i].map]);

		assert(map);
		if (connections > 0) {
			r = bpf_map__set_max_entries(map, connections);
			if (r < 0)
				return r;
		}
		r = adopt ? prepare_one(bpf, i, map) : 0;
		if (r < 0)
			return r;
	}

	return 0;
}

bool clo_bpf_resize_replaces(const struct clo_bpf *bpf, size_t map)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(tables); i++)
		if (tables[i].map == map)
			return bpf->resize[i].old >= 0 &&
			       !bpf->resize[i].copied;

	return false;
}

static int pickup_set(const struct clo_bpf *bpf, __u64 until)
{
	struct clo_bpf_memory memory;
	struct clo_live *live;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_LIVE], 0, sizeof(*live),
			       true, &memory);
	if (r < 0)
		return r;

	live = memory.at;
	__atomic_store_n(&live->pickup, until, __ATOMIC_RELAXED);
	clo_bpf_memory_unmap(&memory);
	return 0;
}

static int copy_batch(const struct clo_bpf_batch *batch, void *userdata)
{
	const int *fd = userdata;
	__u32 n = (__u32)batch->n;

	if (n == 0)
		return 0;

	return bpf_map_update_batch(*fd, batch->keys, batch->values, &n, NULL);
}

static int copy_one(struct clo_bpf *bpf, size_t i)
{
	struct clo_bpf_resize *resize = &bpf->resize[i];
	char name[64];
	int r;

	r = clo_bpf_map_walk(resize->old, tables[i].key_size,
			     sizeof(struct clo_conn), copy_batch,
			     &bpf->maps[tables[i].map]);
	if (r == -E2BIG) {
		clo_log(CLO_LOG_ERR,
			"the tracked flows do not fit into so few connections "
			"map=%s",
			clo_bpf_map_names[tables[i].map]);
		return -ENOSPC;
	}
	if (r < 0)
		return r;

	pin_name(i, "-old", name);
	return clo_bpf_pin(bpf, resize->old, name);
}

int clo_bpf_resize_copy(struct clo_bpf *bpf)
{
	__u64 now = clo_bpf_now();
	bool any = false;
	char name[64];
	int r;

	for (size_t i = 0; i < CLO_ARRAY_LEN(tables); i++) {
		if (!clo_bpf_resize_replaces(bpf, tables[i].map))
			continue;
		bpf->resize[i].begin = now;
		any = true;
	}
	if (!any)
		return 0;
	r = pickup_set(bpf, now + CLO_BPF_PICKUP);
	if (r < 0)
		return r;
	/* Who read an earlier clock has added its flow by then. */
	clo_bpf_clock_wait();
	r = clo_bpf_grace(bpf);
	for (size_t i = 0; r == 0 && i < CLO_ARRAY_LEN(tables); i++)
		if (clo_bpf_resize_replaces(bpf, tables[i].map))
			r = copy_one(bpf, i);
	for (size_t i = 0; r == 0 && i < CLO_ARRAY_LEN(tables); i++) {
		if (!clo_bpf_resize_replaces(bpf, tables[i].map))
			continue;
		pin_name(i, "", name);
		r = clo_bpf_pin(bpf, bpf->maps[tables[i].map], name);
	}

	return r;
}

/* Both tables, for a walk along one of them. */
struct passage {
	struct clo_bpf *bpf;
	int old;
	int new;
	size_t key_size;
	__u64 begin;
};

/* A copy whose flow ended, or gave way to another, in the old table. */
static int drop_ended(const struct passage *passage, const uint8_t *key,
		      const struct clo_conn *conn)
{
	struct clo_conn old;
	int r;

	if (conn->opened >= passage->begin)
		return 0;
	r = bpf_map_lookup_elem(passage->old, key, &old);
	if (r == 0 && old.opened == conn->opened)
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	r = bpf_map_delete_elem(passage->new, key);

	return r == -ENOENT ? 0 : r;
}

/* A flow of the old table that is not in the new, or not as far there. */
static int bring_after(const struct passage *passage, const uint8_t *key,
		       const struct clo_conn *conn)
{
	bool copied = conn->opened < passage->begin;
	struct clo_conn new;
	int r = -EEXIST;

	if (!copied)
		r = bpf_map_update_elem(passage->new, key, conn, BPF_NOEXIST);
	if (r != -EEXIST)
		return r;
	r = bpf_map_lookup_elem(passage->new, key, &new);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* it has ended since */
	if (new.opened != conn->opened) {
		__u8 side = conn->initiator & 1;

		/* Picked up by the new programs too: charged twice. */
		return copied ? 0
			      : clo_bpf_account_release(
					passage->bpf,
					conn->endpoint[side]
						? conn->endpoint[side]
						: conn->endpoint[!side]);
	}
	if (new.state != CLO_CONN_NEW || conn->state == CLO_CONN_NEW)
		return 0;
	r = bpf_map_update_elem(passage->new, key, conn, BPF_EXIST);

	return r == -ENOENT ? 0 : r;
}

static int each(const struct clo_bpf_batch *batch,
		const struct passage *passage,
		int (*judge)(const struct passage *passage, const uint8_t *key,
			     const struct clo_conn *conn))
{
	for (size_t i = 0; i < batch->n; i++) {
		struct clo_conn conn;
		int r;

		memcpy(&conn, batch->values + i * sizeof(conn), sizeof(conn));
		r = judge(passage, batch->keys + i * passage->key_size, &conn);
		if (r < 0)
			return r;
	}

	return 0;
}

static int on_new(const struct clo_bpf_batch *batch, void *userdata)
{
	return each(batch, userdata, drop_ended);
}

static int on_old(const struct clo_bpf_batch *batch, void *userdata)
{
	return each(batch, userdata, bring_after);
}

static int finish_one(struct clo_bpf *bpf, size_t i)
{
	struct clo_bpf_resize *resize = &bpf->resize[i];
	struct passage passage = {bpf, resize->old, bpf->maps[tables[i].map],
				  tables[i].key_size, resize->begin};
	char name[64];
	int r;

	r = clo_bpf_map_walk(passage.new, passage.key_size,
			     sizeof(struct clo_conn), on_new, &passage);
	if (r < 0)
		return r;
	r = clo_bpf_map_walk(passage.old, passage.key_size,
			     sizeof(struct clo_conn), on_old, &passage);
	if (r < 0)
		return r;

	pin_name(i, "-old", name);
	clo_fd_closep(&resize->old);
	resize->old = -1;
	return clo_bpf_unpin(bpf, name);
}

int clo_bpf_resize_finish(struct clo_bpf *bpf)
{
	int r;

	if (bpf->resize[0].old < 0 && bpf->resize[1].old < 0)
		return 0;
	r = clo_bpf_grace(bpf);
	for (size_t i = 0; r == 0 && i < CLO_ARRAY_LEN(tables); i++)
		if (bpf->resize[i].old >= 0)
			r = finish_one(bpf, i);

	return r;
}
