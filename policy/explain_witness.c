/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "agent/base/hex.h"
#include "policy/explain.h"
#include "policy/explain_prove.h"

/* Whoever is outside is seen behind a router. */
static const uint8_t router_mac[6] = {0x02, 0, 0, 0, 0, 1};

static const uint8_t *mac_of(const struct clo_policy *policy, uint32_t endpoint)
{
	for (size_t w = 0; endpoint && w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++)
			if (workload->interfaces[i].endpoint == endpoint)
				return workload->interfaces[i].mac;
	}
	return router_mac;
}

static void mac_text(const uint8_t mac[6], char text[18])
{
	(void)snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		       mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* As they stand in the frame, so that nothing is told that was not built. */
static json_t *fields(const struct clo_witness_frame *frame)
{
	const uint8_t *ip = frame->bytes + 14;
	bool v4 = ip[0] >> 4 == 4;
	const uint8_t *l4 = ip + (v4 ? 20 : 40);
	int family = v4 ? AF_INET : AF_INET6;
	uint8_t proto = v4 ? ip[9] : ip[6];
	char src[INET6_ADDRSTRLEN] = "";
	char dst[INET6_ADDRSTRLEN] = "";
	char macs[2][18];
	json_t *all;

	mac_text(frame->bytes, macs[0]);
	mac_text(frame->bytes + 6, macs[1]);
	(void)inet_ntop(family, ip + (v4 ? 12 : 8), src, sizeof(src));
	(void)inet_ntop(family, ip + (v4 ? 16 : 24), dst, sizeof(dst));
	all = json_pack("{s:s, s:s, s:s, s:s, s:i}", "sourceMac", macs[1],
			"destinationMac", macs[0], "source", src, "destination",
			dst, "protocol", proto);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		(void)json_object_set_new(all, "type", json_integer(l4[0]));
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP &&
	    proto != IPPROTO_SCTP)
		return all;
	(void)json_object_set_new(all, "sourcePort",
				  json_integer(l4[0] << 8 | l4[1]));
	(void)json_object_set_new(all, "destinationPort",
				  json_integer(l4[2] << 8 | l4[3]));
	return all;
}

static const char *reason_of(enum clo_replay replay)
{
	static const char *const reasons[] = {
		[CLO_REPLAY_PASSES] = "the frame is let through",
		[CLO_REPLAY_UNREACHED] =
			"allowed, but in the sender's space no frame asks",
		[CLO_REPLAY_DIFFERS] =
			"the decision code does not say what the proof says",
	};

	return reasons[replay];
}

/* What was asked about: the kernel's tables, or those that would go there. */
static const struct clo_tables *tables_of(const struct clo_proving *proving)
{
	return proving->observed ? proving->observed
				 : proving->compiled->tables;
}

/* The tap's own program has the last word. */
static const char *ask_attached(const struct clo_proving *proving,
				const struct clo_breach *breach,
				const struct clo_witness_frame *frame,
				enum clo_replay *replay,
				const char **ret_reason)
{
	bool passes = false;

	if (!proving->attached ||
	    proving->attached(proving->userdata, breach->witness.src_endpoint,
			      frame->bytes, frame->len, &passes) < 0)
		return NULL;
	if (passes && *replay == CLO_REPLAY_UNREACHED) {
		*replay = CLO_REPLAY_PASSES;
		*ret_reason = "the attached program lets the frame through";
	} else if (!passes && *replay == CLO_REPLAY_PASSES) {
		*replay = CLO_REPLAY_DIFFERS;
		*ret_reason = "the tables let the frame through and the "
			      "attached program drops it";
	}
	return passes ? "passes" : "drops";
}

json_t *clo_explain_frame(const struct clo_policy *policy,
			  const struct clo_witness *witness,
			  struct clo_witness_frame *ret_frame)
{
	const uint8_t *src = mac_of(policy, witness->src_endpoint);
	const uint8_t *dst = mac_of(policy, witness->dst_endpoint);
	char hex[2 * CLO_WITNESS_FRAME_MAX + 1];
	char scapy[CLO_SCAPY_MAX];

	clo_witness_build(witness, src, dst, ret_frame);
	clo_witness_scapy(witness, src, dst, scapy);
	clo_hex_encode(ret_frame->bytes, ret_frame->len, hex);
	return json_pack("{s:o, s:s, s:s}", "fields", fields(ret_frame), "hex",
			 hex, "scapy", scapy);
}

static json_t *replay_frame(const struct clo_proving *proving,
			    const struct clo_breach *breach,
			    enum clo_replay *ret_replay)
{
	struct clo_witness_frame frame;
	json_t *told = clo_explain_frame(proving->compiled->policy,
					 &breach->witness, &frame);
	const char *attached;
	const char *reason;

	*ret_replay = clo_witness_replay(tables_of(proving), breach, &frame);
	reason = reason_of(*ret_replay);
	attached = ask_attached(proving, breach, &frame, ret_replay, &reason);
	(void)json_object_update_new(
		told, json_pack("{s:s, s:s?, s:s}", "replay",
				clo_replay_text(*ret_replay), "attached",
				attached, "reason", reason));
	return told;
}

json_t *clo_explain_witness(const struct clo_proving *proving,
			    const struct clo_breach *breach,
			    enum clo_replay *ret_replay)
{
	json_auto_t *told = clo_explain_breach(proving->compiled, breach);
	json_auto_t *more = NULL;

	if (breach->witness.family) {
		more = replay_frame(proving, breach, ret_replay);
	} else {
		*ret_replay = CLO_REPLAY_UNREACHED;
		more = json_pack("{s:n, s:n, s:n, s:s, s:n, s:s}", "fields",
				 "hex", "scapy", "replay",
				 clo_replay_text(*ret_replay), "attached",
				 "reason", "no packet can have these two ends");
	}
	return json_object_update(told, more) < 0 ? NULL : json_incref(told);
}
