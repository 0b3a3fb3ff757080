/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include <jansson.h>

#include "agent/base/auto.h"
#include "agent/core/node.h"
#include "agent/core/server.h"

/*
 * Reads the events of this node's datapath, in the event loop, and hands them
 * to node->monitor: from there they go to the flow log in STATE/flows and to
 * the clients of `cloison monitor`.
 */
struct clo_observe;

/* Needs node->bpf and node->options; sets node->monitor. */
int clo_observe_new(sd_event *event, struct clo_node *node,
		    struct clo_observe **ret_observe);
/* After clo_server_free(): no client is left. node->monitor is NULL again. */
void clo_observe_free(struct clo_observe *observe);
CLO_DEFINE_FREEP(clo_observe)

/*
 * Requests "monitor" and "flows" (control.h); NULL: it is another one, or the
 * gateway's, which no flow is for.
 */
json_t *clo_observe_answer(struct clo_node *node, struct clo_client *client,
			   const json_t *request, enum clo_caller caller);
