/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The short way of most packets: plain TCP and UDP in the middle of a flow that
 * this epoch allows, and approved frames at their receiver. It only ever says
 * "passes", with what the whole decision would have made of it; whatever it
 * has a doubt about it leaves to that.
 */

#include "ebpf/lib/conn.h"

/* What of the packet matters here. */
struct clo_quick {
	struct clo_flow *flow; /* in the hook's work */
	__u64 dst_mac;
	__u32 seq; /* TCP, host order */
	__u32 ack;
	__u32 end; /* behind its last byte */
	__u8 proto;
	__u8 src; /* as struct clo_flow */
};

/* Ports of DHCP have a way of their own. */
CLO_INLINE int clo_quick_is_dhcp(__u16 dport)
{
	return dport - 67U < 2 || dport - 546U < 2;
}

/* `len` bytes from l4 on, as IP claims. */
CLO_INLINE int clo_quick_tcp(const __u8 *l4, const __u8 *end, __u32 len,
			     struct clo_quick *ret)
{
	__u32 header;

	if (l4 + CLO_TCP_LEN > end)
		return 0;
	header = (__u32)(l4[12] >> 4) * 4;
	if ((l4[13] & (CLO_TCP_FIN | CLO_TCP_SYN | CLO_TCP_RST |
		       CLO_TCP_ACK)) != CLO_TCP_ACK ||
	    header < CLO_TCP_LEN || header > len || !clo_load16(l4 + 2))
		return 0;
	ret->seq = clo_load32_host(l4 + 4);
	ret->ack = clo_load32_host(l4 + 8);
	ret->end = ret->seq + len - header;
	return 1;
}

CLO_INLINE int clo_quick_udp(const __u8 *l4, __u32 len)
{
	__u16 dport = clo_load16_host(l4 + 2);
	__u32 claimed = clo_load16_host(l4 + 4);

	return dport && !clo_quick_is_dhcp(dport) && claimed >= CLO_L4_LEN &&
	       claimed <= len;
}

/* CLO_L4_LEN bytes are readable. */
CLO_INLINE int clo_quick_l4(const __u8 *l4, const __u8 *end, __u32 len,
			    struct clo_quick *ret)
{
	if (ret->proto == IPPROTO_TCP)
		return clo_quick_tcp(l4, end, len, ret);
	return ret->proto == IPPROTO_UDP && clo_quick_udp(l4, len);
}

/* Both ports as they stand in a key, in one word. */
CLO_INLINE __u32 clo_quick_ports(const __u8 *l4, __u8 src)
{
	__u32 ports = clo_load32(l4);

	return src ? ports << 16 | ports >> 16 : ports;
}

CLO_INLINE int clo_quick_above(const __u8 *l4)
{
	return clo_load16_host(l4) > clo_load16_host(l4 + 2);
}

CLO_INLINE int clo_quick_ip4(const struct clo_packet *packet, __u32 space,
			     struct clo_quick *ret)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	const __u8 *l4 = ip + CLO_IP4_LEN;
	__u64 *key = ret->flow->key.words;
	__u32 total, saddr, daddr;
	__u8 src;

	if (l4 + CLO_L4_LEN > packet->end)
		return 0;
	total = clo_load16_host(ip + 2);
	/* more fragments, or an offset */
	if (ip[0] != 0x45 || clo_load16(ip + 6) & 0xff3f ||
	    total > packet->len - CLO_ETH_LEN || total < CLO_IP4_LEN)
		return 0;
	ret->proto = ip[9];
	if (!clo_quick_l4(l4, packet->end, total - CLO_IP4_LEN, ret))
		return 0;

	saddr = clo_load32(ip + 12);
	daddr = clo_load32(ip + 16);
	src = saddr == daddr
		      ? (__u8)clo_quick_above(l4)
		      : __builtin_bswap32(saddr) > __builtin_bswap32(daddr);
	/*
	 * As clo_flow_init() makes it, but in words of 8 bytes: the look-up
	 * reads 4 and 8 of it at once, and would have to wait for parts.
	 */
	key[0] = (__u64)(space << 8 | ret->proto) | (__u64)(src ? daddr : saddr)
							    << 32;
	key[1] = (__u64)(src ? saddr : daddr) | (__u64)clo_quick_ports(l4, src)
							<< 32;
	ret->flow->family = 4;
	ret->flow->src = src;
	ret->src = src;
	return 1;
}

/* struct clo_conn6_key behind its first four bytes, which are in key[0]. */
CLO_INLINE void clo_quick_pack6(__u64 *key, __u64 lo0, __u64 lo1, __u64 hi0,
				__u64 hi1, __u64 ports)
{
	key[0] |= lo0 << 32;
	key[1] = lo0 >> 32 | lo1 << 32;
	key[2] = lo1 >> 32 | hi0 << 32;
	key[3] = hi0 >> 32 | hi1 << 32;
	key[4] = hi1 >> 32 | ports << 32;
}

CLO_INLINE int clo_quick_ip6(const struct clo_packet *packet, __u32 space,
			     struct clo_quick *ret)
{
	const __u8 *ip = packet->data + CLO_ETH_LEN;
	const __u8 *l4 = ip + CLO_IP6_LEN;
	__u64 *key = ret->flow->key.words;
	__u64 s0, s1, d0, d1, ports;
	__u32 payload;
	__u8 src;

	if (l4 + CLO_L4_LEN > packet->end)
		return 0;
	payload = clo_load16_host(ip + 4);
	if (ip[0] >> 4 != 6 ||
	    payload + CLO_IP6_LEN + CLO_ETH_LEN > packet->len)
		return 0;
	ret->proto = ip[6];
	if (!clo_quick_l4(l4, packet->end, payload, ret))
		return 0;

