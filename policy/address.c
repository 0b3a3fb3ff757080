/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"

static int family_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Clears what lies beyond the prefix; true if there was something. */
static bool mask(struct clo_cidr *cidr)
{
	struct clo_cidr old = *cidr;

	for (int i = 0; i < 16; i++) {
		int keep = cidr->bits - 8 * i;

		if (keep <= 0)
			cidr->addr[i] = 0;
		else if (keep < 8)
			cidr->addr[i] &= (uint8_t)(0xff00U >> keep);
	}
	return memcmp(old.addr, cidr->addr, sizeof(old.addr)) != 0;
}

/* One to three digits without a sign or a leading zero. */
static int parse_bits(const char *text, uint8_t family, uint8_t *ret_bits)
{
	int bits = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;

	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		bits = 10 * bits + (*text - '0');
		if (bits > family_bits(family))
			return -EINVAL;
	}
	*ret_bits = (uint8_t)bits;
	return 0;
}

int clo_cidr_parse(const char *text, enum clo_address_form form,
		   struct clo_cidr *ret_cidr)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct clo_cidr cidr = {0};
	char address[INET6_ADDRSTRLEN];
	bool rest;

	if ((slash && form == CLO_FORM_ADDRESS) ||
	    (!slash && form == CLO_FORM_CIDR) || len >= sizeof(address))
		return -EINVAL;

	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, cidr.addr) == 1)
		cidr.family = 4;
	else if (inet_pton(AF_INET6, address, cidr.addr) == 1)
		cidr.family = 6;
	else
		return -EINVAL;

	cidr.bits = (uint8_t)family_bits(cidr.family);
	if (slash && parse_bits(slash + 1, cidr.family, &cidr.bits) < 0)
		return -EINVAL;

	rest = mask(&cidr);
	*ret_cidr = cidr;
	return rest ? -EDOM : 0;
}

void clo_cidr_format(const struct clo_cidr *cidr, char ret_text[CLO_CIDR_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	(void)inet_ntop(cidr->family == 4 ? AF_INET : AF_INET6, cidr->addr,
			address, sizeof(address));
	if (cidr->bits == family_bits(cidr->family))
		(void)snprintf(ret_text, CLO_CIDR_TEXT, "%s", address);
	else
		(void)snprintf(ret_text, CLO_CIDR_TEXT, "%s/%u", address,
			       cidr->bits);
}

int clo_cidr_compare(const struct clo_cidr *a, const struct clo_cidr *b)
{
	int r;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	r = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (r != 0)
		return r;
	return (int)a->bits - (int)b->bits;
}

bool clo_cidr_contains(const struct clo_cidr *outer,
		       const struct clo_cidr *inner)
{
	struct clo_cidr cut = *inner;

	if (outer->family != inner->family || outer->bits > inner->bits)
		return false;
	cut.bits = outer->bits;
	(void)mask(&cut);
	return memcmp(cut.addr, outer->addr, sizeof(cut.addr)) == 0;
}

bool clo_cidr_is_edge(const struct clo_cidr *block,
		      const struct clo_cidr *address)
{
	uint32_t hosts, number;

	/* A /31 is a point-to-point link and a /32 one address: no edges. */
	if (block->family != 4 || block->bits > 30)
		return false;

	hosts = 0xffffffffU >> block->bits;
	memcpy(&number, address->addr, sizeof(number));
	number = ntohl(number) & hosts;
	return number == 0 || number == hosts;
}

/* Special ranges and the first use that may not have them. */
static const struct {
	const char *name;
	enum clo_address_use refused_from;
	struct clo_cidr block;
} ranges[] = {
	{"IPv4-mapped", CLO_USE_MATCH, {6, 96, {[10] = 0xff, [11] = 0xff}}},
	{"unspecified", CLO_USE_NODE, {4, 8, {0}}},
	{"unspecified", CLO_USE_NODE, {6, 128, {0}}},
	{"loopback", CLO_USE_NODE, {4, 8, {127}}},
	{"loopback", CLO_USE_NODE, {6, 128, {[15] = 1}}},
	{"multicast", CLO_USE_NODE, {4, 4, {224}}},
	{"multicast", CLO_USE_NODE, {6, 8, {0xff}}},
	{"broadcast", CLO_USE_NODE, {4, 32, {255, 255, 255, 255}}},
	{"link-local", CLO_USE_GUEST, {4, 16, {169, 254}}},
	{"link-local", CLO_USE_GUEST, {6, 10, {0xfe, 0x80}}},
};

const char *clo_cidr_refuse(const struct clo_cidr *cidr,
			    enum clo_address_use use)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(ranges); i++) {
		if (ranges[i].refused_from > use)
			continue;
		if (clo_cidr_contains(&ranges[i].block, cidr))
			return ranges[i].name;
		/* A pattern may cover more than it can ever match. */
		if (use != CLO_USE_MATCH &&
		    clo_cidr_contains(cidr, &ranges[i].block))
			return ranges[i].name;
	}
	return NULL;
}

/* IGMP, routing protocols and the like speak here; two are for names. */
static const char *refuse_group4(const uint8_t *addr)
{
	if (addr[0] >> 4 != 14)
		return "no multicast address";
	if (addr[0] == 224 && addr[1] == 0 && addr[2] == 0 && addr[3] != 251 &&
	    addr[3] != 252)
		return "a control address of hosts and routers";
	return NULL;
}

static const struct clo_cidr control6[] = {
	{6, 104, {0xff, 0x02, [11] = 1, [12] = 0xff}}, /* solicited nodes */
	{6, 128, {0xff, 0x02, [15] = 0x16}}, /* MLDv2 reports */
	{6, 128, {0xff, 0x02, [13] = 1, [15] = 2}}, /* DHCP servers, relays */
	{6, 128, {0xff, 0x05, [13] = 1, [15] = 3}},
	{6, 128, {0xff, 0x02, [15] = 5}}, /* OSPF */
	{6, 128, {0xff, 0x02, [15] = 6}},
	{6, 128, {0xff, 0x02, [15] = 9}}, /* RIP */
	{6, 128, {0xff, 0x02, [15] = 0x0d}}, /* PIM */
	{6, 128, {0xff, 0x02, [15] = 0x12}}, /* VRRP */
	{6, 128, {0xff, 0x02, [15] = 0x6a}}, /* snoopers */
};

static const char *refuse_group6(const struct clo_cidr *address)
{
	static const uint8_t zero[13];
	const uint8_t *addr = address->addr;
	uint8_t scope = addr[1] & 0x0f;

	if (addr[0] != 0xff)
		return "no multicast address";
	if (scope != 2 && scope != 5 && scope != 8 && scope != 14)
		return "in none of the scopes 2, 5, 8 and e";
	/* all nodes, all routers */
	if (!memcmp(addr + 2, zero, 13) && addr[15] <= 2)
		return "a control address of hosts and routers";
	for (size_t i = 0; i < CLO_ARRAY_LEN(control6); i++)
		if (clo_cidr_contains(&control6[i], address))
			return "a control address of hosts and routers";
	return NULL;
}

const char *clo_group_refuse(const struct clo_cidr *address)
{
	return address->family == 4 ? refuse_group4(address->addr)
				    : refuse_group6(address);
}
