/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/world.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "bpf/view.h"

#define MAC(last)                                                              \
	{                                                                      \
		0x52, 0x54, 0, 0, 0, last                                      \
	}
#define TAP(endpoint_, space_, segment_, last)                                 \
	{                                                                      \
		.endpoint = (endpoint_), .space = (space_),                    \
		.segment = (segment_), .mac = MAC(last), .kind = CLO_PORT_TAP  \
	}
#define LINK(last)                                                             \
	{                                                                      \
		0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 0, 0, last        \
	}

const struct world_nic world_nics[WORLD_HOSTS] = {
	[WEB] = {TAP(101, 1, 11, 1),
		 1,
		 {10, 0, 0, 1},
		 {0xfd, [15] = 1},
		 LINK(1)},
	[DB] = {TAP(102, 1, 11, 2),
		2,
		{10, 0, 0, 2},
		{0xfd, [15] = 2},
		LINK(2)},
	[FAR] = {TAP(103, 1, 12, 3),
		 3,
		 {10, 0, 1, 3},
		 {0xfd, [7] = 1, [15] = 3},
		 LINK(3)},
	[LAB] = {TAP(104, 1, 13, 4),
		 4,
		 {10, 0, 2, 4},
		 {0xfd, [7] = 2, [15] = 4},
		 LINK(4)},
	[WEB2] = {TAP(201, 2, 21, 5),
		  5,
		  {10, 0, 0, 1},
		  {0xfd, [15] = 1},
		  LINK(5)},
	[DB2] = {TAP(202, 2, 21, 6),
		 6,
		 {10, 0, 0, 2},
		 {0xfd, [15] = 2},
		 LINK(6)},
	[PARTNER] = {{.mac = MAC(0xfe)},
		     8,
		     {192, 0, 2, 9},
		     {0x20, 0x01, 0x0d, 0xb8, [15] = 9},
		     LINK(0xfe)},
	[NET] = {{.mac = MAC(0xfe)},
		 7,
		 {10, 0, 0, 254},
		 {0xfd, [15] = 0xfe},
		 LINK(0xfe)},
};

const struct world_cidr world_cidrs[WORLD_CIDRS] = {
	{4, 24, {192, 0, 2}, 8},
	{4, 8, {10}, 7},
	{6, 32, {0x20, 0x01, 0x0d, 0xb8}, 8},
	{6, 0, {0}, 7},
};

static const struct {
	__u8 proto;
	__u16 number;
	__u16 class;
} services[] = {
	{IPPROTO_TCP, 80, 0},     {IPPROTO_TCP, 5432, 1},
	{IPPROTO_UDP, 53, 2},     {IPPROTO_ICMP, 8, 3},
	{IPPROTO_ICMPV6, 128, 4}, {IPPROTO_ICMP, 13, 5},
	{IPPROTO_GRE, 0, 6},      {IPPROTO_SCTP, 9, 7},
	{IPPROTO_TCP, 22, 8},     {IPPROTO_ESP, 0, 9},
	{IPPROTO_UDP, 5000, 70},  {IPPROTO_UDP, 67, 10},
	{IPPROTO_UDP, 547, 11},   {IPPROTO_ICMPV6, 133, 12},
};

static const struct {
	__u32 src, dst, class, rule;
} allowed[] = {
	{1, 2, 1, 1},  {1, 2, 3, 2}, {1, 2, 4, 2},  {2, 1, 2, 3},
	{2, 1, 3, 3},  {2, 1, 4, 3}, {1, 3, 0, 4},  {7, 1, 0, 5},
	{7, 1, 3, 5},  {8, 1, 0, 5}, {1, 8, 0, 6},  {1, 8, 2, 6},
	{1, 8, 5, 6},  {1, 8, 6, 6}, {1, 8, 7, 6},  {1, 8, 70, 6},
	{1, 8, 3, 6},  {1, 8, 4, 6}, {5, 6, 0, 7},  {7, 1, 4, 5},
	{1, 7, 9, 8},  {2, 1, 1, 3}, {1, 7, 10, 8}, {1, 7, 11, 8},
	{1, 7, 12, 8},
};

static struct clo_addr *add_entry(struct world *world, __u32 space, __u8 family,
				  const __u8 *addr)
{
	struct world_addr *new = &world->addrs[world->n_addrs++];

	assert(world->n_addrs <= WORLD_ADDRS);
	new->family = family;
	new->space = space;
	memcpy(new->addr, addr, family == 4 ? 4 : 16);
	return &new->entry;
}

