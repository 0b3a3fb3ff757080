/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/hex.h"
#include "policy/explain.h"
#include "policy/explain_name.h"
#include "policy/explain_trace_run.h"

/* One trace: the frame's way, and what it means. */
struct way {
	struct clo_tracer *tracer;
	struct clo_trace_packet packet; /* and where it comes in */
	bool understood; /* both ends of the packet are known */
	const struct clo_interface_doc *meant; /* receiver by name, or NULL */
	struct clo_trace_run *run;
	enum clo_drop drop;
	uint32_t rule;
};

static int add_pass(struct way *way, struct clo_trace_port *port, bool to_guest,
		    uint32_t mark, struct clo_outcome *ret_outcome)
{
	struct clo_trace_run *run = way->run;

	way->drop = clo_trace_hook(way->tracer, port, to_guest, mark,
				   &run->pass[run->n++], ret_outcome);
	return way->drop ? -EACCES : 0;
}

static struct clo_trace_port *find_port(struct clo_tracer *tracer, uint8_t kind,
					uint32_t id)
{
	for (size_t i = 0; i < tracer->n_ports; i++) {
		struct clo_trace_port *port = &tracer->ports[i];

		if (port->port.kind == kind &&
		    id == (kind == CLO_PORT_TAP ? port->port.endpoint
						: port->port.segment))
			return port;
	}
	return NULL;
}

/* From the approved sender's hook to the receiver's, if no router is between */
static void deliver(struct way *way, const struct clo_outcome *approved)
{
	uint32_t kind = approved->mark & CLO_MARK_KIND;
	uint32_t id = approved->mark & ~CLO_MARK_KIND;
	uint32_t segment = way->packet.port->port.segment;
	struct clo_trace_port *next = NULL;
	struct clo_outcome outcome;
	char key[48];

	if (approved->answer || kind == CLO_MARK_NONE || kind == CLO_MARK_GROUP)
		return;
	(void)snprintf(key, sizeof(key), "%s %u",
		       kind == CLO_MARK_ENDPOINT ? "endpoint" : "segment", id);
	if (kind == CLO_MARK_ENDPOINT)
		next = find_port(way->tracer, CLO_PORT_TAP, id);
	if (next && next->port.segment != segment) {
		clo_trace_step(way->tracer, "delivery", "ports", key,
			       "in segment %u: a router leads there",
			       next->port.segment);
		return;
	}
	if (!next && way->packet.port->port.kind == CLO_PORT_TAP)
		next = find_port(way->tracer, CLO_PORT_UPLINK, segment);
	if (next)
		(void)add_pass(way, next, true, approved->mark, &outcome);
	else
		clo_trace_step(way->tracer, "delivery", "ports", key,
			       "no interface of the segment leads there");
}

/*
 * The address may be somebody else's in the space that judges: the frame is
 * then approved for that one, or for the outside, and never for who was meant.
 */
static void check_meant(struct way *way, const struct clo_outcome *outcome)
{
	const struct clo_interface_doc *meant = way->meant;
	char who[CLO_TRACE_WHO];

	if (!meant || way->drop || outcome->endpoint[1] == meant->endpoint)
		return;
	clo_trace_step(
		way->tracer, "delivery", "receiver", meant->name,
		"the frame was approved for %s, not for this one",
		outcome->endpoint[1]
			? clo_trace_who(way->tracer, outcome->endpoint[1], who)
			: "the outside");
	way->drop = CLO_DROP_NOT_FOR_ENDPOINT;
	way->rule = 0;
}

static void follow(struct way *way)
{
	struct clo_outcome outcome;

	if (add_pass(way, way->packet.port, way->packet.to_guest, CLO_MARK_NONE,
		     &outcome) < 0)
		return;
	way->rule = outcome.rule;
	if (!way->packet.to_guest)
		deliver(way, &outcome);
	check_meant(way, &outcome);
}

/* The frame's packet as if it had been given by fields. */
static void understand(struct way *way)
{
	const struct clo_tracer *tracer = way->tracer;
	const struct clo_tuple *tuple = &tracer->frame.tuple;
	const struct clo_policy *policy = tracer->compiled->policy;
	struct clo_trace_packet *packet = &way->packet;
	struct clo_trace_end *ends[] = {&packet->from, &packet->to};
	const uint8_t *addr[] = {tuple->src, tuple->dst};

	if (way->understood || tracer->parse_drop || !tuple->family ||
	    tracer->frame.kind == CLO_FRAME_ARP ||
	    tracer->frame.frag == CLO_FRAG_LATER)
		return;
	way->understood = true;
	packet->family = tuple->family;
	packet->proto = tuple->proto;
	packet->number = clo_flow_is_icmp(tuple->proto) ? tuple->type
							: ntohs(tuple->dport);
	for (size_t i = 0; i < 2; i++) {
		uint32_t identity, endpoint;

		memcpy(ends[i]->addr, addr[i], sizeof(ends[i]->addr));
		clo_trace_peek_side(tracer, packet->port->port.space,
				    packet->family, addr[i], &identity,
				    &endpoint);
		ends[i]->interface = clo_trace_endpoint(policy, endpoint,
							&ends[i]->workload);
	}
}

