/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include <jansson.h>

#include "agent/base/auto.h"
#include "agent/core/control.h"

/*
 * The control socket (agent/core/control.h). One request at a time per client;
 * a client that is slow, silent or hostile costs one slot for a bounded time.
 * A few clients may be streams: they say nothing more and are sent messages
 * until they leave; one that is slow loses messages (agent/core/queue.h).
 */
struct clo_server;
struct clo_client;

#define CLO_STREAMS_MAX 8 /* so that the other slots stay free for requests */

/*
 * Listen on `path`: replaced if a dead daemon left it, -EADDRINUSE if a live
 * one holds it. Mode 0660 and group CLO_CONTROL_GROUP where that group exists,
 * else 0600. `answer` gives the reply to one request; NULL closes the client.
 * It may make the client a stream, which begins with that reply.
 */
int clo_server_new(sd_event *event, const char *path,
		   json_t *(*answer)(struct clo_client *client,
				     const json_t *request,
				     enum clo_caller caller, void *userdata),
		   void *userdata, struct clo_server **ret_server);
/* Until this, clients may connect but wait for their first answer. */
int clo_server_start(struct clo_server *server);
void clo_server_free(struct clo_server *server);
CLO_DEFINE_FREEP(clo_server)

/*
 * Only within `answer`. `ended` is called once, when the client is gone, also
 * by clo_server_free(). -EBUSY: there are CLO_STREAMS_MAX already.
 */
int clo_client_stream(struct clo_client *client, void (*ended)(void *userdata),
		      void *userdata);
/* Queue one JSON object for a stream. Sends nothing yet, cannot fail. */
void clo_client_offer(struct clo_client *client, const char *text, size_t len);
