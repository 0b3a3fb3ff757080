/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cloison/abi.h"
#include "policy/import/translate.h"
#include "policy/service_spec.h"

/* Port sets as a rule's "ports". */

/* Slots of one kind, and what their numbers are. */
static const struct {
	uint32_t first, last; /* slots */
	uint8_t proto; /* 0: the number is the protocol's */
	bool types; /* all or one, never a range */
} areas[] = {
	/* A port is 1 at least. */
	{CLO_SLOT_TCP + 1, CLO_SLOT_UDP - 1, IPPROTO_TCP, false},
	{CLO_SLOT_UDP + 1, CLO_SLOT_SCTP - 1, IPPROTO_UDP, false},
	{CLO_SLOT_SCTP + 1, CLO_SLOT_ICMP - 1, IPPROTO_SCTP, false},
	{CLO_SLOT_ICMP, CLO_SLOT_ICMPV6 - 1, IPPROTO_ICMP, true},
	{CLO_SLOT_ICMPV6, CLO_SLOT_OTHER - 1, IPPROTO_ICMPV6, true},
	{CLO_SLOT_OTHER, CLO_SLOTS - 1, 0, true},
};

static bool has_area(uint8_t proto)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(areas); i++)
		if (areas[i].proto == proto)
			return true;
	return false;
}

static int add(json_t *ports, const struct clo_service_spec *spec)
{
	char text[CLO_SERVICE_SPEC_TEXT];

	clo_service_spec_format(spec, text);
	return json_array_append_new(ports, json_string(text));
}

/* Slots of one area; of other protocols each by itself, but no tunnel. */
static int add_slots(json_t *ports, size_t area, uint32_t first, uint32_t last)
{
	bool whole = first == areas[area].first && last == areas[area].last;
	struct clo_service_spec spec = {
		.proto = areas[area].proto,
		.first = (uint16_t)(first - areas[area].first),
		.last = (uint16_t)(last - areas[area].first),
	};
	int r = 0;

	if (!areas[area].types) {
		spec.first++;
		spec.last++;
		return add(ports, &spec);
	}
	if (areas[area].proto && whole)
		return add(ports, &spec);
	for (uint32_t slot = first; slot <= last && r == 0; slot++) {
		uint16_t number = (uint16_t)(slot - areas[area].first);

		spec.first = spec.last = number;
		if (!areas[area].proto) {
			spec.proto = (uint8_t)number;
			spec.first = spec.last = 0;
			if ((number && has_area(spec.proto)) ||
			    clo_proto_is_encapsulation(spec.proto))
				continue;
		}
		r = add(ports, &spec);
	}
	return r;
}

static int add_area(const struct clo_import *import, const uint64_t *bits,
		    size_t area, json_t *ports)
{
	uint32_t first = 0, end = 0; /* the run of slots so far */
	int r = 0;

	for (size_t i = 0; i < import->services.n_ranges && r == 0; i++) {
		const struct clo_slots *range = &import->services.ranges[i];
		uint32_t low = range->first, high = range->last;

		if (low < areas[area].first)
			low = areas[area].first;
		if (high > areas[area].last)
			high = areas[area].last;
		if (low > high ||
		    !(bits[range->class / 64] >> range->class % 64 & 1))
			continue;
		if (end != low) {
			if (end)
				r = add_slots(ports, area, first, end - 1);
			first = low;
		}
		end = high + 1;
	}
	return r == 0 && end ? add_slots(ports, area, first, end - 1) : r;
}

json_t *clo_import_ports(const struct clo_import *import, uint32_t set)
{
	json_auto_t *ports = json_array();
	CLO_AUTO_MEM uint64_t *bits = NULL;
	const uint32_t *interned;
	size_t n;
	int r = 0;

	interned = clo_lists_get(&import->sets, set, &n);
	bits = calloc(import->words, sizeof(*bits));
	if (!ports || !bits)
		return NULL;
	memcpy(bits, interned, n * sizeof(*interned));
	if (memcmp(bits, import->all, import->words * sizeof(*bits)) == 0)
		r = json_array_append_new(ports, json_string("any"));
	else
		for (size_t a = 0; a < CLO_ARRAY_LEN(areas) && r == 0; a++)
			r = add_area(import, bits, a, ports);
	return r < 0 ? NULL : CLO_TAKE(ports);
}