static void add_addr(struct world *world, const struct world_nic *nic,
		     __u32 space, __u8 family, const __u8 *addr)
{
	struct clo_addr *entry = add_entry(world, space, family, addr);

	entry->identity = nic->identity;
	entry->endpoint = nic->port.endpoint;
	entry->segment = nic->port.segment;
}

/* What tenant 1 declared: DHCP servers, a router, groups of its segment 11. */
static void add_declared(struct world *world)
{
	static const __u8 all[4] = {255, 255, 255, 255};
	static const __u8 servers[16] = {0xff, 2, [13] = 1, [15] = 2};
	static const __u8 routers[16] = {0xff, 2, [15] = 2};
	static const __u8 group4[4] = {239, 1, 2, 3};
	static const __u8 group6[16] = {0xff, 5, [14] = 0x12, [15] = 0x34};

	add_entry(world, 1, 4, all)->identity = 7;
	add_entry(world, 1, 6, servers)->identity = 7;
	add_entry(world, 1, 6, routers)->identity = 7;
	add_entry(world, CLO_SPACE_GROUP | 11, 4, group4)->segment = 11;
	add_entry(world, CLO_SPACE_GROUP | 11, 6, group6)->segment = 11;
}

static __u32 row_of(struct world *world, __u32 src, __u32 dst)
{
	struct world_pair *new;

	for (__u32 i = 0; i < world->n_pairs; i++)
		if (world->pairs[i].key.src == src &&
		    world->pairs[i].key.dst == dst)
			return world->pairs[i].row;

	assert(world->n_pairs < WORLD_ROWS);
	new = &world->pairs[world->n_pairs];
	new->key.src = src;
	new->key.dst = dst;
	new->row = world->n_pairs++;
	return new->row;
}

static void allow(struct world *world, size_t i)
{
	__u32 row = row_of(world, allowed[i].src, allowed[i].dst);
	__u32 bit = row * WORLD_WORDS * 64 + allowed[i].class;

	world->words[bit / 64] |= 1ULL << (bit % 64);
	world->rules[row][allowed[i].class] = allowed[i].rule;
}

/* Of the rules of a row the one that allows most classes; of equals, the first. */
static struct clo_row make_row(const struct world *world, __u32 index)
{
	__u16 classes[WORLD_RULES] = {0};
	struct clo_row row = {.set = index};
	__u16 all = 0;

	for (__u32 class = 0; class < WORLD_WORDS * 64; class ++) {
		classes[world->rules[index][class]]++;
		if (world->rules[index][class])
			all++;
	}
	for (__u32 rule = 1; rule < WORLD_RULES; rule++) {
		if (classes[rule] <= row.owned)
			continue;
		row.rule = rule;
		row.owned = classes[rule];
	}
	row.others = (__u16)(all - row.owned);
	return row;
}

void world_build(unsigned int generation, struct world *ret)
{
	memset(ret, 0, sizeof(*ret));
	memset(ret->services, 0xff, sizeof(ret->services));
	ret->gen.classes = WORLD_CLASSES;
	ret->gen.words = WORLD_WORDS;
	ret->gen.identities = WORLD_IDENTITIES;
	ret->gen.rules = WORLD_RULES;
	ret->cidrs = world_cidrs;

	for (size_t i = 0; i < WORLD_HOSTS; i++) {
		const struct world_nic *nic = &world_nics[i];

		if (!nic->port.endpoint)
			continue;
		add_addr(ret, nic, nic->port.space, 4, nic->ip4);
		add_addr(ret, nic, nic->port.space, 6, nic->ip6);
		add_addr(ret, nic, nic->port.space, 6, nic->link);
		add_addr(ret, nic, CLO_SPACE_SELF, 4,
			 (const __u8 *)&nic->port.endpoint);
	}
	add_declared(ret);
	ret->identities[8].flags = CLO_IDENTITY_FORENSICS; /* PARTNER */
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		__u32 slot =
			clo_judge_slot(services[i].proto, services[i].number);

		ret->services[slot / 4].class[slot % 4] = services[i].class;
	}
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (generation == 0 || allowed[i].rule != 1)
			allow(ret, i);
	for (__u32 row = 0; row < WORLD_ROWS; row++)
		ret->rows[row] = make_row(ret, row);
}
