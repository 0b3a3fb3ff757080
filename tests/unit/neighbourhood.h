/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two segments of one tenant on two nodes, and another tenant, for the tests
 * of what is no unicast IP packet. Host n of tenant 1 is endpoint n; it has
 * 10.0.0.n, fd00::n, fd80::n, fe80::n and MAC 52:54:00:00:00:n.
 */

#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "ebpf/lib/link.h"

enum host {
	WEB = 1, /* here, segment FRONT; may ask the router */
	DB = 2, /* here, FRONT; may not */
	AWAY = 3, /* on another node, FRONT */
	LAB = 4, /* here, BACK; the tables lack what it is itself */
	LAB_AWAY = 5, /* on another node, BACK */
	TWIN = 6, /* here, tenant 2, with the addresses of WEB */
	HOSTS,
	STRANGER = 200, /* outside, a class that nobody may ask */
	ROUTER = 254, /* outside: router and DHCP server of tenant 1 */
};

/* Where a frame is judged: a host is its tap's side that hears the guest. */
enum {
	WIRE = HOSTS, /* the uplink of FRONT */
	TO = 0x100, /* | host: its tap's side that speaks to the guest */
};

enum {
	FRONT = 10,
	BACK = 20,
	ELSEWHERE = 30,
	IFINDEX = 1000, /* + host or WIRE */
	ROUTER_CLASS = 8,
	STRANGER_CLASS = 9,
	RULE_ROUTER = 50, /* what allows WEB to ask */
	RULE_DHCP4 = 51,
	RULE_DHCP6 = 52,
};

#define MAC(n) (0x5452ULL | (__u64)(n) << 40) /* 52:54:00:00:00:n */
#define EVERYBODY 0xffffffffffffULL
#define OUTSIDE (CLO_MARK_OUTSIDE | FRONT)

enum nb_meter {
	NB_UNLIMITED,
	NB_SPENT, /* of multicast nothing is left */
	NB_NO_METER,
};

struct clo_view {
	__u8 flags; /* of every port */
	__u8 mode; /* of every port */
	enum nb_meter meter; /* of every port */
	__u32 missing; /* ifindex that has no port though clo_local names it */
};

static const struct clo_addr nb_endpoints[HOSTS] = {
	[WEB] = {1, WEB, FRONT},          [DB] = {2, DB, FRONT},
	[AWAY] = {3, AWAY, FRONT},        [LAB] = {4, LAB, BACK},
	[LAB_AWAY] = {5, LAB_AWAY, BACK}, [TWIN] = {6, TWIN, ELSEWHERE},
};
static const struct clo_addr nb_router = {.identity = ROUTER_CLASS};
static const struct clo_addr nb_group = {.segment = FRONT};
static const __u8 nb_group4[4] = {239, 129, 2, 3};
static const __u8 nb_group6[16] = {0xff, 0x15, [12] = 7, 8, 9, 10};
static const __u8 nb_all4[4] = {255, 255, 255, 255};
static const __u8 nb_all_nodes[16] = {0xff, 2, [15] = 1};
static const __u8 nb_all_routers[16] = {0xff, 2, [15] = 2};
static const __u8 nb_all_dhcp6[16] = {0xff, 2, [13] = 1, 0, 2};

static const struct clo_port nb_ports[HOSTS + 1] = {
#define TAP(host, in, to)                                                      \
	[host] = {.endpoint = (host),                                          \
		  .space = (in),                                               \
		  .segment = (to),                                             \
		  .mac = {0x52, 0x54, 0, 0, 0, host},                          \
		  .kind = CLO_PORT_TAP}
	TAP(WEB, 1, FRONT),
	TAP(DB, 1, FRONT),
	TAP(LAB, 1, BACK),
	TAP(TWIN, 2, ELSEWHERE),
#undef TAP
	[WIRE] = {.space = 1, .segment = FRONT, .kind = CLO_PORT_UPLINK},
};

/* The n of an address that a host may have; 0: it is of another kind. */
static inline __u32 nb_number(__u8 family, const __u8 *addr)
{
	static const __u8 prefix4[3] = {10};
	static const __u8 prefix6[][15] = {{0xfd}, {0xfd, 0x80}, {0xfe, 0x80}};

	if (family == 4)
		return memcmp(addr, prefix4, 3) ? 0 : addr[3];
	for (size_t i = 0; i < sizeof(prefix6) / sizeof(prefix6[0]); i++)
		if (!memcmp(addr, prefix6[i], 15))
			return addr[15];
	return 0;
}

/* Does the router answer who asks this address? */
static inline int nb_is_asked(__u8 family, const __u8 *addr)
{
	if (family == 4)
		return !memcmp(addr, nb_all4, 4);
	return !memcmp(addr, nb_all_routers, 16) ||
	       !memcmp(addr, nb_all_dhcp6, 16);
}

CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr)
{
	__u32 n;

	(void)view;
	if (space == CLO_SPACE_SELF) {
		memcpy(&n, addr, sizeof(n));
		return family == 4 && n < HOSTS && n != LAB ? &nb_endpoints[n]
							    : NULL;
	}
	if (space == (CLO_SPACE_GROUP | FRONT))
		return memcmp(addr, family == 4 ? nb_group4 : nb_group6,
			      family == 4 ? 4 : 16)
			       ? NULL
			       : &nb_group;

	n = nb_number(family, addr);
	if (space == 2)
		return n == WEB ? &nb_endpoints[TWIN] : NULL;
	if (space != 1)
		return NULL;
	if (nb_is_asked(family, addr))
		return &nb_router;
	return n && n < TWIN ? &nb_endpoints[n] : NULL;
}

CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr)
{
	static const __u32 classes[] = {ROUTER_CLASS, STRANGER_CLASS};

	(void)view;
	switch (nb_number(family, addr)) {
	case ROUTER:
		return &classes[0];
	case STRANGER:
		return &classes[1];
	default:
		return NULL;
	}
}

CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot)
{
	(void)view;
	switch (slot) {
	case CLO_SLOT_ICMPV6 + 133:
		return 0;
	case CLO_SLOT_UDP + 67:
		return 1;
	case CLO_SLOT_UDP + 547:
		return 2;
	default:
		return CLO_CLASS_NONE;
	}
}

CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst)
{
	static const __u32 row = 0;

	(void)view;
	return src == nb_endpoints[WEB].identity && dst == ROUTER_CLASS ? &row
									: NULL;
}

CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row)
{
	static const struct clo_row entry = {
		.rule = RULE_ROUTER, .owned = 1, .others = 2};

	(void)view;
	return row ? NULL : &entry;
}

CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index)
{
	static const __u64 word = 7;

	(void)view;
	return index ? NULL : &word;
}

CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class)
{
	static const __u32 rules[] = {0, RULE_ROUTER + 1, RULE_ROUTER + 2};

	(void)view;
	(void)row;
	return class ? &rules[class] : NULL;
}

CLO_INLINE __u32 clo_view_words(const struct clo_view *view)
{
	(void)view;
	return 1;
}

CLO_INLINE __u32 clo_view_local(const struct clo_view *view, __u32 endpoint)
{
	(void)view;
	return endpoint < HOSTS && nb_ports[endpoint].kind ? IFINDEX + endpoint
							   : 0;
}

CLO_INLINE const struct clo_port *clo_view_port(const struct clo_view *view,
						__u32 ifindex)
{
	return ifindex == view->missing ? NULL : &nb_ports[ifindex - IFINDEX];
}

CLO_INLINE struct clo_meter *clo_view_meter(const struct clo_view *view,
					    const struct clo_port *port)
{
	static struct clo_meter meters[] = {
		[NB_SPENT].bucket[CLO_BUCKET_MULTICAST] = {.paid = ~0ULL,
							   .cost = 1},
	};

	(void)port;
	return view->meter == NB_NO_METER ? NULL : &meters[view->meter];
}

CLO_INLINE struct clo_account *clo_view_account(const struct clo_view *view,
						__u64 key)
{
	(void)view;
	(void)key;
	return NULL;
}

/* dst_group is set as dst_mac says. */
static inline enum clo_drop nb_judge(const struct clo_view *view, int where,
				     struct clo_frame frame,
				     struct clo_outcome *ret)
{
	struct clo_port port = nb_ports[where & ~TO];
	struct clo_hook hook = {
		.view = view,
		.port = &port,
		.epoch = 2,
		.ifindex = IFINDEX + (__u32)(where & ~TO),
	};

	memset(ret, 0, sizeof(*ret));
	port.flags = view->flags;
	port.mode = view->mode;
	frame.dst_group = frame.dst_mac & 1;
	return clo_link(&hook, &frame, where & TO, ret);
}

static inline void nb_same(const struct clo_outcome *ret,
			   const struct clo_outcome *want, const char *file,
			   int line)
{
	_assert_int_equal(ret->mark, want->mark, file, line);
	_assert_int_equal(ret->ifindex, want->ifindex, file, line);
	_assert_int_equal(ret->rule, want->rule, file, line);
	_assert_int_equal(ret->endpoint[0], want->endpoint[0], file, line);
	_assert_int_equal(ret->endpoint[1], want->endpoint[1], file, line);
	_assert_int_equal(ret->answer, want->answer, file, line);
	_assert_memory_equal(ret->answer_mac, want->answer_mac, 6, file, line);
}

static inline void nb_passes(const struct clo_view *view, int where,
			     const struct clo_frame *frame,
			     const struct clo_outcome *want, const char *file,
			     int line)
{
	struct clo_outcome ret;

	_assert_int_equal(nb_judge(view, where, *frame, &ret), CLO_DROP_NONE,
			  file, line);
	nb_same(&ret, want, file, line);
}

static inline void nb_refused(int where, const struct clo_frame *frame,
			      enum clo_drop drop, const char *file, int line)
{
	struct clo_view view = {0};
	struct clo_outcome ret;

	_assert_int_equal(nb_judge(&view, where, *frame, &ret), drop, file,
			  line);
}

/* PASSES(where, &frame, members of the outcome...) */
#define PASSES(where, frame, ...)                                              \
	nb_passes(&(struct clo_view){0}, where, frame,                         \
		  &(struct clo_outcome){__VA_ARGS__}, __FILE__, __LINE__)
#define REFUSED(where, frame, drop)                                            \
	nb_refused(where, frame, drop, __FILE__, __LINE__)

static inline void put_ip(__u8 family, __u8 *addr, int host)
{
	memset(addr, 0, 16);
	addr[0] = family == 4 ? 10 : 0xfd;
	addr[family == 4 ? 3 : 15] = (__u8)host;
}

static inline void put_link_local(__u8 *addr, int host)
{
	put_ip(6, addr, host);
	addr[0] = 0xfe;
	addr[1] = 0x80;
}

/* Between the addresses of two hosts, and their MACs. */
static inline struct clo_frame make(__u32 kind, __u8 family, __u8 proto,
				    int from, int to)
{
	struct clo_frame frame = {
		.kind = kind,
		.src_mac = MAC(from),
		.dst_mac = MAC(to),
		.tuple = {.family = family, .proto = proto},
	};

	put_ip(family, frame.tuple.src, from);
	put_ip(family, frame.tuple.dst, to);
	return frame;
}
