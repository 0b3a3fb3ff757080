/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/base/clock.h"
#include "agent/sys/bpf_impl.h"

/*
 * What the datapath works by besides the tables: its clock and settings, and
 * which tap each endpoint is behind.
 */

static int live_read(const struct clo_bpf *bpf, struct clo_live *ret_live)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_LIVE], &key, ret_live);
}

int clo_bpf_live_take(struct clo_bpf *bpf)
{
	__u64 latest = clo_bpf_now() + CLO_BPF_PICKUP;
	int r;

	r = live_read(bpf, &bpf->live);
	if (r < 0)
		return r;
	bpf->flip = (struct clo_bpf_flip){bpf->live.epoch, clo_milliseconds()};
	if (bpf->live.pickup <= latest)
		return 0;

	/* no earlier start can have meant that */
	bpf->live.pickup = 0;
	return clo_bpf_live_restore(bpf);
}

int clo_bpf_live_check(struct clo_bpf *bpf, const char **ret_wrong)
{
	const struct clo_live *want = &bpf->live;
	struct clo_live have;
	int r;

	r = live_read(bpf, &have);
	if (r < 0)
		return r;

	*ret_wrong =
		have.clock != want->clock || have.tick != want->tick ? "clock"
		: have.pickup != want->pickup
			? "time until which flows are picked up"
		: have.capture != want->capture ? "length of captured frames"
						: NULL;
	return 0;
}

int clo_bpf_live_restore(struct clo_bpf *bpf)
{
	struct clo_bpf_memory memory;
	struct clo_live *live;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_LIVE], 0, sizeof(*live),
			       true, &memory);
	if (r < 0)
		return r;

	live = memory.at;
	__atomic_store_n(&live->pickup, bpf->live.pickup, __ATOMIC_RELAXED);
	__atomic_store_n(&live->capture, bpf->live.capture, __ATOMIC_RELAXED);
	__atomic_store_n(&live->tick, bpf->live.tick, __ATOMIC_RELAXED);
	__atomic_store_n(&live->clock, bpf->live.clock, __ATOMIC_RELAXED);
	clo_bpf_memory_unmap(&memory);
	return 0;
}

/* Entries of map clo_local. */
struct places {
	struct clo_bpf_place *place;
	size_t n;
};

static int add_places(const struct clo_bpf_batch *batch, void *userdata)
{
	struct places *places = userdata;
	struct clo_bpf_place *larger;

	larger = reallocarray(places->place, places->n + batch->n + 1,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	places->place = larger;
	for (size_t i = 0; i < batch->n; i++) {
		struct clo_bpf_place *to = &larger[places->n++];

		memcpy(&to->endpoint, batch->keys + i * 4, 4);
		memcpy(&to->ifindex, batch->values + i * 4, 4);
	}

	return 0;
}

static int by_endpoint(const void *a, const void *b)
{
	const struct clo_bpf_place *x = a;
	const struct clo_bpf_place *y = b;

	return (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);
}

int clo_bpf_places_read(struct clo_bpf *bpf, struct clo_bpf_place **ret_places,
			size_t *ret_n)
{
	struct places places = {0};
	int r;

	r = clo_bpf_map_walk(bpf->maps[CLO_BPF_MAP_LOCAL], sizeof(__u32),
			     sizeof(__u32), add_places, &places);
	if (r < 0) {
		free(places.place);
		return r;
	}

	if (places.n)
		qsort(places.place, places.n, sizeof(*places.place),
		      by_endpoint);
	*ret_places = places.place;
	*ret_n = places.n;
	return 0;
}

const struct clo_bpf_place *clo_bpf_place_of(const struct clo_bpf_place *places,
					     size_t n, uint32_t endpoint)
{
	const struct clo_bpf_place key = {.endpoint = endpoint};

	return n ? bsearch(&key, places, n, sizeof(key), by_endpoint) : NULL;
}

int clo_bpf_place_set(struct clo_bpf *bpf, uint32_t endpoint, uint32_t ifindex)
{
	int fd = bpf->maps[CLO_BPF_MAP_LOCAL];
	int r;

	if (ifindex)
		return bpf_map_update_elem(fd, &endpoint, &ifindex, BPF_ANY);
	r = bpf_map_delete_elem(fd, &endpoint);

	return r == -ENOENT ? 0 : r;
}
