/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_service.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "policy/service_spec.h"

static const struct region {
	uint32_t first, end; /* slots */
	uint8_t proto;
	const char *name;
} regions[] = {
	{CLO_SLOT_TCP, CLO_SLOT_UDP, IPPROTO_TCP, "tcp"},
	{CLO_SLOT_UDP, CLO_SLOT_SCTP, IPPROTO_UDP, "udp"},
	{CLO_SLOT_SCTP, CLO_SLOT_ICMP, IPPROTO_SCTP, "sctp"},
	{CLO_SLOT_ICMP, CLO_SLOT_ICMPV6, IPPROTO_ICMP, "icmp"},
	{CLO_SLOT_ICMPV6, CLO_SLOT_OTHER, IPPROTO_ICMPV6, "icmpv6"},
	{CLO_SLOT_OTHER, CLO_SLOTS, 0, "proto"},
};

static const struct region *region_of(uint32_t slot)
{
	size_t i = 0;

	assert(slot < CLO_SLOTS);
	while (slot >= regions[i].end)
		i++;
	return &regions[i];
}

void clo_slot_decode(uint32_t slot, uint8_t *ret_proto, uint16_t *ret_number)
{
	const struct region *region = region_of(slot);
	uint32_t offset = slot - region->first;

	*ret_proto = region->proto ? region->proto : (uint8_t)offset;
	*ret_number = region->proto ? (uint16_t)offset : 0;
}

void clo_service_text(uint32_t first, uint32_t last,
		      char ret_text[CLO_SERVICE_TEXT])
{
	const struct region *region = region_of(first);
	uint32_t from = first - region->first;
	uint32_t to = last - region->first;

	assert(first <= last && last < region->end);
	if (first == region->first && last == region->end - 1)
		(void)snprintf(ret_text, CLO_SERVICE_TEXT, "%s",
			       region->proto ? region->name
					     : "other protocols");
	else if (first == last && !region->proto &&
		 clo_proto_name((uint8_t)from))
		(void)snprintf(ret_text, CLO_SERVICE_TEXT, "%s",
			       clo_proto_name((uint8_t)from));
	else if (first == last)
		(void)snprintf(ret_text, CLO_SERVICE_TEXT, "%s/%u",
			       region->name, from);
	else
		(void)snprintf(ret_text, CLO_SERVICE_TEXT, "%s/%u-%u",
			       region->name, from, to);
}

static uint32_t class_at(const struct clo_tables *tables, uint32_t slot)
{
	const struct clo_table_data *data = &tables->table[CLO_TABLE_SERVICES];
	const struct clo_services *services;

	if (slot / 4 >= data->n)
		return CLO_CLASS_NONE;
	services = clo_tables_value(tables, CLO_TABLE_SERVICES, slot / 4);
	return services->class[slot % 4];
}

