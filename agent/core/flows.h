/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/core/names.h"
#include "agent/sys/bpf.h"

#define CLO_FLOWS_MAX 1000 /* in one reply: those that spoke last */

/*
 * Tracked connections for `flows` (agent/core/control.h): {flows: [...], total,
 * matched}, the last seen first; sorts `flows`. `endpoint`: only those with an
 * end at or below it; NULL: all. `now` in coarse monotonic ns.
 */
json_t *clo_flows_json(struct clo_bpf_flow *flows, size_t n,
		       const struct clo_names *names, const char *endpoint,
		       uint64_t now);
