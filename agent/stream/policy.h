/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/sys/broker.h"

/*
 * From a KV bucket of the broker to the daemon: the value of this node's key,
 * a policy bundle, is handed over as it is. Nothing of it is believed or even
 * parsed here: the daemon verifies who signed it. Level-triggered: what
 * counts is what the key holds, not that it changed.
 */
struct clo_policy_in {
	const char *bucket; /* NULL: no policy comes from the broker */
	const char *key; /* the node, as a token: names.h */
	const char *socket; /* of the daemon */
	uint8_t done[32]; /* of what the daemon has decided last */
	bool any; /* there is such */
	char said[256]; /* what was logged last */
};

/*
 * Look at the key once. 0: it is decided, or there is none; -EAGAIN: to be
 * looked at again, and it is logged why; else an error of the broker's.
 */
int clo_policy_in_round(struct clo_policy_in *in, struct clo_broker *broker);
