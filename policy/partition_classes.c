/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/auto.h"
#include "policy/partition.h"
#include "policy/service_spec.h"

int clo_classes_init(struct clo_classes *classes)
{
	struct clo_classes fresh = {0};
	int r;

	r = clo_lists_init(&fresh.specs, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_lists_init(&fresh.sets, CLO_LISTS_MAX);
	if (r < 0) {
		clo_classes_done(&fresh);
		return r;
	}

	*classes = fresh;
	return 0;
}

void clo_classes_done(struct clo_classes *classes)
{
	clo_lists_done(&classes->specs);
	clo_lists_done(&classes->sets);
	clo_index_done(&classes->by_spec);
	free(classes->ranges);
	*classes = (struct clo_classes){0};
}

/* Where the protocol's numbers begin, and how many it has. */
static uint32_t base(uint8_t proto, uint32_t *ret_numbers)
{
	*ret_numbers = 65536;
	switch (proto) {
	case IPPROTO_TCP:
		return CLO_SLOT_TCP;
	case IPPROTO_UDP:
		return CLO_SLOT_UDP;
	case IPPROTO_SCTP:
		return CLO_SLOT_SCTP;
	case IPPROTO_ICMP:
		*ret_numbers = 256;
		return CLO_SLOT_ICMP;
	case IPPROTO_ICMPV6:
		*ret_numbers = 256;
		return CLO_SLOT_ICMPV6;
	default:
		*ret_numbers = 0;
		return CLO_SLOT_OTHER + proto;
	}
}

int clo_classes_add(struct clo_classes *classes,
		    const struct clo_service_spec *service, uint32_t *ret_spec)
{
	uint32_t numbers;
	uint32_t first = base(service->proto, &numbers);
	uint32_t range[2] = {first, first};

	assert(!service->any);
	if (numbers) {
		assert(service->first <= service->last);
		assert(service->last < numbers);
		range[0] += service->first;
		range[1] += service->last;
	}
	return clo_lists_intern(&classes->specs, range, 2, ret_spec);
}

int clo_classes_add_encapsulation(struct clo_classes *classes,
				  uint32_t *ret_spec)
{
	uint32_t ranges[2 * CLO_ENCAPSULATIONS];

	for (size_t i = 0; i < CLO_ENCAPSULATIONS; i++)
		ranges[2 * i] = ranges[2 * i + 1] =
			CLO_SLOT_OTHER + clo_encapsulations[i];
	return clo_lists_intern(&classes->specs, ranges, CLO_ARRAY_LEN(ranges),
				ret_spec);
}

/* A spec begins or, one slot after its last, ends. */
struct event {
	uint32_t slot;
	uint32_t spec;
};

static int order_events(const void *left, const void *right)
{
	const struct event *a = left;
	const struct event *b = right;

	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return (a->spec > b->spec) - (a->spec < b->spec);
}

/* Ascending set of specs: put in what is absent, take out what is there. */
static void toggle(uint32_t *active, size_t *n, uint32_t spec)
{
	size_t low = 0;
	size_t high = *n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (active[middle] < spec)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < *n && active[low] == spec) {
		(*n)--;
		memmove(active + low, active + low + 1,
			(*n - low) * sizeof(*active));
		return;
	}
	memmove(active + low + 1, active + low, (*n - low) * sizeof(*active));
	active[low] = spec;
	(*n)++;
}

static int add_range(struct clo_classes *classes, uint32_t first, uint32_t last,
		     const uint32_t *active, size_t n)
{
	struct clo_slots *moved =
		clo_array_room(classes->ranges, classes->n_ranges,
			       &classes->cap_ranges, sizeof(*moved));
	uint32_t class;
	int r;

	if (!moved)
		return -ENOMEM;
	classes->ranges = moved;
	r = clo_lists_intern(&classes->sets, active, n, &class);
	if (r < 0)
		return r;

	classes->ranges[classes->n_ranges++] =
		(struct clo_slots){first, last, class};
	return 0;
}

static int sweep(struct clo_classes *classes, const struct event *events,
		 size_t n_events)
{
	CLO_AUTO_MEM uint32_t *active = calloc(n_events + 1, sizeof(*active));
	size_t n_active = 0;
	uint32_t first = 0;
	size_t i = 0;

	if (!active)
		return -ENOMEM;

	while (first < CLO_SLOTS) {
		uint32_t next;
		int r;

		while (i < n_events && events[i].slot == first)
			toggle(active, &n_active, events[i++].spec);
		next = i < n_events ? events[i].slot : CLO_SLOTS;
		r = add_range(classes, first, next - 1, active, n_active);
		if (r < 0)
			return r;
		first = next;
	}
	return 0;
}

static int index_specs(struct clo_classes *classes)
{
	struct clo_edges edges = {0};
	int r = 0;

	for (uint32_t class = 0; class < classes->sets.n && r == 0; class ++) {
		size_t n;
		const uint32_t *specs =
			clo_lists_get(&classes->sets, class, &n);

		for (size_t i = 0; i < n && r == 0; i++)
			r = clo_edges_add(&edges, specs[i], class);
	}
	if (r == 0)
		r = clo_index_init(&classes->by_spec, &edges,
				   (uint32_t)classes->specs.n);
	clo_edges_done(&edges);
	return r;
}

int clo_classes_build(struct clo_classes *classes)
{
	CLO_AUTO_MEM struct event *events = NULL;
	size_t n_events = 0;
	int r;

	events = calloc(classes->specs.n_pool + 1, sizeof(*events));
	if (!events)
		return -ENOMEM;
	for (uint32_t spec = 1; spec < classes->specs.n; spec++) {
		size_t n;
		const uint32_t *ranges =
			clo_lists_get(&classes->specs, spec, &n);

		for (size_t i = 0; i < n; i += 2) {
			events[n_events++] = (struct event){ranges[i], spec};
			events[n_events++] =
				(struct event){ranges[i + 1] + 1, spec};
		}
	}
	qsort(events, n_events, sizeof(*events), order_events);

	r = sweep(classes, events, n_events);
	return r < 0 ? r : index_specs(classes);
}

uint32_t clo_classes_count(const struct clo_classes *classes)
{
	return (uint32_t)classes->sets.n;
}
