/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/statement.h"
#include "agent/core/drop_name.h"

#define SECOND INT64_C(1000000000)

static const char *const kinds[] = {
	[CLO_EVENT_NEW] = "new",
	[CLO_EVENT_DENIED] = "denied",
	[CLO_EVENT_ENDED] = "ended",
};

static const char *const reasons[] = {
#define X(name, text) [CLO_DROP_##name] = #name,
	CLO_DROP_REASONS(X)
#undef X
};

/* The built-in rule behind a drop; the policy's own silence for the rest. */
static const char *built_in(unsigned int reason)
{
	switch (reason) {
	case CLO_DROP_SPOOFED_MAC:
	case CLO_DROP_SPOOFED_ADDRESS:
	case CLO_DROP_SPOOFED_ARP:
	case CLO_DROP_SPOOFED_ND:
		return "anti-spoofing";
	case CLO_DROP_RUNT:
	case CLO_DROP_ETHERTYPE:
	case CLO_DROP_LLC:
	case CLO_DROP_VLAN:
	case CLO_DROP_MALFORMED:
	case CLO_DROP_ARP_KIND:
	case CLO_DROP_ND_KIND:
	case CLO_DROP_DHCP:
	case CLO_DROP_IP_OPTIONS:
	case CLO_DROP_SOURCE_ROUTE:
	case CLO_DROP_IP6_EXTENSION:
	case CLO_DROP_FRAGMENT:
	case CLO_DROP_FRAGMENT_OVERLAP:
	case CLO_DROP_FRAGMENT_TINY:
		return "frame-check";
	case CLO_DROP_NO_FLOW:
	case CLO_DROP_WINDOW:
		return "flow-state";
	case CLO_DROP_CONNECTIONS:
	case CLO_DROP_QUOTA:
	case CLO_DROP_FLOW_RATE:
	case CLO_DROP_RATE:
	case CLO_DROP_MULTICAST_RATE:
		return "limits";
	case CLO_DROP_QUARANTINE:
		return "quarantine";
	default:
		return "default-deny";
	}
}

void clo_event_time(int64_t wall_ns, char ret_text[CLO_TIME_MS])
{
	int64_t ns = wall_ns > 0 ? wall_ns : 0;
	char second[21];

	clo_time_format((time_t)(ns / SECOND), second);
	(void)snprintf(ret_text, CLO_TIME_MS, "%.19s.%03uZ", second,
		       (unsigned int)(ns % SECOND / 1000000) % 1000);
}

json_t *clo_event_protocol(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return json_string("tcp");
	case IPPROTO_UDP:
		return json_string("udp");
	case IPPROTO_SCTP:
		return json_string("sctp");
	case IPPROTO_ICMP:
		return json_string("icmp");
	case IPPROTO_ICMPV6:
		return json_string("icmpv6");
	default:
		return json_sprintf("%u", proto);
	}
}

json_t *clo_event_address(uint8_t family, const uint8_t *addr)
{
	char text[INET6_ADDRSTRLEN] = "-";

	if (family == 4)
		(void)inet_ntop(AF_INET, addr, text, sizeof(text));
	else if (family == 6)
		(void)inet_ntop(AF_INET6, addr, text, sizeof(text));
	return json_string(text);
}

static json_t *mac_text(const uint8_t *mac)
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			    mac[2], mac[3], mac[4], mac[5]);
}

/* Which end is the endpoint: the one at the tap, or the one that is known. */
static unsigned int own_side(const struct clo_event *event)
{
	unsigned int own = event->to_guest ? 1 : 0;

	if (event->kind == CLO_EVENT_ENDED)
		own = 0;
	return event->endpoint[own] == 0 && event->endpoint[!own] != 0 ? !own
								       : own;
}

static void add_ends(json_t *object, const struct clo_event *event,
		     const struct clo_endpoint_name *own,
		     const struct clo_names *names)
{
	unsigned int side = own_side(event);
	const struct clo_endpoint_name *peer =
		clo_names_endpoint(names, event->endpoint[!side]);

	(void)json_object_set_new(
		object, "direction",
		json_string(side ? "to_guest" : "from_guest"));
	if (own) {
		(void)json_object_set_new(
			object, "tenant",
			json_stringn(own->name, own->tenant_len));
		(void)json_object_set_new(
			object, "environment",
			json_stringn(own->name + own->tenant_len + 1,
				     own->scope_len - own->tenant_len - 1));
		(void)json_object_set_new(object, "endpoint",
					  json_string(own->name));
	}
	if (peer)
		(void)json_object_set_new(object, "peer",
					  json_string(peer->name));
	if (event->ifindex)
		(void)json_object_set_new(object, "ifindex",
					  json_integer(event->ifindex));
}

static void add_packet(json_t *object, const struct clo_event *event)
{
	if (event->family) {
		(void)json_object_set_new(object, "family",
					  json_integer(event->family));
		(void)json_object_set_new(object, "protocol",
					  clo_event_protocol(event->proto));
		(void)json_object_set_new(
			object, "source",
			clo_event_address(event->family, event->src));
		(void)json_object_set_new(
			object, "destination",
			clo_event_address(event->family, event->dst));
	} else if (event->ethertype) {
		(void)json_object_set_new(
			object, "ethertype",
			json_sprintf("0x%04x", event->ethertype));
	}
	if (!event->family)
		return;

	switch (event->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		(void)json_object_set_new(object, "sourcePort",
					  json_integer(ntohs(event->sport)));
		(void)json_object_set_new(object, "destinationPort",
					  json_integer(ntohs(event->dport)));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		(void)json_object_set_new(object, "icmpType",
					  json_integer(event->type));
		break;
	default:
		break;
	}
}

