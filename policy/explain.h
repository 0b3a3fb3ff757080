/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/compile.h"
#include "policy/prove.h"

/*
 * Values -> JSON that people and tools read. Returned objects are new
 * references; NULL only without memory. The shapes are what `cloison --json`
 * prints.
 */

/*
 * What would change: {"gained": [flow...], "lost": [flow...], "unchanged": n,
 * "counts": {"gained", "lost", "unchanged", "endpoints", "exceptions",
 * "idleRules", "settings"}, "folded": {"gained": [line...], "lost": [line...]},
 * "endpoints": [{"endpoint", "was", "is"}], "exceptions": [{"change":
 * "begins"|"changes"|"ends"|"expires", "exception", "control", "rules",
 * "inForce", "notBefore", "notAfter", "daysLeft"}], "idleRules": [{"change":
 * "added"|"removed", "rule"}], "settings": [{"of": "node"|"tenant NAME",
 * "member", "was", "is"}]}.
 * flow = {"from": identity name, "to": identity name, "service": class name,
 * "rule": full name}. line = {"from": [set...], "to": [set...], "services":
 * [...], "rule", "flows": how many it is the union of}, set as
 * clo_named_sets_name() has it or {"kind": "identity", "name", "before",
 * "after"}. Flows are compared by meaning (service ranges and identity names),
 * not by index; neighbouring services are one flow. `before` NULL: nothing is
 * in force. At most CLO_PLAN_MAX of each are listed; "omitted", absent where
 * there is none, counts the flows that are not listed, or not in a line.
 * An endpoint that comes or goes has null for what it was or is. A rule is idle
 * that comes or goes and that no flow gained or lost is by. `now` decides which
 * exceptions are in force and which expire soon.
 */
#define CLO_PLAN_MAX 10000
#define CLO_PLAN_SOON 2592000L /* seconds: 30 days */

json_t *clo_explain_plan(const struct clo_compiled *before,
			 const struct clo_compiled *after, time_t now);

/*
 * Tenant x environment matrix: {"scopes": ["acme/production", ..., "outside"],
 * "cells": [[{"allowed": verdicts, "forbidden": bool, "services": [names]}]]},
 * row = source scope, column = destination scope.
 */
json_t *clo_explain_matrix(const struct clo_compiled *compiled,
			   const struct clo_tables *tables);

/*
 * The judgement of one new flow on `tables` as if every endpoint were here:
 * clo_trace_by_fields() without a kernel. `from` and `to` are endpoint names
 * ("tenant/env/workload/0"), a workload name, or an address (at most one of
 * the two); `proto` is "tcp", "udp", "sctp", "icmp", "icmpv6", "esp", "ah",
 * "gre", "ipip", "ipv6" or a number. An endpoint of another tenant is judged
 * as the source's port would: its address in the source's space. On a bad
 * argument: NULL and reterr_text says which.
 */
json_t *clo_explain_trace(const struct clo_compiled *compiled,
			  const struct clo_tables *tables, const char *from,
			  const char *to, const char *proto, uint16_t number,
			  char reterr_text[160]);

/* "10.0.0.5 > 10.1.0.7 tcp/80", of a witness that has a family. */
#define CLO_PACKET_TEXT 136
void clo_explain_packet(const struct clo_witness *witness,
			char ret_text[CLO_PACKET_TEXT]);

/* {"invariant":, "control":, "from":, "to":, "service":, "rule":, "file":,
 * "line":, "packet": "10.0.0.5 > 10.1.0.7 tcp/80" or null, "excepted": bool} */
json_t *clo_explain_breach(const struct clo_compiled *compiled,
			   const struct clo_breach *breach);

/*
 * {"table":, "how": "missing"|"extra"|"changed", "index":, "from":, "to":,
 * "service":, "text": one line}; names null where it has no pair or class.
 */
json_t *clo_explain_difference(const struct clo_compiled *compiled,
			       const struct clo_tables *observed,
			       const struct clo_difference *difference);

/*
 * {"identities":, "pairs":, "classes":, "verdicts":, "allowed":, "breached":,
 * "excepted":, "invariants": [{"number", "name", "control", "verdict",
 * "forbidden", "broken", "gap": or null}], "breaches": [clo_explain_breach]}
 */
json_t *clo_explain_proof(const struct clo_compiled *compiled,
			  const struct clo_proof *proof);
