/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/gateway/connector.h"
#include "agent/gateway/rate.h"

/*
 * What all requests of the gateway share. It meets strangers: no key that
 * signs, no privilege, the log read-only. One thread for each connection.
 */
struct clo_gateway_options {
	const char *listen; /* ADDRESS:PORT; NULL: a socket of systemd's */
	const char *certificate, *key, *client_ca; /* PEM files */
	const char *revoked; /* PEM file of CRLs; NULL: none */
	const char *log; /* the node's log */
	const char *control; /* cloisond's socket */
	unsigned int connections; /* at most */
	unsigned int connections_each; /* of one address */
	unsigned int requests; /* of one client in a minute */
	unsigned int challenges; /* the same, of those that prove anew */
};

#define CLO_STREAMS 32 /* at once */
#define CLO_STREAMS_EACH 4 /* of one client */

enum clo_gateway_counter {
	CLO_COUNT_2XX,
	CLO_COUNT_4XX,
	CLO_COUNT_5XX,
	CLO_COUNT_LIMITED, /* answered 429 */
	CLO_COUNT_NOBODY, /* refused for want of a certificate */
	CLO_COUNT_CHALLENGES,
	CLO_COUNT_EVENTS, /* sent to streams */
	CLO_COUNTERS,
};

struct clo_gateway {
	const struct clo_gateway_options *options;
	struct clo_connector *connector;
	int stopping; /* eventfd: readable once the process ends */
	_Atomic uint64_t counters[CLO_COUNTERS];

	pthread_mutex_t lock; /* of what follows */
	struct clo_rate requests, challenges;
	uint64_t streams[CLO_STREAMS]; /* whose each is; 0: free */
};

/* May this client ask once more? */
bool clo_gateway_admit(struct clo_gateway *gateway, uint64_t client,
		       bool challenge);
/* Take a place for a stream: its index, or -EUSERS. */
int clo_gateway_stream_begin(struct clo_gateway *gateway, uint64_t client);
void clo_gateway_stream_end(struct clo_gateway *gateway, int place);