static void add_denial(json_t *object, const struct clo_event *event,
		       const struct clo_endpoint_name *own)
{
	unsigned int reason = event->reason;
	const char *rule = built_in(reason);

	(void)json_object_set_new(object, "sourceMac",
				  mac_text(event->src_mac));
	(void)json_object_set_new(object, "destinationMac",
				  mac_text(event->dst_mac));
	(void)json_object_set_new(object, "rule",
				  own ? json_sprintf("%.*s/%s",
						     (int)own->scope_len,
						     own->name, rule)
				      : json_string(rule));
	(void)json_object_set_new(object, "reason",
				  reason < CLO_ARRAY_LEN(reasons)
					  ? json_string(reasons[reason])
					  : json_sprintf("%u", event->reason));
	(void)json_object_set_new(object, "text",
				  json_string(clo_drop_text(reason)));
	if (event->passed)
		(void)json_object_set_new(object, "audit", json_true());
}

static json_t *volume(const struct clo_event *event, int side)
{
	return json_pack("{s:I, s:I}", "packets",
			 (json_int_t)event->packets[side], "bytes",
			 (json_int_t)event->bytes[side]);
}

static void add_total(json_t *object, const struct clo_event *event)
{
	uint64_t ns =
		event->time > event->opened ? event->time - event->opened : 0;

	(void)json_object_set_new(object, "durationMs",
				  json_integer((json_int_t)(ns / 1000000)));
	(void)json_object_set_new(object, "initiator", volume(event, 0));
	(void)json_object_set_new(object, "responder", volume(event, 1));
}

json_t *clo_event_json(const struct clo_event *event,
		       const struct clo_names *names, int64_t wall)
{
	const struct clo_endpoint_name *own =
		clo_names_endpoint(names, event->endpoint[own_side(event)]);
	char time[CLO_TIME_MS];
	json_t *object;

	clo_event_time((int64_t)event->time + wall, time);
	object = json_pack("{s:s, s:s}", "time", time, "kind",
			   event->kind < CLO_ARRAY_LEN(kinds)
				   ? kinds[event->kind]
				   : "unknown");
	if (!object)
		return NULL;

	add_ends(object, event, own, names);
	add_packet(object, event);
	if (event->kind == CLO_EVENT_DENIED) {
		add_denial(object, event, own);
		return object;
	}
	(void)json_object_set_new(
		object, "rule",
		json_pack("s?",
			  clo_names_rule(names, event->epoch, event->rule)));
	if (event->kind == CLO_EVENT_ENDED)
		add_total(object, event);
	return object;
}

/* Index of a name, -1 if absent, -EINVAL if it is none of them. */
static int pick(const json_t *value, const char *const *from, size_t n,
		int *ret_index)
{
	const char *name = json_string_value(value);

	*ret_index = -1;
	if (!value || json_is_null(value))
		return 0;
	for (size_t i = 0; name && i < n; i++)
		if (strcasecmp(from[i], name) == 0) {
			*ret_index = (int)i;
			return 0;
		}
	return -EINVAL;
}

static int text_member(const json_t *request, const char *key,
		       const char **ret_text)
{
	const json_t *value = json_object_get(request, key);

	*ret_text = json_string_value(value);
	if (!value || json_is_null(value))
		return 0;
	return *ret_text && **ret_text ? 0 : -EINVAL;
}

int clo_event_filter_init(struct clo_event_filter *filter,
			  const json_t *request, const char **reterr_text)
{
	json_auto_t *kept = json_deep_copy(request);
	struct clo_event_filter made;

	if (!kept) {
		*reterr_text = "no memory";
		return -ENOMEM;
	}
	if (text_member(kept, "endpoint", &made.endpoint) < 0) {
		*reterr_text = "endpoint is no name";
		return -EINVAL;
	}
	if (text_member(kept, "tenant", &made.tenant) < 0) {
		*reterr_text = "tenant is neither TENANT nor TENANT/ENV";
		return -EINVAL;
	}
	if (pick(json_object_get(kept, "kind"), kinds, CLO_ARRAY_LEN(kinds),
		 &made.kind) < 0) {
		*reterr_text = "kind is none of new, denied and ended";
		return -EINVAL;
	}
	if (pick(json_object_get(kept, "reason"), reasons,
		 CLO_ARRAY_LEN(reasons), &made.reason) < 0) {
		*reterr_text = "reason is no drop's name";
		return -EINVAL;
	}
	made.request = CLO_TAKE(kept);
	*filter = made;
	return 0;
}

void clo_event_filter_done(struct clo_event_filter *filter)
{
	json_decref(filter->request);
	*filter = (struct clo_event_filter){.kind = -1, .reason = -1};
}

bool clo_event_filter_concerns(const struct clo_event_filter *filter,
			       const struct clo_endpoint_name *endpoint)
{
	if (!filter->endpoint && !filter->tenant)
		return true;
	return endpoint &&
	       (!filter->endpoint ||
		clo_name_under(endpoint->name, filter->endpoint)) &&
	       (!filter->tenant ||
		clo_name_under(endpoint->name, filter->tenant));
}

bool clo_event_filter_match(const struct clo_event_filter *filter,
			    const struct clo_event *event,
			    const struct clo_names *names)
{
	if (filter->kind >= 0 && event->kind != filter->kind)
		return false;
	if (filter->reason >= 0 && (event->kind != CLO_EVENT_DENIED ||
				    event->reason != filter->reason))
		return false;
	return clo_event_filter_concerns(
		       filter, clo_names_endpoint(names, event->endpoint[0])) ||
	       clo_event_filter_concerns(
		       filter, clo_names_endpoint(names, event->endpoint[1]));
}
