/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kind_subject.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/host_view.h"

static const uint8_t foreign_mac[6] = {0x06, 0, 0, 0, 0, 0x66};

/* Documentation networks (RFC 5737, RFC 3849): nobody's addresses. */
static const uint8_t foreign4[][4] = {
	{203, 0, 113, 77}, {198, 51, 100, 77}, {192, 0, 2, 77}};
static const uint8_t foreign6[16] = {0x20, 1,    0x0d, 0xb8,        0xff,
				     0xff, 0xff, 0xff, [14] = 0x77, 0x77};

static void link_local(const uint8_t mac[6], uint8_t ret[16])
{
	memcpy(ret, (const uint8_t[16]){0xfe, 0x80, [11] = 0xff, 0xfe}, 16);
	memcpy(ret + 8, mac, 3);
	ret[8] ^= 2;
	memcpy(ret + 13, mac + 3, 3);
}

/* Its endpoint in the subject's space; 0: outside. */
static uint32_t owner(const struct clo_kind_subject *subject, uint8_t family,
		      const uint8_t *addr)
{
	const struct clo_view view = {subject->tables};
	const struct clo_addr *entry =
		clo_view_addr(&view, subject->space, family, addr);

	return entry ? entry->endpoint : 0;
}

/* An endpoint's first addresses. */
static void take_addresses(struct clo_kind_subject *subject,
			   const struct clo_interface_doc *interface,
			   uint8_t addr4[4], uint8_t addr6[16],
			   uint8_t link6[16])
{
	link_local(interface->mac, link6);
	if (owner(subject, 6, link6) == interface->endpoint) {
		memcpy(addr6, link6, 16);
		subject->has6 = true;
	}
	for (size_t i = interface->n_addresses; i-- > 0;) {
		const struct clo_cidr *own = &interface->addresses[i];

		if (own->family == 4)
			memcpy(addr4, own->addr, 4);
		else
			memcpy(addr6, own->addr, 16);
		subject->has4 |= own->family == 4;
		subject->has6 |= own->family == 6;
	}
}

static void foreign_addresses(const struct clo_kind_subject *subject,
			      uint8_t addr4[4], uint8_t addr6[16],
			      uint8_t link6[16])
{
	size_t i = 0;

	while (i + 1 < CLO_ARRAY_LEN(foreign4) &&
	       owner(subject, 4, foreign4[i]))
		i++;
	memcpy(addr4, foreign4[i], 4);
	memcpy(addr6, foreign6, 16);
	link_local(foreign_mac, link6);
}

/* An endpoint with a tap here, in the uplink's segment. */
static const struct clo_interface_doc *receiver(const struct clo_node *node,
						const struct clo_tap *uplink)
{
	for (size_t i = 0; i < node->inventory->n_taps; i++) {
		const struct clo_interface_doc *interface =
			node->inventory->taps[i].interface;

		if (interface && interface->segment == uplink->uplink->segment)
			return interface;
	}
	return NULL;
}

void clo_kind_subject_init(struct clo_kind_subject *ret_subject,
			   const struct clo_node *node,
			   const struct clo_tap *tap,
			   const struct clo_tap_audit *audit,
			   enum clo_kind_way way)
{
	const struct clo_interface_doc *interface =
		tap->uplink ? receiver(node, tap) : tap->interface;
	struct clo_kind_subject subject = {
		.tap = tap,
		.tables = node->force->compiled->tables,
		.way = way,
		.mode = (enum clo_mode)audit->port.mode,
		.prog_id = way == CLO_KIND_TO ? audit->guard.to_guest.prog_id
					      : audit->guard.from_guest.prog_id,
		.space = audit->port.space,
		.flags = audit->port.flags,
		.bound = audit->has_port,
		.endpoint = interface ? interface->endpoint : 0,
	};
	struct clo_kind_ends *ends = &subject.ends;
	bool from = way == CLO_KIND_FROM;
	static const uint8_t nobody[6] = {2};
	uint8_t link6[16];

	memcpy(from ? ends->dst_mac : ends->src_mac, foreign_mac, 6);
	memcpy(from ? ends->src_mac : ends->dst_mac,
	       interface ? interface->mac : nobody, 6);
	foreign_addresses(&subject, from ? ends->dst4 : ends->src4,
			  from ? ends->dst6 : ends->src6,
			  from ? link6 : ends->link6);
	if (interface)
		take_addresses(&subject, interface,
			       from ? ends->src4 : ends->dst4,
			       from ? ends->src6 : ends->dst6,
			       from ? ends->link6 : link6);
	*ret_subject = subject;
}

