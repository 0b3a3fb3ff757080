/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/trust.h"
#include "agent/cli/cli.h"
#include "agent/cli/verify_policy.h"

enum clo_fleet_state {
	CLO_FLEET_NODE_PROVED, /* by itself */
	CLO_FLEET_NODE_NOT_COVERED, /* nothing says what is in force there */
	CLO_FLEET_NODE_VIOLATED, /* by itself, or other tables are in force */
};

/* One node of a fleet: what its policy makes, and what was attested of it. */
struct clo_fleet_node {
	char *name; /* of its directory */
	struct clo_verify_policy *policy;
	enum clo_fleet_state state;
	char reason[200]; /* unless PROVED */
	char time[21]; /* of the attestation; "": none was asked for */
};

void clo_fleet_node_done(struct clo_fleet_node *node);

/*
 * `root`/`name`. trust NULL: nothing attested is asked for. CLO_EXIT_OK, else it
 * has been printed why: a policy with a flaw is no input.
 */
int clo_fleet_node_read(const struct clo_cli *cli, const char *root,
			const char *name, const struct clo_trust *trust,
			struct clo_fleet_node *ret_node);
/* "PROVED", ... */
const char *clo_fleet_state_name(enum clo_fleet_state state);
