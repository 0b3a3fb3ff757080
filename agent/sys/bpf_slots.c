/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

static void content_close(struct clo_bpf_content *content)
{
	clo_bpf_memory_unmap(&content->memory);
	if (content->fd >= 0)
		(void)close(content->fd);
	*content = (struct clo_bpf_content){.fd = -1};
}

void clo_bpf_slots_close(struct clo_bpf *bpf)
{
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		content_close(&bpf->content[0][i]);
		content_close(&bpf->content[1][i]);
	}
}

/* Somebody with the right to may have put another map there. */
static int content_refresh(struct clo_bpf *bpf, unsigned int outer, __u32 slot,
			   bool *ret_changed)
{
	struct clo_bpf_content *content = &bpf->content[slot][outer];
	struct clo_bpf_content found;
	__u32 id = 0;
	int r;

	r = bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_TABLES + outer], &slot,
				&id);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_changed = content->fd < 0 || id != content->id;
	if (!*ret_changed)
		return 0;

	content_close(content);
	if (r == -ENOENT)
		return 0;
	r = clo_bpf_inner_open(bpf, outer, slot, &found);
	if (r == 0)
		*content = found;

	return r == -EBADMSG || r == -ENOENT ? 0 : r; /* to be replaced */
}

int clo_bpf_slot_refresh(struct clo_bpf *bpf, __u32 slot,
			 bool ret_changed[CLO_BPF_OUTER_COUNT])
{
	int r;

	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		r = content_refresh(bpf, i, slot, &ret_changed[i]);
		if (r < 0)
			return r;
	}

	return 0;
}

static const char *outer_name(unsigned int outer)
{
	return outer < CLO_TABLE_COUNT ? clo_table_types[outer].name : "hits";
}

/* One outer map's part of a change of maps. */
struct install {
	const struct clo_bpf *bpf;
	unsigned int outer;
	__u32 slot;
	pthread_t thread;
	struct clo_bpf_content fresh; /* fd -1: the one there is large enough */
	int r;
	bool running;
};

/*
 * Room to grow, so that most changes need no new map. One more than needed at
 * least: tries of older kernels refuse to replace an entry when they are full.
 */
static int content_create(const struct clo_bpf *bpf, unsigned int outer,
			  size_t need, struct clo_bpf_content *ret_content)
{
	const struct clo_bpf_inner *inner = &bpf->inner[outer];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = inner->flags);
	struct clo_bpf_content content = {.fd = -1};
	struct bpf_map_info info;
	int r;

	content.capacity = (__u32)(need + need / 4 + 64);
	content.fd = bpf_map_create((enum bpf_map_type)inner->type,
				    outer_name(outer), inner->key_size,
				    inner->value_size, content.capacity, &opts);
	if (content.fd < 0)
		return content.fd;
	r = clo_bpf_map_info(content.fd, &info);
	if (r < 0) {
		content_close(&content);
		return r;
	}

	content.id = info.id;
	*ret_content = content;
	return 0;
}

static void *install_slot(void *arg)
{
	struct install *install = arg;

	install->r = bpf_map_update_elem(
		install->bpf->maps[CLO_BPF_MAP_TABLES + install->outer],
		&install->slot, &install->fresh.fd, BPF_ANY);
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

		install->running = install->fresh.fd >= 0 &&
				   pthread_create(&install->thread, NULL,
						  install_slot, install) == 0;
	}
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		struct install *install = &installs[i];

		if (install->running)
			(void)pthread_join(install->thread, NULL);
		else if (install->fresh.fd >= 0)
			(void)install_slot(install);
		if (install->r < 0)
			r = install->r;
	}
	return r;
}

/* What is in the slot now is ours, and pinned. */
static int install_keep(struct clo_bpf *bpf, struct install *install)
{
	struct clo_bpf_content *content =
		&bpf->content[install->slot][install->outer];
	char pin[64];

	(void)snprintf(pin, sizeof(pin), "gen/%u/%s", install->slot,
		       outer_name(install->outer));
	content_close(content);
	*content = install->fresh;
	install->fresh.fd = -1;
	return clo_bpf_pin(bpf, content->fd, pin);
}

static int reserve(struct clo_bpf *bpf, const size_t need[CLO_BPF_OUTER_COUNT],
		   struct install *installs)
{
	bool enough = true;
	int r;

	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		const struct clo_bpf_content *content =
			&bpf->content[installs[i].slot][i];

		if (need[i] > CLO_BPF_ENTRIES_MAX)
			return -E2BIG;
		if (content->fd >= 0 && content->capacity > need[i])
			continue;
		r = content_create(bpf, i, need[i], &installs[i].fresh);
		if (r < 0)
			return r;
		enough = false;
	}
	if (enough)
		return 0;

	r = install_slots(installs);
	for (unsigned int i = 0; r == 0 && i < CLO_BPF_OUTER_COUNT; i++)
		if (installs[i].fresh.fd >= 0)
			r = install_keep(bpf, &installs[i]);
	return r;
}

int clo_bpf_slot_reserve(struct clo_bpf *bpf, __u32 slot,
			 const size_t need[CLO_BPF_OUTER_COUNT],
			 bool ret_changed[CLO_BPF_OUTER_COUNT])
{
	struct install installs[CLO_BPF_OUTER_COUNT];
	int r;

	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++)
		installs[i] = (struct install){.bpf = bpf,
					       .outer = i,
					       .slot = slot,
					       .fresh = {.fd = -1}};
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++)
		ret_changed[i] = false;

	r = reserve(bpf, need, installs);
	for (unsigned int i = 0; i < CLO_BPF_OUTER_COUNT; i++) {
		ret_changed[i] = installs[i].fresh.capacity != 0;
		content_close(&installs[i].fresh);
	}
	return r;
}
