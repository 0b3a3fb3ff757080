/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/gateway.h"

#include <errno.h>

#include "agent/base/clock.h"

bool clo_gateway_admit(struct clo_gateway *gateway, uint64_t client,
		       bool challenge)
{
	const unsigned int per_minute = challenge ? gateway->options->challenges
						  : gateway->options->requests;
	const struct clo_rate_limit limit = {
		.burst = per_minute < 10 ? per_minute : 10 + per_minute / 10,
		.per_minute = per_minute,
	};
	bool admitted;

	(void)pthread_mutex_lock(&gateway->lock);
	admitted = clo_rate_take(challenge ? &gateway->challenges
					   : &gateway->requests,
				 &limit, client, (int64_t)clo_milliseconds());
	(void)pthread_mutex_unlock(&gateway->lock);
	return admitted;
}

static int find_place(struct clo_gateway *gateway, uint64_t client)
{
	int place = -EUSERS;
	int own = 0;

	for (int i = 0; i < CLO_STREAMS; i++) {
		own += gateway->streams[i] == client;
		if (gateway->streams[i] == 0)
			place = i;
	}
	return own < CLO_STREAMS_EACH ? place : -EUSERS;
}

int clo_gateway_stream_begin(struct clo_gateway *gateway, uint64_t client)
{
	int place;

	(void)pthread_mutex_lock(&gateway->lock);
	place = find_place(gateway, client);
	if (place >= 0)
		gateway->streams[place] = client;
	(void)pthread_mutex_unlock(&gateway->lock);
	return place;
}

void clo_gateway_stream_end(struct clo_gateway *gateway, int place)
{
	(void)pthread_mutex_lock(&gateway->lock);
	gateway->streams[place] = 0;
	(void)pthread_mutex_unlock(&gateway->lock);
}
