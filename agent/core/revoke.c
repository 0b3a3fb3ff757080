/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/revoke.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/idle.h"
#include "agent/core/node.h"
#include "ebpf/lib/frame_type.h"
#include "policy/host_view.h"

#define TURN 5.0 /* ms in which the event loop does nothing else */

bool clo_revoke_is_due(const struct clo_node *node)
{
	const struct clo_revoke *revoke = &node->revoke;
	uint64_t epoch = clo_bpf_flip_last(node->bpf).epoch;

	return node->force && epoch &&
	       (revoke->epoch != epoch || !revoke->done);
}

/* What the service class hangs on, as the guards have it. */
static uint16_t number_of(uint8_t proto, uint16_t port)
{
	if (proto == IPPROTO_ICMP)
		return CLO_ICMP4_ECHO;
	return proto == IPPROTO_ICMPV6 ? CLO_ICMP6_ECHO : ntohs(port);
}

/* Do the tables allow it, between the endpoints that it began between? */
static bool is_allowed(const struct clo_tables *tables,
		       const struct clo_bpf_flow *flow)
{
	const struct clo_view view = {tables};
	const struct clo_conn *conn = &flow->conn;
	bool v4 = flow->family == 4;
	const uint8_t *addr[2] = {v4 ? flow->key.v4.lo : flow->key.v6.lo,
				  v4 ? flow->key.v4.hi : flow->key.v6.hi};
	const uint16_t *port = v4 ? flow->key.v4.port : flow->key.v6.port;
	uint32_t space_proto =
		v4 ? flow->key.v4.space_proto : flow->key.v6.space_proto;
	uint8_t proto = (uint8_t)space_proto;
	int from = conn->initiator & 1;
	struct clo_verdict verdict;
	struct clo_side side[2];

	for (int i = 0; i < 2; i++) {
		clo_judge_side(&view, space_proto >> 8, flow->family, addr[i],
			       &side[i]);
		if (side[i].endpoint != conn->endpoint[i])
			return false;
	}
	clo_judge_pair(&view, side[from].identity, side[!from].identity, proto,
		       number_of(proto, port[!from]), &verdict);
	return verdict.drop == CLO_DROP_NONE;
}

/* In quarantine the tables do not say what may pass: its guard does. */
static bool is_shut_in(const struct clo_node *node,
		       const struct clo_bpf_flow *flow)
{
	for (int i = 0; i < 2; i++) {
		const struct clo_tap *tap =
			node->inventory
				? clo_inventory_find(node->inventory,
						     flow->conn.ifindex[i])
				: NULL;

		if (tap && (tap->confined ||
			    (tap->interface &&
			     tap->interface->mode == CLO_MODE_QUARANTINE)))
			return true;
	}
	return false;
}

/* Of an epoch of before: it goes on with its next packet, or it ends now. */
static int walk_flow(struct clo_node *node, const struct clo_bpf_flow *flow)
{
	struct clo_revoke *revoke = &node->revoke;
	int r;

	revoke->walked++;
	if (flow->conn.epoch >= revoke->epoch)
		return 0;
	if (is_allowed(node->force->compiled->tables, flow) ||
	    is_shut_in(node, flow)) {
		revoke->kept++;
		return 0;
	}
	r = clo_bpf_flow_revoke(node->bpf, flow, revoke->epoch);
	if (r > 0)
		revoke->removed++;
	return r < 0 ? r : 0;
}

static int walk_slice(struct clo_node *node, struct clo_bpf_flow *flows)
{
	size_t n = 0;
	int r;

	r = clo_bpf_flows_slice(node->bpf, &node->revoke.cursor, flows, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = walk_flow(node, &flows[i]);
	return r;
}

static void finish(struct clo_revoke *revoke, double flipped)
{
	revoke->done = true;
	revoke->ms = clo_milliseconds() - flipped;
	revoke->at = time(NULL);
	clo_log(CLO_LOG_INFO,
		"no flow is left that the policy does not allow epoch=%llu "
		"walked=%llu kept=%llu ended=%llu ms=%.1f",
		(unsigned long long)revoke->epoch,
		(unsigned long long)revoke->walked,
		(unsigned long long)revoke->kept,
		(unsigned long long)revoke->removed, revoke->ms);
}

int clo_revoke_some(struct clo_node *node, double ms)
{
	struct clo_bpf_flip flip = clo_bpf_flip_last(node->bpf);
	struct clo_revoke *revoke = &node->revoke;
	CLO_AUTO_MEM struct clo_bpf_flow *flows = NULL;
	double end = clo_milliseconds() + ms;
	int r = 0;

	if (!clo_revoke_is_due(node))
		return 0;
	flows = calloc(CLO_BPF_SLICE, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	if (revoke->epoch != flip.epoch)
		*revoke = (struct clo_revoke){.epoch = flip.epoch};
	do
		r = walk_slice(node, flows);
	while (r == 0 && revoke->cursor.family && clo_milliseconds() < end);

	if (r == 0 && !revoke->cursor.family)
		finish(revoke, flip.at);
	if (r < 0) /* those entries die with their next packet */
		revoke->done = true;
	return r;
}

struct clo_revoker {
	struct clo_node *node;
	struct clo_idle *idle;
};

static bool is_due(void *userdata)
{
	const struct clo_revoker *revoker = userdata;

	return clo_revoke_is_due(revoker->node);
}

static void turn(void *userdata)
{
	struct clo_revoker *revoker = userdata;
	int r = clo_revoke_some(revoker->node, TURN);

	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r,
				    "the connection table was not walked");
}

int clo_revoker_new(struct sd_event *event, struct clo_node *node,
		    struct clo_revoker **ret_revoker)
{
	static const struct clo_idle_work work = {is_due, turn};
	struct clo_revoker *revoker = calloc(1, sizeof(*revoker));
	int r;

	if (!revoker)
		return -ENOMEM;
	revoker->node = node;
	r = clo_idle_new(event, &work, revoker, &revoker->idle);
	if (r < 0) {
		clo_revoker_free(revoker);
		return r;
	}

	*ret_revoker = revoker;
	return 0;
}

void clo_revoker_free(struct clo_revoker *revoker)
{
	if (!revoker)
		return;

	clo_idle_free(revoker->idle);
	free(revoker);
}
