/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_trace_impl.h"
#include "policy/service_spec.h"

static const char *const reasons[] = {
#define X(name, text) text,
	CLO_DROP_REASONS(X)
#undef X
};

static const char *const kinds[] = {
	[CLO_FRAME_FLOW] = "packet",
	[CLO_FRAME_ERROR] = "ICMP error",
	[CLO_FRAME_MESSAGE] = "ICMP message",
	[CLO_FRAME_ARP] = "ARP",
	[CLO_FRAME_SOLICIT] = "neighbour solicitation",
	[CLO_FRAME_ADVERTISE] = "neighbour advertisement",
	[CLO_FRAME_ROUTER] = "router discovery",
	[CLO_FRAME_DHCP] = "DHCP",
	[CLO_FRAME_MEMBER] = "multicast membership report",
};

const char *clo_trace_reason(enum clo_drop drop)
{
	return (size_t)drop < CLO_ARRAY_LEN(reasons) ? reasons[drop]
						     : "unknown reason";
}

void clo_trace_step(struct clo_tracer *tracer, const char *stage,
		    const char *lookup, const char *key, const char *fmt, ...)
{
	char result[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(result, sizeof(result), fmt, args);
	va_end(args);
	if (json_array_append_new(tracer->steps,
				  json_pack("{s:s, s:s, s:s, s:s}", "stage",
					    stage, "lookup", lookup, "key", key,
					    "result", result)) < 0)
		tracer->failed = true;
}

const char *clo_trace_address(uint8_t family, const uint8_t *addr,
			      char buffer[CLO_TRACE_ADDRESS])
{
	buffer[0] = '\0';
	(void)inet_ntop(family == 6 ? AF_INET6 : AF_INET, addr, buffer,
			CLO_TRACE_ADDRESS);
	return buffer;
}

const char *clo_trace_who(const struct clo_tracer *tracer, uint32_t endpoint,
			  char buffer[CLO_TRACE_WHO])
{
	const struct clo_interface_doc *interface =
		clo_trace_endpoint(tracer->compiled->policy, endpoint, NULL);

	if (interface)
		(void)snprintf(buffer, CLO_TRACE_WHO, "%s (endpoint %u)",
			       interface->name, endpoint);
	else
		(void)snprintf(buffer, CLO_TRACE_WHO, "endpoint %u", endpoint);
	return buffer;
}

static void mac_text(uint64_t mac, char ret[18])
{
	(void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x",
		       (unsigned int)(mac & 255),
		       (unsigned int)(mac >> 8 & 255),
		       (unsigned int)(mac >> 16 & 255),
		       (unsigned int)(mac >> 24 & 255),
		       (unsigned int)(mac >> 32 & 255),
		       (unsigned int)(mac >> 40 & 255));
}

static void flags_text(uint8_t flags, char ret[48])
{
	static const char *const names[] = {"fin", "syn", "rst", "psh",
					    "ack", "urg", "ece", "cwr"};
	size_t n = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (flags >> i & 1)
			n += (size_t)snprintf(ret + n, 48 - n, "%s%s",
					      n ? "," : "", names[i]);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == IPPROTO_SCTP;
}

/* "tcp 10.0.0.1:40000 > 10.0.0.2:443 [syn]" */
static void packet_text(const struct clo_frame *frame, char ret[200])
{
	const struct clo_tuple *t = &frame->tuple;
	const char *name = clo_proto_name(t->proto);
	char src[CLO_TRACE_ADDRESS], dst[CLO_TRACE_ADDRESS];
	char number[16], extra[64] = "", flags[48] = "";

	(void)snprintf(number, sizeof(number), "protocol %u", t->proto);
	(void)clo_trace_address(t->family, t->src, src);
	(void)clo_trace_address(t->family, t->dst, dst);
	if (t->proto == IPPROTO_TCP && frame->frag != CLO_FRAG_LATER)
		flags_text(t->flags, flags);
	if (frame->frag == CLO_FRAG_LATER)
		(void)snprintf(extra, sizeof(extra), ", fragment at byte %u",
			       frame->frag_from * 8U);
	else if (clo_flow_is_icmp(t->proto))
		(void)snprintf(extra, sizeof(extra), ", type %u", t->type);
	else if (t->proto == IPPROTO_TCP)
		(void)snprintf(extra, sizeof(extra), ", flags %s",
			       flags[0] ? flags : "none");
	if (has_ports(t->proto) && frame->frag != CLO_FRAG_LATER)
		(void)snprintf(ret, 200, "%s %s port %u > %s port %u%s%s",
			       name ? name : number, src, ntohs(t->sport), dst,
			       ntohs(t->dport), extra,
			       frame->frag ? ", first fragment" : "");
	else
		(void)snprintf(ret, 200, "%s %s > %s%s%s", name ? name : number,
			       src, dst, extra,
			       frame->frag == CLO_FRAG_FIRST
				       ? ", first fragment"
				       : "");
}

static void arp_text(const struct clo_frame *frame, char ret[200])
{
	char src[CLO_TRACE_ADDRESS], dst[CLO_TRACE_ADDRESS];

	(void)snprintf(ret, 200, "%s of %s for %s",
		       frame->arp_op == 1 ? "request" : "reply",
		       clo_trace_address(4, frame->tuple.src, src),
		       clo_trace_address(4, frame->tuple.dst, dst));
}

void clo_trace_due(struct clo_tracer *tracer)
{
	const struct clo_frame *frame = &tracer->frame;
	char ethertype[16], text[200] = "";

	if (!tracer->due)
		return;
	tracer->due = false;
	(void)snprintf(ethertype, sizeof(ethertype), "0x%04x",
		       frame->ethertype);
	if (frame->kind == CLO_FRAME_ARP && !tracer->parse_drop)
		arp_text(frame, text);
	else if (frame->tuple.family)
		packet_text(frame, text);
	clo_trace_step(tracer, "parse", "ethertype", ethertype, "%s%s%s%s%s",
		       tracer->parse_drop ? "" : kinds[frame->kind],
		       tracer->parse_drop ? "" : ": ", text,
		       tracer->parse_drop && text[0] ? ": " : "",
		       tracer->parse_drop ? clo_trace_reason(tracer->parse_drop)
					  : "");
}

static void ip_json(const struct clo_frame *frame, json_t *packet)
{
	const struct clo_tuple *t = &frame->tuple;
	const char *name = clo_proto_name(t->proto);
	char text[CLO_TRACE_ADDRESS], flags[48];

	(void)json_object_set_new(
		packet, "source",
		json_string(clo_trace_address(t->family, t->src, text)));
	(void)json_object_set_new(
		packet, "destination",
		json_string(clo_trace_address(t->family, t->dst, text)));
	if (frame->kind == CLO_FRAME_ARP)
		return;
	(void)json_object_set_new(packet, "protocol",
				  name ? json_string(name)
				       : json_sprintf("%u", t->proto));
	if (frame->frag == CLO_FRAG_LATER)
		return;
	if (clo_flow_is_icmp(t->proto))
		(void)json_object_set_new(packet, "type",
					  json_integer(t->type));
	if (has_ports(t->proto)) {
		(void)json_object_set_new(packet, "sourcePort",
					  json_integer(ntohs(t->sport)));
		(void)json_object_set_new(packet, "destinationPort",
					  json_integer(ntohs(t->dport)));
	}
	if (t->proto == IPPROTO_TCP) {
		flags_text(t->flags, flags);
		(void)json_object_set_new(packet, "flags", json_string(flags));
	}
}

json_t *clo_trace_packet_json(const struct clo_tracer *tracer)
{
	const struct clo_frame *frame = &tracer->frame;
	char src[18], dst[18];
	json_t *packet;

	mac_text(frame->src_mac, src);
	mac_text(frame->dst_mac, dst);
	packet = json_pack("{s:s, s:s, s:i, s:i, s:s?}", "sourceMac", src,
			   "destinationMac", dst, "ethertype", frame->ethertype,
			   "length", (int)tracer->len, "kind",
			   tracer->parse_drop ? NULL : kinds[frame->kind]);
	if (packet && frame->tuple.family)
		ip_json(frame, packet);
	return packet;
}