static json_t *hex_json(const struct clo_trace_run *run)
{
	char text[2 * sizeof(run->built) + 1];
	CLO_AUTO_MEM char *longer = NULL;

	if (run->len <= sizeof(run->built)) {
		clo_hex_encode(run->frame, run->len, text);
		return json_string(text);
	}
	longer = malloc(2 * run->len + 1);
	if (!longer)
		return NULL;
	clo_hex_encode(run->frame, run->len, longer);
	return json_string(longer);
}

static json_t *result(struct way *way)
{
	static const char *const modes[] = {"enforce", "audit", "quarantine"};
	struct clo_tracer *tracer = way->tracer;
	const struct clo_invariant *invariant = NULL;
	uint32_t mode = way->run->pass[way->run->n - 1].mode;
	json_auto_t *allow = NULL;
	char label[64];

	understand(way);
	if (way->understood)
		allow = clo_trace_allow(tracer, way->drop, &way->packet,
					&invariant);
	else if (way->drop)
		allow = json_pack("{s:s}", "none", "no rule decides this");
	else
		allow = json_null();
	if (invariant)
		clo_trace_step(tracer, "invariant", invariant->control,
			       invariant->name,
			       "no policy may allow this flow");
	return json_pack(
		"{s:s, s:s, s:s?, s:s?, s:s, s:s, s:o, s:o, s:O, s:O}",
		"verdict", way->drop ? "drop" : "allow", "reason",
		clo_trace_reason(way->drop), "rule",
		way->drop ? NULL : clo_name_rule(tracer->compiled, way->rule),
		"invariant", invariant ? invariant->name : NULL, "mode",
		mode < CLO_ARRAY_LEN(modes) ? modes[mode] : "unknown", "in",
		clo_trace_port_label(tracer, way->packet.port, label), "packet",
		clo_trace_packet_json(tracer), "hex", hex_json(way->run),
		"steps", tracer->steps, "allow", allow);
}

static json_t *trace(struct way *way, char reterr_text[160])
{
	struct clo_tracer *tracer = way->tracer;
	json_t *made;

	if (tracer->n_frames == CLO_TRACE_FRAMES_MAX) {
		(void)clo_trace_bad(reterr_text,
				    "more than %u frames in one trace",
				    CLO_TRACE_FRAMES_MAX);
		return NULL;
	}
	tracer->n_frames++;
	json_decref(tracer->steps);
	tracer->steps = json_array();
	tracer->n_accounts = 0;
	tracer->failed = !tracer->steps;
	tracer->data = way->run->frame;
	tracer->len = way->run->len;
	follow(way);
	made = result(way);
	if (made && !tracer->failed)
		return made;
	json_decref(made);
	(void)clo_trace_bad(reterr_text, "out of memory");
	return NULL;
}

json_t *clo_trace_by_fields(struct clo_tracer *tracer,
			    const struct clo_trace_fields *fields,
			    struct clo_trace_run *ret_run,
			    char reterr_text[160])
{
	struct way way = {.tracer = tracer, .run = ret_run};
	struct clo_trace_packet *packet = &way.packet;

	if (clo_trace_packet_parse(tracer, fields, packet, reterr_text) < 0)
		return NULL;
	ret_run->n = 0;
	ret_run->len = clo_trace_packet_build(tracer, packet, ret_run->built);
	ret_run->frame = ret_run->built;
	way.understood = true;
	way.meant = packet->to.interface;
	return trace(&way, reterr_text);
}

json_t *clo_trace_by_frame(struct clo_tracer *tracer, const char *in,
			   const uint8_t *frame, size_t len,
			   struct clo_trace_run *ret_run, char reterr_text[160])
{
	struct way way = {.tracer = tracer, .run = ret_run};

	if (len > CLO_TRACE_FRAME_MAX) {
		(void)clo_trace_bad(reterr_text,
				    "a frame of %zu bytes: at most %u go "
				    "through a hook",
				    len, CLO_TRACE_FRAME_MAX);
		return NULL;
	}
	if (clo_trace_port_named(tracer, in, &way.packet.port, reterr_text) < 0)
		return NULL;
	ret_run->n = 0;
	ret_run->frame = frame;
	ret_run->len = len;
	return trace(&way, reterr_text);
}

json_t *clo_explain_trace(const struct clo_compiled *compiled,
			  const struct clo_tables *tables, const char *from,
			  const char *to, const char *proto, uint16_t number,
			  char reterr_text[160])
{
	const struct clo_trace_fields fields = {
		.from = from, .to = to, .proto = proto, .number = number};
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	struct clo_trace_run run;

	if (clo_tracer_new(compiled, tables, NULL, &tracer) < 0) {
		(void)clo_trace_bad(reterr_text, "out of memory");
		return NULL;
	}
	return clo_trace_by_fields(tracer, &fields, &run, reterr_text);
}
