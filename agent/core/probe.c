/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <string.h>

#define FRAME_MIN 64
#define FRAME_MAX 300

/* An address that no endpoint may have: TEST-NET-3 (RFC 5737). */
static const uint8_t foreign4[4] = {203, 0, 113, 77};
static const uint8_t foreign_mac[6] = {0x06, 0, 0, 0, 0, 0x66};

/* What a frame is built for; zero for a tap without an endpoint. */
struct clo_subject {
	uint8_t mac[6];
	uint8_t ip4[4];
	bool has_ip4;
};

static void ethernet(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6],
		     uint16_t ethertype)
{
	ethertype = htons(ethertype);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	memcpy(frame + 12, &ethertype, sizeof(ethertype));
}

/* Sent to one MAC: what goes to all has a limit, which a guest may use up. */
static size_t arp(uint8_t *frame, const uint8_t mac[6], const uint8_t sender[4],
		  const uint8_t target[4])
{
	static const uint8_t head[] = {0, ARPHRD_ETHER, 8, 0, 6, 4, 0, 1};

	ethernet(frame, foreign_mac, mac, ETH_P_ARP);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, sender, 4);
	memcpy(frame + 38, target, 4);
	return FRAME_MIN;
}

/* IPv4 UDP, empty, to the discard port. */
static size_t udp4(uint8_t *frame, const uint8_t dst_mac[6],
		   const uint8_t src_mac[6], const uint8_t src[4],
		   const uint8_t dst[4])
{
	static const uint8_t head[] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17};
	static const uint8_t udp[] = {0xc0, 0, 0, 9, 0, 8, 0, 0};

	ethernet(frame, dst_mac, src_mac, ETH_P_IP);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 26, src, 4);
	memcpy(frame + 30, dst, 4);
	memcpy(frame + 34, udp, sizeof(udp));
	return FRAME_MIN;
}

static size_t unknown_ethertype(const struct clo_subject *s, uint8_t *frame)
{
	ethernet(frame, foreign_mac, s->mac, 0x88b5); /* IEEE experimental */
	return FRAME_MIN;
}

/* A spanning tree BPDU: would make the guest a bridge of the network. */
static size_t llc(const struct clo_subject *s, uint8_t *frame)
{
	static const uint8_t bridges[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	static const uint8_t bpdu[] = {0x42, 0x42, 3};

	ethernet(frame, bridges, s->mac, 38); /* a length, no ethertype */
	memcpy(frame + 14, bpdu, sizeof(bpdu));
	return FRAME_MIN;
}

static size_t vlan(const struct clo_subject *s, uint8_t *frame)
{
	static const uint8_t tag[] = {0, 7, 8, 0};

	ethernet(frame, s->mac, foreign_mac, ETH_P_8021Q);
	memcpy(frame + 14, tag, sizeof(tag));
	return FRAME_MIN;
}

static size_t spoofed_mac(const struct clo_subject *s, uint8_t *frame)
{
	return udp4(frame, foreign_mac, foreign_mac, s->ip4, foreign4);
}

static size_t spoofed_address(const struct clo_subject *s, uint8_t *frame)
{
	return udp4(frame, foreign_mac, s->mac, foreign4, s->ip4);
}

/* On the wire: as if the endpoint of this node were elsewhere. */
static size_t local_address(const struct clo_subject *s, uint8_t *frame)
{
	return udp4(frame, s->mac, foreign_mac, s->ip4, s->ip4);
}

static size_t spoofed_arp(const struct clo_subject *s, uint8_t *frame)
{
	return arp(frame, s->mac, foreign4, s->ip4);
}

static size_t own_arp(const struct clo_subject *s, uint8_t *frame)
{
	return arp(frame, s->mac, s->ip4, s->ip4);
}

/* From the middle of a datagram of which nothing came before. */
static size_t late_fragment(const struct clo_subject *s, uint8_t *frame)
{
	size_t len = udp4(frame, foreign_mac, s->mac, s->ip4, foreign4);

	frame[18] = 0xc1; /* identification */
	frame[21] = 8; /* offset, in units of 8 bytes */
	return len;
}

static size_t source_route(const struct clo_subject *s, uint8_t *frame)
{
	/* loose source route over one router, then end of options */
	static const uint8_t option[] = {131, 7, 4, 203, 0, 113, 1, 0};
	size_t len = udp4(frame, foreign_mac, s->mac, s->ip4, foreign4);

	memmove(frame + 34 + sizeof(option), frame + 34, 8);
	memcpy(frame + 34, option, sizeof(option));
	frame[14] = 0x45 + sizeof(option) / 4;
	frame[17] += sizeof(option);
	return len;
}

/* A lease offered to a neighbour. */
static size_t dhcp_reply(const struct clo_subject *s, uint8_t *frame)
{
	static const uint8_t ports[] = {0, 67, 0, 68};
	static const uint8_t bootp[] = {2, ARPHRD_ETHER, 6, 0, 0, 0, 0, 1};
	static const uint8_t options[] = {99, 130, 83, 99, 53, 1, 2, 255};

	(void)udp4(frame, foreign_mac, s->mac, s->ip4, foreign4);
	frame[16] = (FRAME_MAX - 14) >> 8;
	frame[17] = (FRAME_MAX - 14) & 255;
	memcpy(frame + 34, ports, sizeof(ports));
	frame[38] = (FRAME_MAX - 34) >> 8;
	frame[39] = (FRAME_MAX - 34) & 255;
	memcpy(frame + 42, bootp, sizeof(bootp));
	memcpy(frame + 58, foreign4, 4); /* your address */
	memcpy(frame + 62, s->ip4, 4); /* server's */
	memcpy(frame + 70, foreign_mac, 6); /* client's MAC */
	memcpy(frame + 278, options, sizeof(options));
	return FRAME_MAX;
}

/* Router advertisement from the guest's own link-local address. */
static size_t router_advertisement(const struct clo_subject *s, uint8_t *frame)
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t head[] = {0x60, 0, 0, 0, 0, 16, 58, 255};
	static const uint8_t local[8] = {0xfe, 0x80};
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	uint8_t *eui = frame + 30;

	ethernet(frame, all_nodes_mac, s->mac, ETH_P_IPV6);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, local, sizeof(local));
	memcpy(eui, s->mac, 3);
	eui[0] ^= 2;
	eui[3] = 0xff;
	eui[4] = 0xfe;
	memcpy(eui + 5, s->mac + 3, 3);
	memcpy(frame + 38, all_nodes, sizeof(all_nodes));
	frame[54] = 134;
	return 14 + 40 + 16;
}

