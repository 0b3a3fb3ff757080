/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_trace_run.h"

#include <stdio.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_trace_view.h"

static const char *const modes[] = {
	[CLO_MODE_ENFORCE] = "enforce",
	[CLO_MODE_AUDIT] = "audit",
	[CLO_MODE_QUARANTINE] = "quarantine",
};

static const char *mode_name(uint8_t mode)
{
	return mode < CLO_ARRAY_LEN(modes) ? modes[mode] : "unknown mode";
}

/* What the decision reads first, which is no look-up of the view. */
static void tell_port(struct clo_tracer *tracer,
		      const struct clo_trace_port *port, bool to_guest)
{
	const struct clo_port *p = &port->port;
	char key[64], label[64];

	(void)snprintf(key, sizeof(key), "interface %u%s%s, %s guest",
		       port->ifindex == CLO_TRACE_ELSEWHERE ? 0 : port->ifindex,
		       port->name[0] ? " " : "", port->name,
		       to_guest ? "to" : "from");
	if (p->kind == CLO_PORT_TAP)
		clo_trace_step(tracer, "port", "ports", key,
			       "%s: endpoint %u, segment %u, space %u, %s%s",
			       clo_trace_port_label(tracer, port, label),
			       p->endpoint, p->segment, p->space,
			       mode_name(p->mode),
			       port->ifindex == CLO_TRACE_ELSEWHERE
				       ? ", not on this node"
				       : "");
	else if (p->kind == CLO_PORT_UPLINK)
		clo_trace_step(tracer, "port", "ports", key,
			       "uplink of segment %u, space %u", p->segment,
			       p->space);
	else
		clo_trace_step(tracer, "port", "ports", key, "no endpoint");
	(void)snprintf(key, sizeof(key), "%s", "epoch");
	clo_trace_step(tracer, "policy", "live", key, "%llu",
		       (unsigned long long)tracer->live.epoch);
}

static void mac_text(const uint8_t *mac, char ret[18])
{
	(void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		       mac[2], mac[3], mac[4], mac[5]);
}

static void tell_link(struct clo_tracer *tracer,
		      const struct clo_trace_port *port, enum clo_drop drop,
		      bool to_guest)
{
	const uint8_t *mac = tracer->data + (to_guest ? 0 : 6);
	char key[48], text[18];
	bool own;

	(void)snprintf(key, sizeof(key), "%zu bytes", tracer->len);
	clo_trace_step(tracer, "frame", "Ethernet header", key, "%s",
		       drop ? clo_trace_reason(drop) : "accepted");
	if (drop || port->port.kind != CLO_PORT_TAP)
		return;
	mac_text(mac, text);
	own = memcmp(mac, port->port.mac, 6) == 0;
	clo_trace_step(tracer, "link layer",
		       to_guest ? "destination MAC" : "source MAC", text, "%s",
		       own ? "the endpoint's" : "not the endpoint's");
}

/* The headers as the decision reads them, for whoever writes them down. */
static void parse(struct clo_tracer *tracer, const struct clo_packet *packet)
{
	struct clo_frame *frame = &tracer->frame;
	enum clo_drop drop = clo_frame_link(packet, frame);

	if (!drop && !clo_frame_quick(packet, frame, &drop))
		drop = clo_frame_parse(packet, frame);
	tracer->parse_drop = drop;
}

/* Was the frame refused before anything behind its Ethernet header was read? */
static bool is_early(enum clo_drop drop)
{
	return drop == CLO_DROP_NO_ENDPOINT || drop == CLO_DROP_NO_POLICY ||
	       drop == CLO_DROP_VLAN || drop == CLO_DROP_SPOOFED_MAC ||
	       drop == CLO_DROP_RATE;
}