	s0 = clo_load64(ip + 8);
	s1 = clo_load64(ip + 16);
	d0 = clo_load64(ip + 24);
	d1 = clo_load64(ip + 32);
	if (s0 != d0)
		src = __builtin_bswap64(s0) > __builtin_bswap64(d0);
	else if (s1 != d1)
		src = __builtin_bswap64(s1) > __builtin_bswap64(d1);
	else
		src = (__u8)clo_quick_above(l4);
	ports = clo_quick_ports(l4, src);
	key[0] = space << 8 | ret->proto;
	if (src)
		clo_quick_pack6(key, d0, d1, s0, s1, ports);
	else
		clo_quick_pack6(key, s0, s1, d0, d1, ports);
	ret->flow->family = 6;
	ret->flow->src = src;
	ret->src = src;
	return 1;
}

/* Is the entry of this epoch, under way, and its sender behind this hook? */
CLO_INLINE int clo_quick_fits(const struct clo_hook *hook,
			      const struct clo_conn *conn,
			      const struct clo_quick *quick,
			      const __u32 ends[2])
{
	return conn->epoch == hook->epoch &&
	       conn->state == CLO_CONN_ESTABLISHED &&
	       clo_conn_is_from(hook, conn, quick->src, ends) &&
	       !clo_flow_expired(conn, quick->proto, hook->now) &&
	       (quick->proto != IPPROTO_TCP ||
		clo_flow_reaches(conn, quick->seq, quick->src));
}

/* As clo_conn_touch(), of what fits. */
CLO_INLINE void clo_quick_touch(const struct clo_hook *hook,
				const struct clo_quick *quick, __u32 len,
				struct clo_conn *conn)
{
	if (quick->proto == IPPROTO_TCP) {
		clo_flow_sent(conn, quick->src, quick->end);
		clo_flow_acked(conn, quick->src, quick->ack);
	}
	clo_conn_count(hook, conn, quick->src, len);
}

/*
 * Packets and bytes of one direction, if the port has a limit. 0: not enough,
 * and nothing was paid.
 */
CLO_INLINE int clo_quick_pay(const struct clo_hook *hook, __u32 limit,
			     enum clo_bucket_kind packets,
			     enum clo_bucket_kind bytes, __u32 len)
{
	struct clo_meter *meter;

	if (!(hook->port->flags & limit))
		return 1;
	meter = clo_view_meter(hook->view, hook->port);
	return meter && clo_limit_has(&meter->bucket[packets], hook->now) &&
	       clo_limit_has(&meter->bucket[bytes], hook->now) &&
	       clo_limit_take(&meter->bucket[packets], 1, hook->now) &&
	       clo_limit_take(&meter->bucket[bytes], len, hook->now);
}

/* 1: it passes, with this mark and out of this interface (0: the bridge's). */
CLO_INLINE int clo_quick_from(const struct clo_hook *hook,
			      const struct clo_packet *packet, __u32 *ret_mark,
			      __u32 *ret_ifindex)
{
	const struct clo_port *port = hook->port;
	const __u8 *eth = packet->data;
	struct clo_quick quick = {.flow = &hook->work->flow};
	struct clo_conn *conn;
	__u32 ends[2];
	__u32 out = 0;
	__u16 type;

	if (eth + CLO_ETH_LEN > packet->end || packet->vlan || eth[0] & 1 ||
	    port->kind == CLO_PORT_NONE || !hook->epoch ||
	    port->mode == CLO_MODE_QUARANTINE)
		return 0;
	if (port->kind == CLO_PORT_TAP &&
	    clo_load_mac(eth + 6) != clo_load_mac(port->mac))
		return 0;
	type = clo_load16(eth + 12);
	quick.dst_mac = clo_load_mac(eth);
	if (type == 0x0008
		    ? !clo_quick_ip4(packet, port->space, &quick)
		    : type != 0xdd86 ||
			      !clo_quick_ip6(packet, port->space, &quick))
		return 0;

	conn = clo_view_conn(hook->view, quick.flow);
	if (!conn)
		return 0;
	clo_conn_ends(conn, quick.src & 1, ends);
	if (!clo_quick_fits(hook, conn, &quick, ends))
		return 0;
	if (!clo_conn_direct(hook, quick.dst_mac, conn->ifindex[!quick.src],
			     ends[1], &out) ||
	    !clo_quick_pay(hook, CLO_PORT_LIMIT_FROM, CLO_BUCKET_PACKETS_FROM,
			   CLO_BUCKET_BYTES_FROM, packet->len))
		return 0;
	clo_quick_touch(hook, &quick, packet->len, conn);
	*ret_mark = clo_conn_mark(port, ends[1]);
	*ret_ifindex = out;
	return 1;
}

/* 1: the frame was approved for the guest behind this tap. */
CLO_INLINE int clo_quick_to(const struct clo_hook *hook,
			    const struct clo_packet *packet, __u32 mark)
{
	const struct clo_port *port = hook->port;
	const __u8 *eth = packet->data;
	__u16 type;

	if (mark != (CLO_MARK_ENDPOINT | port->endpoint) ||
	    port->kind != CLO_PORT_TAP || !hook->epoch ||
	    port->mode == CLO_MODE_QUARANTINE || packet->vlan ||
	    eth + CLO_ETH_LEN > packet->end)
		return 0;
	type = clo_load16(eth + 12);
	return clo_load_mac(eth) == clo_load_mac(port->mac) &&
	       (type == 0x0008 || type == 0xdd86) &&
	       clo_quick_pay(hook, CLO_PORT_LIMIT_TO, CLO_BUCKET_PACKETS_TO,
			     CLO_BUCKET_BYTES_TO, packet->len);
}
