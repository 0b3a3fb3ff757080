/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ebpf/lib/frame_type.h"
#include "policy/contradiction.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"

/* One side of the packet. */
struct side {
	uint8_t addr[16];
	uint32_t space; /* 0: outside */
	uint32_t endpoint;
};

#define TRIES_MAX 4096 /* addresses of one class that others may hide */

/* The first address of the identity in this family, of another endpoint. */
static bool find_endpoint(const struct clo_tables *tables, uint32_t identity,
			  uint8_t family, uint32_t other, struct side *ret_side)
{
	enum clo_table t = family == 4 ? CLO_TABLE_ADDR4 : CLO_TABLE_ADDR6;

	for (size_t i = 0; i < tables->table[t].n; i++) {
		const struct clo_addr *addr = clo_tables_value(tables, t, i);
		const uint8_t *key = clo_tables_key(tables, t, i);

		if (addr->identity != identity || addr->endpoint == other ||
		    clo_tables_addr_kind(tables, t, i) != CLO_ADDR_ENDPOINT)
			continue;
		memcpy(&ret_side->space, key, sizeof(ret_side->space));
		memcpy(ret_side->addr, key + 4, family == 4 ? 4 : 16);
		ret_side->endpoint = addr->endpoint;
		return true;
	}
	return false;
}

/* The next address; false after the last one of the block. */
static bool next_address(uint8_t *addr, uint8_t family, uint32_t prefixlen)
{
	int i = family == 4 ? 3 : 15;

	for (; i >= 0 && (uint32_t)i * 8 + 8 > prefixlen; i--) {
		uint32_t host = (uint32_t)i * 8 >= prefixlen
					? 0xff
					: 0xffU >> (prefixlen % 8);

		if ((addr[i] & host) != host) {
			addr[i]++;
			return true;
		}
		addr[i] &= (uint8_t)~host;
	}
	return false;
}

/*
 * An address that look-ups in `space` resolve to the external class: not one
 * that a longer match or an endpoint of the space hides.
 */
static bool find_in_block(const struct clo_view *view, enum clo_table t,
			  size_t i, uint32_t space, uint8_t addr[16])
{
	uint8_t family = t == CLO_TABLE_CIDR4 ? 4 : 6;
	const uint8_t *key = clo_tables_key(view->tables, t, i);
	const uint32_t *class = clo_tables_value(view->tables, t, i);
	uint32_t prefixlen;

	memcpy(&prefixlen, key, sizeof(prefixlen));
	memcpy(addr, key + 4, family == 4 ? 4 : 16);
	/* A network's own address is a poor example where there is another. */
	(void)next_address(addr, family, prefixlen);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		struct clo_side side;

		clo_judge_side(view, space, family, addr, &side);
		if (side.identity == *class)
			return true;
		(void)next_address(addr, family, prefixlen);
	}
	return false;
}

static bool find_external(const struct clo_tables *tables, uint32_t identity,
			  uint8_t family, uint32_t space, struct side *ret_side)
{
	enum clo_table t = family == 4 ? CLO_TABLE_CIDR4 : CLO_TABLE_CIDR6;
	const struct clo_view view = {tables};

	for (size_t i = 0; i < tables->table[t].n; i++) {
		const uint32_t *class = clo_tables_value(tables, t, i);

		if (*class == identity &&
		    find_in_block(&view, t, i, space, ret_side->addr))
			return true;
	}
	return false;
}

/* Endpoints first: what is outside is seen from their space. */
static bool find_sides(const struct clo_tables *tables, struct clo_pair pair,
		       uint8_t family, struct side *src, struct side *dst)
{
	bool has_src = find_endpoint(tables, pair.src, family, 0, src);
	/* what an endpoint sends to itself meets no tap */
	bool has_dst =
		find_endpoint(tables, pair.dst, family, src->endpoint, dst);

	if (!has_src)
		has_src = find_external(tables, pair.src, family, dst->space,
					src);
	if (!has_dst)
		has_dst = find_external(tables, pair.dst, family, src->space,
					dst);
	return has_src && has_dst;
}

/* Its first packet opens a flow, as far as one can say without seeing it. */
static bool opens_flow(uint8_t proto, uint16_t number)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_SCTP:
		return number != 0;
	case IPPROTO_UDP:
		/* to DHCP clients there are answers alone */
		return number != 0 && number != 68 && number != 546;
	case IPPROTO_ICMP:
		return number == CLO_ICMP4_ECHO;
	case IPPROTO_ICMPV6:
		return number == CLO_ICMP6_ECHO;
	default:
		return true;
	}
}

/* Of these slots. */
struct slots {
	uint32_t first, end;
	uint32_t class; /* CLO_CLASS_NONE: whichever they have */
};

/*
 * One of them that packets of the family can have; one that opens a flow, if
 * there is any.
 */
static bool find_slot(const struct clo_tables *tables,
		      const struct slots *slots, uint8_t family,
		      struct clo_witness *witness)
{
	const struct clo_view view = {tables};
	const uint8_t alien = family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	bool found = false;

	for (uint32_t slot = slots->first; slot < slots->end; slot++) {
		uint16_t number;
		uint8_t proto;

		if (slots->class != CLO_CLASS_NONE &&
		    clo_view_class(&view, slot) != slots->class)
			continue;
		clo_slot_decode(slot, &proto, &number);
		/* a protocol with numbers has slots of its own, and 0 is none */
		if (!proto || proto == alien ||
		    clo_judge_slot(proto, number) != slot ||
		    (found && !opens_flow(proto, number)))
			continue;
		found = true;
		witness->proto = proto;
		witness->number = number;
		if (opens_flow(proto, number))
			return true;
	}
	return found;
}

static int find(const struct clo_tables *tables, struct clo_pair pair,
		const struct slots *slots, struct clo_witness *ret_witness)
{
	static const uint8_t families[] = {4, 6};

	for (size_t i = 0; i < sizeof(families); i++) {
		struct clo_witness witness = {.family = families[i]};
		struct side src = {0};
		struct side dst = {0};

		if (!find_sides(tables, pair, families[i], &src, &dst) ||
		    !find_slot(tables, slots, families[i], &witness))
			continue;

		memcpy(witness.src, src.addr, sizeof(witness.src));
		memcpy(witness.dst, dst.addr, sizeof(witness.dst));
		witness.src_endpoint = src.endpoint;
		witness.dst_endpoint = dst.endpoint;
		*ret_witness = witness;
		return 0;
	}
	return -ENOENT;
}

int clo_witness_find(const struct clo_tables *tables, struct clo_pair pair,
		     uint32_t class, struct clo_witness *ret_witness)
{
	return find(tables, pair, &(struct slots){0, CLO_SLOTS, class},
		    ret_witness);
}

int clo_contradiction_witness(const struct clo_tables *tables,
			      const struct clo_contradiction *contradiction,
			      struct clo_witness *ret_witness)
{
	uint32_t slot = contradiction->slot;
	struct slots slots = {slot, slot + 1, CLO_CLASS_NONE};

	if (slot >= CLO_SLOTS)
		slots = (struct slots){0, CLO_SLOTS, contradiction->class};
	return find(tables, contradiction->pair, &slots, ret_witness);
}