static void tell_outcome(struct clo_tracer *tracer, enum clo_drop drop,
			 const struct clo_outcome *outcome, uint8_t mode,
			 bool to_guest)
{
	uint32_t id = outcome->mark & ~CLO_MARK_KIND;
	const char *rule = clo_name_rule(tracer->compiled, outcome->rule);
	char key[32] = "passes", who[CLO_TRACE_WHO];

	if (drop) {
		(void)snprintf(key, sizeof(key), "%s", mode_name(mode));
		clo_trace_step(tracer, "verdict", "drop", key, "%s%s",
			       clo_trace_reason(drop),
			       mode == CLO_MODE_AUDIT
				       ? "; counted, and passes all the same"
				       : "");
		return;
	}
	if (outcome->answer)
		clo_trace_step(
			tracer, "verdict", "answer", key,
			"the guard answers for %s itself",
			clo_trace_who(tracer, outcome->endpoint[1], who));
	else if (to_guest)
		clo_trace_step(tracer, "verdict", "receive", key, "%s",
			       rule ? rule : "as approved");
	else if ((outcome->mark & CLO_MARK_KIND) == CLO_MARK_ENDPOINT)
		clo_trace_step(tracer, "verdict", "mark", key,
			       "approved for %s",
			       clo_trace_who(tracer, id, who));
	else if ((outcome->mark & CLO_MARK_KIND) == CLO_MARK_OUTSIDE)
		clo_trace_step(tracer, "verdict", "mark", key,
			       "approved to leave by segment %u", id);
	else if ((outcome->mark & CLO_MARK_KIND) == CLO_MARK_GROUP)
		clo_trace_step(tracer, "verdict", "mark", key,
			       "approved for the groups of segment %u", id);
	else
		clo_trace_step(tracer, "verdict", "mark", key,
			       "for each tap to judge");
}

enum clo_drop clo_trace_hook(struct clo_tracer *tracer,
			     struct clo_trace_port *port, bool to_guest,
			     uint32_t mark, struct clo_trace_pass *ret_pass,
			     struct clo_outcome *ret_outcome)
{
	const struct clo_view view = {tracer};
	struct clo_work work = {0};
	const struct clo_hook hook = {
		.view = &view,
		.work = &work,
		.port = port->port.kind == CLO_PORT_NONE ? NULL : &port->port,
		.epoch = tracer->live.epoch,
		.now = tracer->live.now,
		.ifindex = port->ifindex,
	};
	const struct clo_packet packet = {tracer->data,
					  tracer->data + tracer->len,
					  (__u32)tracer->len, 0};
	struct clo_frame frame;
	enum clo_drop drop;

	memset(ret_outcome, 0, sizeof(*ret_outcome));
	tracer->phase = NULL;
	tracer->tracked = false;
	tell_port(tracer, port, to_guest);
	parse(tracer, &packet);
	if (hook.port)
		tell_link(tracer, port, clo_frame_link(&packet, &frame),
			  to_guest);
	tracer->due = true;
	drop = to_guest ? clo_decide_to(&hook, &packet, mark, &frame,
					ret_outcome)
			: clo_decide_from(&hook, &packet, &frame, ret_outcome);
	if (is_early(drop) || tracer->len < CLO_ETH_LEN || mark)
		tracer->due = false;
	clo_trace_due(tracer);
	tell_outcome(tracer, drop, ret_outcome, port->port.mode, to_guest);

	*ret_pass = (struct clo_trace_pass){
		.ifindex = port->ifindex == CLO_TRACE_ELSEWHERE ? 0
								: port->ifindex,
		.to_guest = to_guest,
		.mark = mark,
		.mode = port->port.mode,
		.drop = drop,
		.rule = ret_outcome->rule,
		.opened = ret_outcome->opened,
		.tracked = tracer->tracked,
		.fragment = tracer->frame.frag != CLO_FRAG_NONE,
	};
	if (ret_outcome->opened) {
		ret_pass->family = work.flow.family;
		memcpy(&ret_pass->key, &work.flow.key, sizeof(ret_pass->key));
	}
	return drop;
}
