/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/flows.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "agent/core/events.h"

static const char *const states[] = {
	[CLO_CONN_NEW] = "new",
	[CLO_CONN_ESTABLISHED] = "established",
	[CLO_CONN_HALF_CLOSED] = "half-closed",
	[CLO_CONN_CLOSED] = "closed",
	[CLO_CONN_RESET] = "reset",
};

/* One connection from the side that opened it. */
struct view {
	uint8_t proto;
	const uint8_t *addr[2]; /* initiator's, other's */
	uint16_t port[2]; /* network order */
	int side[2]; /* of clo_conn: initiator's, other's */
};

static void look(const struct clo_bpf_flow *flow, struct view *view)
{
	int first = flow->conn.initiator ? 1 : 0;
	bool v4 = flow->family == 4;
	const uint8_t *addr[2] = {v4 ? flow->key.v4.lo : flow->key.v6.lo,
				  v4 ? flow->key.v4.hi : flow->key.v6.hi};
	const uint16_t *port = v4 ? flow->key.v4.port : flow->key.v6.port;

	view->proto = (uint8_t)(v4 ? flow->key.v4.space_proto
				   : flow->key.v6.space_proto);
	for (int i = 0; i < 2; i++) {
		int side = i == 0 ? first : !first;

		view->side[i] = side;
		view->addr[i] = addr[side];
		view->port[i] = port[side];
	}
	if (view->proto == IPPROTO_ICMP || view->proto == IPPROTO_ICMPV6)
		view->port[0] = view->port[1] = port[0]; /* the identifier */
}

static const char *name_of(const struct clo_names *names,
			   const struct clo_conn *conn, int side)
{
	const struct clo_endpoint_name *name =
		clo_names_endpoint(names, conn->endpoint[side]);

	return name ? name->name : NULL;
}

static json_t *volume(const struct clo_conn *conn, int side)
{
	return json_pack("{s:I, s:I}", "packets",
			 (json_int_t)conn->packets[side], "bytes",
			 (json_int_t)conn->bytes[side]);
}

static json_int_t ms_since(uint64_t then, uint64_t now)
{
	return now > then ? (json_int_t)((now - then) / 1000000) : 0;
}

static json_t *flow_json(const struct clo_bpf_flow *flow,
			 const struct clo_names *names, uint64_t now)
{
	const struct clo_conn *conn = &flow->conn;
	struct view view;
	json_t *object;
	bool icmp;

	look(flow, &view);
	icmp = view.proto == IPPROTO_ICMP || view.proto == IPPROTO_ICMPV6;
	object = json_pack(
		"{s:s?, s:s?, s:o, s:o, s:o, s:s, s:s?, s:I, s:I, s:o, s:o}",
		"from", name_of(names, conn, view.side[0]), "to",
		name_of(names, conn, view.side[1]), "protocol",
		clo_event_protocol(view.proto), "source",
		clo_event_address(flow->family, view.addr[0]), "destination",
		clo_event_address(flow->family, view.addr[1]), "state",
		conn->state < CLO_ARRAY_LEN(states) ? states[conn->state]
						    : "unknown",
		"rule", clo_names_rule(names, conn->epoch, conn->rule), "ageMs",
		ms_since(conn->opened, now), "idleMs",
		ms_since(conn->seen, now), "initiator",
		volume(conn, view.side[0]), "responder",
		volume(conn, view.side[1]));
	if (!object)
		return NULL;
	if (icmp) {
		(void)json_object_set_new(object, "identifier",
					  json_integer(ntohs(view.port[0])));
		return object;
	}
	(void)json_object_set_new(object, "sourcePort",
				  json_integer(ntohs(view.port[0])));
	(void)json_object_set_new(object, "destinationPort",
				  json_integer(ntohs(view.port[1])));
	return object;
}

static int last_seen_first(const void *a, const void *b)
{
	const struct clo_bpf_flow *x = a, *y = b;

	return (x->conn.seen < y->conn.seen) - (x->conn.seen > y->conn.seen);
}

static bool concerns(const struct clo_bpf_flow *flow,
		     const struct clo_names *names, const char *endpoint)
{
	for (int side = 0; endpoint && side < 2; side++) {
		const char *name = name_of(names, &flow->conn, side);

		if (name && clo_name_under(name, endpoint))
			return true;
	}
	return endpoint == NULL;
}

json_t *clo_flows_json(struct clo_bpf_flow *flows, size_t n,
		       const struct clo_names *names, const char *endpoint,
		       uint64_t now)
{
	json_t *list = json_array();
	json_int_t matched = 0;

	if (n > 0)
		qsort(flows, n, sizeof(*flows), last_seen_first);
	for (size_t i = 0; i < n; i++) {
		if (!concerns(&flows[i], names, endpoint))
			continue;
		if (matched++ < CLO_FLOWS_MAX)
			(void)json_array_append_new(
				list, flow_json(&flows[i], names, now));
	}
	return json_pack("{s:o, s:I, s:I}", "flows", list, "total",
			 (json_int_t)n, "matched", matched);
}
