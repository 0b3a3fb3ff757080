/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/probe.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <string.h>

#define FRAME_LEN 64

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
	memset(frame, 0, FRAME_LEN);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	memcpy(frame + 12, &ethertype, sizeof(ethertype));
}

static void arp(uint8_t *frame, const uint8_t mac[6], const uint8_t sender[4],
		const uint8_t target[4])
{
	static const uint8_t everyone[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t head[] = {0, ARPHRD_ETHER, 8, 0, 6, 4, 0, 1};

	ethernet(frame, everyone, mac, ETH_P_ARP);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, sender, 4);
	memcpy(frame + 38, target, 4);
}

/* IPv4 UDP, empty, to the discard port. */
static void udp4(uint8_t *frame, const uint8_t dst_mac[6],
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
}

static void unknown_ethertype(const struct clo_subject *s, uint8_t *frame)
{
	ethernet(frame, foreign_mac, s->mac, 0x88b5); /* IEEE experimental */
}

static void spoofed_mac(const struct clo_subject *s, uint8_t *frame)
{
	udp4(frame, foreign_mac, foreign_mac, s->ip4, foreign4);
}

static void spoofed_address(const struct clo_subject *s, uint8_t *frame)
{
	udp4(frame, foreign_mac, s->mac, foreign4, s->ip4);
}

static void spoofed_arp(const struct clo_subject *s, uint8_t *frame)
{
	arp(frame, s->mac, foreign4, s->ip4);
}

static void own_arp(const struct clo_subject *s, uint8_t *frame)
{
	arp(frame, s->mac, s->ip4, s->ip4);
}

/* Router advertisement from the guest's own link-local address. */
static void router_advertisement(const struct clo_subject *s, uint8_t *frame)
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t head[] = {0x60, 0, 0, 0, 0, 10, 58, 255};
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
}

/* A frame that was approved for another endpoint (its mark says so). */
static void neighbours_frame(const struct clo_subject *s, uint8_t *frame)
{
	udp4(frame, s->mac, foreign_mac, foreign4, s->ip4);
}

#define DROP true
#define PASS false

const struct clo_probe clo_probes[] = {
	{"unknown ethertype", "net.default-deny", false, DROP, false,
	 CLO_PROBE_UNMARKED, unknown_ethertype},
	{"spoofed MAC", "spoof.source-binding", false, DROP, false,
	 CLO_PROBE_UNMARKED, spoofed_mac},
	{"spoofed address", "spoof.source-binding", false, DROP, false,
	 CLO_PROBE_UNMARKED, spoofed_address},
	{"spoofed ARP", "spoof.arp-nd-dhcp", false, DROP, false,
	 CLO_PROBE_UNMARKED, spoofed_arp},
	{"router advertisement", "spoof.arp-nd-dhcp", false, DROP, false,
	 CLO_PROBE_UNMARKED, router_advertisement},
	{"frame for another endpoint", "net.default-deny", true, DROP, false,
	 CLO_PROBE_FOREIGN, neighbours_frame},
	{"frame for the outside", "net.default-deny", true, DROP, false,
	 CLO_PROBE_OUTSIDE, neighbours_frame},
	{"own ARP passes", "spoof.source-binding", false, PASS, true,
	 CLO_PROBE_UNMARKED, own_arp},
};
const size_t clo_probes_count = CLO_ARRAY_LEN(clo_probes);

_Static_assert(CLO_ARRAY_LEN(clo_probes) <= CLO_PROBES_MAX, "results fit");

static struct clo_subject subject_of(const struct clo_tap *tap)
{
	struct clo_subject s = {.mac = {2}};

	if (!tap->interface)
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

static uint32_t mark_of(enum clo_probe_mark mark, const struct clo_tap *tap)
{
	uint32_t own = tap->interface ? tap->interface->endpoint : 0;

	if (mark == CLO_PROBE_OUTSIDE)
		return CLO_MARK_OUTSIDE;
	if (mark == CLO_PROBE_FOREIGN)
		return own == CLO_ENDPOINT_MAX ? own - 1 : own + 1;
	return CLO_MARK_NONE;
}

void clo_probe_tap(struct clo_bpf *bpf, const struct clo_tap *tap,
		   bool policy_in_force,
		   enum clo_probe_result ret_results[CLO_PROBES_MAX])
{
	const struct clo_subject subject = subject_of(tap);

	memset(ret_results, 0, CLO_PROBES_MAX * sizeof(*ret_results));
	for (size_t i = 0; i < clo_probes_count; i++) {
		uint8_t frame[FRAME_LEN];
		bool drop = false;
		int r;

		if (clo_probes[i].bound &&
		    (!tap->interface || !subject.has_ip4 || !policy_in_force))
			continue;
		clo_probes[i].build(&subject, frame);
		r = clo_bpf_probe(bpf, clo_probes[i].to_guest, tap->ifindex,
				  mark_of(clo_probes[i].mark, tap), frame,
				  sizeof(frame), &drop);
		if (r < 0)
			ret_results[i] = CLO_PROBE_ERROR;
		else
			ret_results[i] = drop == clo_probes[i].drop
						 ? CLO_PROBE_RIGHT
						 : CLO_PROBE_WRONG;
	}
}
