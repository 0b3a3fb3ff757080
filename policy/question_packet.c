/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "policy/question_impl.h"

/*
 * A packet from one party to another that the tables let pass, found and
 * judged by the datapath's own look-ups.
 */
#define TRIES_MAX 64 /* addresses of a block that endpoints may hide */

struct search {
	const struct clo_matrix *matrix;
	const struct clo_service_spec *service;
	uint8_t src[16], dst[16];
	uint8_t family;
	char text[2 * INET6_ADDRSTRLEN + CLO_SERVICE_TEXT + 8];
};

/* The first service of the row that a packet of the family can have. */
static bool find_service(struct search *search, uint32_t src, uint32_t dst)
{
	const struct clo_view view = {search->matrix->compiled->tables};
	const uint8_t alien =
		search->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (!clo_view_pair(&view, src, dst))
		return false;
	for (uint32_t i = 1; i <= CLO_SLOTS; i++) {
		uint32_t slot = i % CLO_SLOTS;
		struct clo_verdict verdict;
		char from[INET6_ADDRSTRLEN] = "";
		char to[INET6_ADDRSTRLEN] = "";
		char service[CLO_SERVICE_TEXT];
		uint16_t number;
		uint8_t proto;

		clo_slot_decode(slot, &proto, &number);
		if (proto == alien ||
		    !clo_question_covers(search->service, slot))
			continue;
		clo_judge_pair(&view, src, dst, proto, number, &verdict);
		if (verdict.drop != CLO_DROP_NONE)
			continue;
		(void)inet_ntop(search->family == 4 ? AF_INET : AF_INET6,
				search->src, from, sizeof(from));
		(void)inet_ntop(search->family == 4 ? AF_INET : AF_INET6,
				search->dst, to, sizeof(to));
		clo_service_text(slot, slot, service);
		(void)snprintf(search->text, sizeof(search->text), "%s > %s %s",
			       from, to, service);
		return true;
	}
	return false;
}

/* Both by the look-ups of the space in which they meet. */
static bool try_addresses(struct search *search, uint32_t space)
{
	const struct clo_view view = {search->matrix->compiled->tables};
	struct clo_side src;
	struct clo_side dst;

	clo_judge_side(&view, space, search->family, search->src, &src);
	clo_judge_side(&view, space, search->family, search->dst, &dst);
	return src.identity && dst.identity &&
	       find_service(search, src.identity, dst.identity);
}

static void put_number(unsigned __int128 number, uint8_t family,
		       uint8_t addr[16])
{
	size_t n = family == 4 ? 4 : 16;

	for (size_t i = 0; i < n; i++)
		addr[i] = (uint8_t)(number >> (8 * (n - 1 - i)));
}

static unsigned __int128 get_number(const struct clo_cidr *cidr)
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < (cidr->family == 4 ? 4U : 16U); i++)
		number = number << 8 | cidr->addr[i];
	return number;
}

/* Addresses outside that are both in the block and in a range of a class. */
static bool try_block(struct search *search, const struct party *party,
		      const struct clo_cidr *cidr, uint32_t space,
		      uint8_t addr[16])
{
	unsigned int host = (cidr->family == 4 ? 32U : 128U) - cidr->bits;
	unsigned __int128 first = get_number(cidr);
	unsigned __int128 last =
		host == 128 ? ~(unsigned __int128)0
			    : first + (((unsigned __int128)1 << host) - 1);

	if (cidr->family != search->family)
		return false;
	for (size_t i = 0; i < search->matrix->n_outside; i++) {
		const struct clo_outside *outside = &search->matrix->outside[i];
		unsigned __int128 low =
			outside->first > first ? outside->first : first;
		unsigned __int128 high =
			outside->last < last ? outside->last : last;

		if (outside->family != search->family || low > high ||
		    !party->classes[outside->class])
			continue;
		for (int t = 0; t < TRIES_MAX && high - low >= (unsigned)t;
		     t++) {
			put_number(low + (unsigned)t, search->family, addr);
			if (try_addresses(search, space))
				return true;
		}
	}
	return false;
}

/* `addr`: which side of the search the outside party is. */
static bool try_outside(struct search *search, const struct party *party,
			uint32_t space, uint8_t addr[16])
{
	if (!party->service)
		return try_block(search, party, &party->cidr, space, addr);
	for (size_t i = 0; i < party->service->n_addresses; i++)
		if (try_block(search, party, &party->service->addresses[i],
			      space, addr))
			return true;
	return false;
}

/* Address i of the endpoint, if it is of the family of the search. */
static bool take_address(const struct search *search,
			 const struct clo_interface_doc *interface, size_t i,
			 uint8_t addr[16])
{
	if (interface->addresses[i].family != search->family)
		return false;
	memcpy(addr, interface->addresses[i].addr, 16);
	return true;
}

static bool try_endpoints(struct search *search,
			  const struct clo_interface_doc *from,
			  const struct party *to)
{
	for (size_t j = 0; j < to->n_interfaces; j++)
		for (size_t k = 0; k < to->interfaces[j]->n_addresses; k++)
			if (to->interfaces[j]->segment->space ==
				    from->segment->space &&
			    take_address(search, to->interfaces[j], k,
					 search->dst) &&
			    try_addresses(search, from->segment->space))
				return true;
	return false;
}

static bool search_packet(struct search *search, const struct party *from,
			  const struct party *to)
{
	bool swapped = from->outside;
	const struct party *inside = swapped ? to : from;

	for (size_t i = 0; i < inside->n_interfaces; i++) {
		const struct clo_interface_doc *interface =
			inside->interfaces[i];

		for (size_t k = 0; k < interface->n_addresses; k++) {
			uint32_t space = interface->segment->space;

			if (!take_address(search, interface, k,
					  swapped ? search->dst : search->src))
				continue;
			if (swapped ? try_outside(search, from, space,
						  search->src)
			    : to->outside
				    ? try_outside(search, to, space,
						  search->dst)
				    : try_endpoints(search, interface, to))
				return true;
		}
	}
	return false;
}

json_t *clo_question_packet(const struct clo_matrix *matrix,
			    const struct party *from, const struct party *to,
			    const struct clo_service_spec *service)
{
	static const uint8_t families[] = {4, 6};

	for (size_t i = 0; i < CLO_ARRAY_LEN(families); i++) {
		struct search search = {.matrix = matrix,
					.service = service,
					.family = families[i]};

		if (search_packet(&search, from, to))
			return json_string(search.text);
	}
	return json_null();
}

bool clo_question_covers(const struct clo_service_spec *service, uint32_t slot)
{
	const struct clo_range one = {slot, slot, 0};

	if (!service)
		return true;
	if (service->any)
		return !clo_range_is_encapsulation(&one);
	return clo_judge_slot(service->proto, service->first) <= slot &&
	       slot <= clo_judge_slot(service->proto, service->last);
}
