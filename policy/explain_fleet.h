/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/fleet.h"

/*
 * {"views", "addresses", "pairs", "disagreements", "flows", "forbidden",
 * "breached", "excepted": counts of struct clo_fleet_proof, "conflicted":
 * addresses and workloads with two owners, "wires": uplinks of one name with
 * two scopes, "breaches": [{"invariant", "control", "from": {"node",
 * "endpoint"}, "to": the same, "wire": name or null, "packet", "rules": [{"node",
 * "rule", "file", "line"}: out, in], "excepted"}], "conflicts": [{"kind":
 * "address"|"label"|"wire", "what", "sides": [{"node", "owner",
 * "environment"}]}]}. A new reference; NULL without memory.
 */
json_t *clo_explain_fleet(const struct clo_fleet_member *members,
			  const struct clo_fleet_proof *proof);