/* To the guest or the wire; its mark says for whom it was approved. */
static size_t neighbours_frame(const struct clo_subject *s, uint8_t *frame)
{
	return udp4(frame, s->mac, foreign_mac, foreign4, s->ip4);
}

/* As that, but for all. */
static size_t neighbours_group(const struct clo_subject *s, uint8_t *frame)
{
	size_t len = neighbours_frame(s, frame);

	memset(frame, 0xff, 6);
	return len;
}

#define FROM_GUEST false
#define TO_GUEST true
#define DROP true
#define PASS false

const struct clo_probe clo_probes[] = {
	{"unknown ethertype", "net.default-deny", CLO_PROBE_TAP, FROM_GUEST,
	 DROP, CLO_PROBE_UNMARKED, unknown_ethertype},
	{"LLC frame", "net.default-deny", CLO_PROBE_TAP, FROM_GUEST, DROP,
	 CLO_PROBE_UNMARKED, llc},
	{"fragment without a first", "net.no-bypass-path", CLO_PROBE_TAP,
	 FROM_GUEST, DROP, CLO_PROBE_UNMARKED, late_fragment},
	{"source route", "net.no-bypass-path", CLO_PROBE_TAP, FROM_GUEST, DROP,
	 CLO_PROBE_UNMARKED, source_route},
	{"spoofed MAC", "spoof.source-binding", CLO_PROBE_TAP, FROM_GUEST, DROP,
	 CLO_PROBE_UNMARKED, spoofed_mac},
	{"spoofed address", "spoof.source-binding", CLO_PROBE_TAP, FROM_GUEST,
	 DROP, CLO_PROBE_UNMARKED, spoofed_address},
	{"spoofed ARP", "spoof.arp-nd-dhcp", CLO_PROBE_TAP, FROM_GUEST, DROP,
	 CLO_PROBE_UNMARKED, spoofed_arp},
	{"DHCP server reply", "spoof.arp-nd-dhcp", CLO_PROBE_TAP, FROM_GUEST,
	 DROP, CLO_PROBE_UNMARKED, dhcp_reply},
	{"router advertisement", "spoof.arp-nd-dhcp", CLO_PROBE_TAP, FROM_GUEST,
	 DROP, CLO_PROBE_UNMARKED, router_advertisement},
	{"frame for another endpoint", "net.default-deny", CLO_PROBE_TAP,
	 TO_GUEST, DROP, CLO_PROBE_FOREIGN, neighbours_frame},
	{"frame for another segment's group", "net.default-deny", CLO_PROBE_TAP,
	 TO_GUEST, DROP, CLO_PROBE_GROUP, neighbours_group},
	{"frame for the outside", "net.default-deny", CLO_PROBE_TAP, TO_GUEST,
	 DROP, CLO_PROBE_OUTSIDE, neighbours_frame},
	{"own ARP passes", "spoof.source-binding", CLO_PROBE_BOUND, FROM_GUEST,
	 PASS, CLO_PROBE_UNMARKED, own_arp},
	{"VLAN tag from the wire", "net.no-bypass-path", CLO_PROBE_UPLINK,
	 FROM_GUEST, DROP, CLO_PROBE_UNMARKED, vlan},
	{"local address from the wire", "spoof.source-binding",
	 CLO_PROBE_UPLINK_LOCAL, FROM_GUEST, DROP, CLO_PROBE_UNMARKED,
	 local_address},
	{"unapproved frame to the wire", "net.default-deny", CLO_PROBE_UPLINK,
	 TO_GUEST, DROP, CLO_PROBE_UNMARKED, neighbours_frame},
};
const size_t clo_probes_count = CLO_ARRAY_LEN(clo_probes);

