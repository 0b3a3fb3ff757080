/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include <jansson.h>

#include "agent/base/auto.h"

/*
 * The control socket (agent/core/control.h). One request at a time per client;
 * a client that is slow, silent or hostile costs one slot for a bounded time.
 */
struct clo_server;

/*
 * Listen on `path`: replaced if a dead daemon left it, -EADDRINUSE if a live
 * one holds it. Mode 0660 and group CLO_CONTROL_GROUP where that group exists,
 * else 0600. `answer` gives the reply to one request; NULL closes the client.
 */
int clo_server_new(sd_event *event, const char *path,
		   json_t *(*answer)(const json_t *request, bool may_write,
				     void *userdata),
		   void *userdata, struct clo_server **ret_server);
/* Until this, clients may connect but wait for their first answer. */
int clo_server_start(struct clo_server *server);
void clo_server_free(struct clo_server *server);
CLO_DEFINE_FREEP(clo_server)