static int append(struct clo_ranges *ranges, size_t *cap,
		  struct clo_range range)
{
	if (ranges->n == *cap) {
		size_t want = *cap ? *cap * 2 : 64;
		struct clo_range *moved =
			reallocarray(ranges->ranges, want, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		ranges->ranges = moved;
		*cap = want;
	}
	ranges->ranges[ranges->n++] = range;
	return 0;
}

int clo_ranges_init(struct clo_ranges *ranges, const struct clo_tables *tables)
{
	struct clo_ranges fresh = {0};
	uint32_t slot = 0;
	size_t cap = 0;

	while (slot < CLO_SLOTS) {
		uint32_t end = clo_tables_class_end(tables, slot);
		int r;

		if (end > region_of(slot)->end)
			end = region_of(slot)->end;
		r = append(&fresh, &cap,
			   (struct clo_range){slot, end - 1,
					      class_at(tables, slot)});
		if (r < 0) {
			clo_ranges_done(&fresh);
			return r;
		}
		slot = end;
	}

	*ranges = fresh;
	return 0;
}

int clo_ranges_init_both(struct clo_ranges *ranges, const struct clo_ranges *a,
			 const struct clo_ranges *b)
{
	struct clo_ranges fresh = {0};
	size_t cap = 0;
	size_t i = 0;
	size_t j = 0;
	uint32_t first = 0;

	while (first < CLO_SLOTS) {
		uint32_t last = a->ranges[i].last < b->ranges[j].last
					? a->ranges[i].last
					: b->ranges[j].last;
		int r = append(
			&fresh, &cap,
			(struct clo_range){first, last, (uint32_t)fresh.n});

		if (r < 0) {
			clo_ranges_done(&fresh);
			return r;
		}
		i += last == a->ranges[i].last;
		j += last == b->ranges[j].last;
		first = last + 1;
	}

	*ranges = fresh;
	return 0;
}

void clo_ranges_done(struct clo_ranges *ranges)
{
	free(ranges->ranges);
	*ranges = (struct clo_ranges){0};
}

uint32_t *clo_ranges_classes(const struct clo_ranges *ranges,
			     const struct clo_ranges *both)
{
	uint32_t *classes = calloc(both->n, sizeof(*classes));
	size_t own = 0;

	for (size_t i = 0; classes && i < both->n; i++) {
		while (ranges->ranges[own].last < both->ranges[i].first)
			own++;
		classes[i] = ranges->ranges[own].class;
	}
	return classes;
}

bool clo_ranges_begins_protocol(const struct clo_ranges *ranges, size_t i)
{
	return region_of(ranges->ranges[i].first)->first ==
	       ranges->ranges[i].first;
}

bool clo_range_is_encapsulation(const struct clo_range *range)
{
	for (uint32_t slot = range->first; slot <= range->last; slot++)
		if (slot < CLO_SLOT_OTHER ||
		    !clo_proto_is_encapsulation(
			    (uint8_t)(slot - CLO_SLOT_OTHER)))
			return false;
	return true;
}

bool clo_range_is_mixed(const struct clo_range *range)
{
	for (size_t i = 0; i < CLO_ENCAPSULATIONS; i++) {
		uint32_t slot = CLO_SLOT_OTHER + clo_encapsulations[i];

		if (range->first <= slot && slot <= range->last)
			return !clo_range_is_encapsulation(range);
	}
	return false;
}

static bool is_set(const struct clo_range *range, const uint64_t *bits,
		   size_t words)
{
	return range->class / 64 < words &&
	       bits[range->class / 64] >> (range->class % 64) & 1;
}

/* All that a rule with "any" allows. */
static bool is_any(const struct clo_ranges *ranges, const uint64_t *bits,
		   size_t words)
{
	for (size_t i = 0; i < ranges->n; i++)
		if ((!is_set(&ranges->ranges[i], bits, words) &&
		     !clo_range_is_encapsulation(&ranges->ranges[i])) ||
		    clo_range_is_mixed(&ranges->ranges[i]))
			return false;
	return true;
}

json_t *clo_service_names(const struct clo_ranges *ranges, const uint64_t *bits,
			  size_t words)
{
	json_auto_t *names = json_array();
	bool any = is_any(ranges, bits, words);
	size_t i = 0;

	if (any && json_array_append_new(names, json_string("any")) < 0)
		return NULL;
	while (i < ranges->n) {
		uint32_t first = ranges->ranges[i].first;
		char text[CLO_SERVICE_TEXT];
		size_t end = i + 1;

		if (!is_set(&ranges->ranges[i], bits, words) ||
		    (any && !clo_range_is_encapsulation(&ranges->ranges[i]))) {
			i++;
			continue;
		}
		while (end < ranges->n &&
		       is_set(&ranges->ranges[end], bits, words) &&
		       (!any ||
			clo_range_is_encapsulation(&ranges->ranges[end])) &&
		       !clo_ranges_begins_protocol(ranges, end))
			end++;
		clo_service_text(first, ranges->ranges[end - 1].last, text);
		if (json_array_append_new(names, json_string(text)) < 0)
			return NULL;
		i = end;
	}

	return json_incref(names);
}
