/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/core/names.h"
#include "cloison/abi.h"

/*
 * One event of the datapath as a JSON object, for the flow log and for
 * `cloison monitor`:
 *   time        RFC 3339, UTC, with milliseconds
 *   kind        "new", "denied" or "ended"
 *   direction   "from_guest" or "to_guest", seen from `endpoint`
 *   tenant, environment, endpoint, peer   absent: outside, or not known
 *   ifindex     where it was judged
 *   family, protocol, source, destination, and sourcePort and
 *   destinationPort, or icmpType
 *   sourceMac, destinationMac   denied; and ethertype where there is no IP
 *   rule        full name of the rule that allowed it, null where the policy
 *               that did is not known any more; denied: the scope's built-in
 *               rule, "acme/production/default-deny"
 *   reason, text                denied: the drop's name and what it means
 *   audit       true: only counted, it passed
 *   durationMs, initiator, responder: {packets, bytes}   ended
 * `wall` is CLOCK_REALTIME less CLOCK_MONOTONIC, in ns. NULL without memory.
 */
json_t *clo_event_json(const struct clo_event *event,
		       const struct clo_names *names, int64_t wall);

/* "2026-01-02T03:04:05.678Z" */
#define CLO_TIME_MS 25
void clo_event_time(int64_t wall_ns, char ret_text[CLO_TIME_MS]);
/* Protocol: "tcp"; a number where it has no name here. New reference. */
json_t *clo_event_protocol(uint8_t proto);
/* Address of a family, "-" if it is neither 4 nor 6. New reference. */
json_t *clo_event_address(uint8_t family, const uint8_t *addr);

/* What a client wants to see; all that is given must match. */
struct clo_event_filter {
	json_t *request; /* a copy, holds the texts */
	const char *endpoint; /* either end; also a workload. NULL: any */
	const char *tenant; /* T or T/ENV, either end. NULL: any */
	int kind; /* enum clo_event_kind; -1: any */
	int reason; /* enum clo_drop; -1: any */
};

/*
 * Members endpoint, tenant, kind and reason of a request; each may be absent.
 * -EINVAL and one line in *reterr_text (static).
 */
int clo_event_filter_init(struct clo_event_filter *filter,
			  const json_t *request, const char **reterr_text);
void clo_event_filter_done(struct clo_event_filter *filter);
bool clo_event_filter_match(const struct clo_event_filter *filter,
			    const struct clo_event *event,
			    const struct clo_names *names);
/* Something that concerns this endpoint, whatever its kind. */
bool clo_event_filter_concerns(const struct clo_event_filter *filter,
			       const struct clo_endpoint_name *endpoint);