_Static_assert(CLO_ARRAY_LEN(clo_probes) <= CLO_PROBES_MAX, "results fit");

/* `tap` NULL, or of no endpoint: a frame of nobody. */
static struct clo_subject subject_of(const struct clo_tap *tap)
{
	struct clo_subject s = {.mac = {2}};

	if (!tap || !tap->interface)
		return s;
	memcpy(s.mac, tap->interface->mac, sizeof(s.mac));
	for (size_t i = 0; i < tap->interface->n_addresses; i++) {
		const struct clo_cidr *address = &tap->interface->addresses[i];

		if (address->family != 4)
			continue;
		memcpy(s.ip4, address->addr, sizeof(s.ip4));
		s.has_ip4 = true;
		break;
	}
	return s;
}

/* Any id but its own. */
static uint32_t other(uint32_t own, uint32_t max)
{
	return own == max ? own - 1 : own + 1;
}

static uint32_t mark_of(enum clo_probe_mark mark, const struct clo_tap *tap)
{
	const struct clo_interface_doc *interface = tap->interface;
	uint32_t endpoint = interface ? interface->endpoint : 0;
	uint32_t segment = interface ? interface->segment->id : 0;

	switch (mark) {
	case CLO_PROBE_OUTSIDE:
		return CLO_MARK_OUTSIDE | segment;
	case CLO_PROBE_FOREIGN:
		return CLO_MARK_ENDPOINT | other(endpoint, CLO_ENDPOINT_MAX);
	case CLO_PROBE_GROUP:
		return CLO_MARK_GROUP | other(segment, CLO_SEGMENT_MAX);
	case CLO_PROBE_UNMARKED:
		break;
	}
	return CLO_MARK_NONE;
}

static bool applies(const struct clo_probe *probe, const struct clo_tap *tap,
		    const struct clo_subject *subject, bool lawful)
{
	switch (probe->where) {
	case CLO_PROBE_TAP:
		return !tap->uplink;
	case CLO_PROBE_BOUND:
		return tap->interface && subject->has_ip4 && lawful;
	case CLO_PROBE_UPLINK:
		return tap->uplink;
	case CLO_PROBE_UPLINK_LOCAL:
		return tap->uplink && subject->has_ip4;
	}
	return false;
}

static enum clo_probe_result judge(const struct clo_probe *probe,
				   const struct clo_probe_run *run, bool drop)
{
	if (drop == probe->drop && (run->mode != CLO_MODE_AUDIT || !drop))
		return CLO_PROBE_RIGHT;
	if (run->mode == CLO_MODE_AUDIT)
		return drop ? CLO_PROBE_WRONG : CLO_PROBE_PASSED;
	/* a guest at its limit must not look like a broken guard */
	return drop && run->limited ? CLO_PROBE_NOT_RUN : CLO_PROBE_WRONG;
}

void clo_probe_tap(struct clo_bpf *bpf, const struct clo_tap *tap,
		   const struct clo_tap *local, const struct clo_probe_run *run,
		   enum clo_probe_result ret_results[CLO_PROBES_MAX])
{
	const struct clo_subject subject =
		subject_of(tap->uplink ? local : tap);

	memset(ret_results, 0, CLO_PROBES_MAX * sizeof(*ret_results));
	for (size_t i = 0; i < clo_probes_count; i++) {
		const struct clo_probe *probe = &clo_probes[i];
		uint8_t frame[FRAME_MAX] = {0};
		bool drop = false;
		size_t len;
		int r;

		if (!applies(probe, tap, &subject, run->lawful))
			continue;
		len = probe->build(&subject, frame);
		r = clo_bpf_probe(
			bpf, probe->to_guest ? run->to_guest : run->from_guest,
			tap->ifindex, mark_of(probe->mark, tap), frame, len,
			&drop);
		ret_results[i] =
			r < 0 ? CLO_PROBE_ERROR : judge(probe, run, drop);
	}
}