uint64_t clo_kind_shape(const struct clo_kind_subject *subject)
{
	return (uint64_t)subject->mode | (uint64_t)subject->flags << 8 |
	       (uint64_t)subject->bound << 40 |
	       (uint64_t)(subject->tap->uplink != NULL) << 41 |
	       (uint64_t)subject->has4 << 42 | (uint64_t)subject->has6 << 43 |
	       (uint64_t)(subject->endpoint != 0) << 44;
}

static enum clo_drop judge(const struct clo_kind_subject *subject,
			   uint8_t family, uint8_t proto, uint16_t number)
{
	const struct clo_view view = {subject->tables};
	const struct clo_kind_ends *ends = &subject->ends;
	struct clo_side side[2];
	struct clo_verdict verdict;

	clo_judge_side(&view, subject->space, family,
		       family == 4 ? ends->src4 : ends->src6, &side[0]);
	clo_judge_side(&view, subject->space, family,
		       family == 4 ? ends->dst4 : ends->dst6, &side[1]);
	clo_judge_pair(&view, side[0].identity, side[1].identity, proto, number,
		       &verdict);
	return verdict.drop;
}

/* To a port where no rule allows it: no flow begins, and it has a reason. */
static int want_judged(struct clo_kind_subject *subject,
		       const struct clo_kind_vector *kind, const char **ret_why)
{
	uint8_t family = clo_kind_family(kind);
	uint8_t proto = clo_kind_proto(kind);
	bool ports = proto == IPPROTO_UDP || proto == IPPROTO_TCP ||
		     proto == IPPROTO_SCTP;
	enum clo_drop drop;

	for (uint32_t port = 9; port < 10000; port++) {
		drop = judge(subject, family, proto, (uint16_t)port);
		subject->ends.port = (uint16_t)port;
		if (drop != CLO_DROP_NONE)
			return (int)drop;
		if (!ports)
			break;
	}
	*ret_why = "the policy allows it to the outside";
	return -ENOENT;
}

/* The server that the tenant declared under what the frame is sent to. */
static int want_asked(const struct clo_kind_subject *subject,
		      const struct clo_kind_vector *kind)
{
	static const struct {
		enum clo_kind_base base;
		uint8_t family, proto;
		uint16_t number;
		uint8_t asked[16];
	} servers[] = {
		{CLO_BASE_DHCP4, 4, IPPROTO_UDP, 67, {255, 255, 255, 255}},
		{CLO_BASE_DHCP6,
		 6,
		 IPPROTO_UDP,
		 547,
		 {0xff, 2, [13] = 1, [15] = 2}},
		{CLO_BASE_ROUTER, 6, IPPROTO_ICMPV6, 133, {0xff, 2, [15] = 2}},
	};
	const struct clo_view view = {subject->tables};
	const struct clo_addr *server;
	const struct clo_addr *self;
	struct clo_verdict verdict;
	size_t i = 0;

	while (i + 1 < CLO_ARRAY_LEN(servers) && servers[i].base != kind->base)
		i++;
	server = clo_view_addr(&view, subject->space, servers[i].family,
			       servers[i].asked);
	self = clo_view_addr(&view, CLO_SPACE_SELF, 4,
			     (const uint8_t *)&subject->endpoint);
	if (!server)
		return CLO_DROP_MULTICAST;
	clo_judge_pair(&view, self ? self->identity : 0, server->identity,
		       servers[i].proto, servers[i].number, &verdict);
	return (int)verdict.drop;
}

int clo_kind_want(struct clo_kind_subject *subject,
		  const struct clo_kind_vector *kind, const char **ret_why)
{
	int want = kind->want[subject->way];
	uint8_t family = clo_kind_family(kind);

	if (!subject->bound)
		return CLO_DROP_NO_ENDPOINT;
	subject->ends.port = 9;
	if ((family == 4 && !subject->has4) ||
	    (family == 6 && !subject->has6)) {
		*ret_why = "no endpoint here has an address of its family";
		return -ENOENT;
	}
	if (want == CLO_KIND_JUDGED)
		return want_judged(subject, kind, ret_why);
	return want == CLO_KIND_ASKED ? want_asked(subject, kind) : want;
}
