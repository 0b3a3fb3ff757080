/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/fleet_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/base/file.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "agent/cli/verify_one.h"
#include "policy/prove_levels.h"

void clo_fleet_node_done(struct clo_fleet_node *node)
{
	clo_verify_policy_free(node->policy);
	free(node->name);
}

const char *clo_fleet_state_name(enum clo_fleet_state state)
{
	static const char *const names[] = {
		[CLO_FLEET_NODE_PROVED] = "PROVED",
		[CLO_FLEET_NODE_NOT_COVERED] = "NOT-COVERED",
		[CLO_FLEET_NODE_VIOLATED] = "VIOLATED",
	};

	return names[state];
}

/* Worse than what is known; the first reason of a kind stays. */
__attribute__((format(printf, 3, 4))) static void
worsen(struct clo_fleet_node *node, enum clo_fleet_state state, const char *fmt,
       ...)
{
	va_list args;

	if (state <= node->state)
		return;
	node->state = state;
	va_start(args, fmt);
	(void)vsnprintf(node->reason, sizeof(node->reason), fmt, args);
	va_end(args);
}

/* What is in force on the node, as it attests: its policy's tables. */
static void check_attestation(const struct clo_trust *trust, const char *text,
			      size_t len, struct clo_fleet_node *node)
{
	__attribute__((cleanup(
		clo_verify_result_done))) struct clo_verify_result result = {0};
	const struct clo_verify_request request = {
		.trust = trust,
		.options = {.now = time(NULL), .max_age = -1},
	};
	char reason[200];
	const json_t *predicate, *named;
	int r;

	clo_verify_one(&request, text, len, &result);
	predicate = json_object_get(result.statement, "predicate");
	named = json_object_get(json_object_get(predicate, "node"), "name");
	if (result.exit == CLO_VERIFY_NOT_AUTHENTIC || !predicate) {
		worsen(node, CLO_FLEET_NODE_NOT_COVERED,
		       "attestation.json is not authentic: %s", result.reason);
		return;
	}
	if (!json_object_get(predicate, "verdict") || result.stale) {
		worsen(node, CLO_FLEET_NODE_NOT_COVERED,
		       "attestation.json says nothing of now: %s",
		       result.reason);
		return;
	}
	if (!json_is_string(named) ||
	    strcmp(json_string_value(named), node->name) != 0) {
		worsen(node, CLO_FLEET_NODE_NOT_COVERED,
		       "attestation.json is of node %s",
		       clo_member_text(json_object_get(predicate, "node"),
				       "name"));
		return;
	}
	clo_time_format(result.time, node->time);
	r = clo_verify_policy_check(node->policy, result.statement, result.time,
				    reason);
	if (r == -EBADMSG)
		worsen(node, CLO_FLEET_NODE_VIOLATED, "what is in force is %s",
		       reason);
	else if (r < 0)
		worsen(node, CLO_FLEET_NODE_NOT_COVERED,
		       "the check itself failed: %s", strerrordesc_np(-r));
}

static int read_attestation(const struct clo_cli *cli, const char *path,
			    const struct clo_trust *trust,
			    struct clo_fleet_node *node)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;
	int r = clo_file_read(path, CLO_DSSE_MAX, &text, &len);

	if (r == -ENOENT) {
		worsen(node, CLO_FLEET_NODE_NOT_COVERED,
		       "there is no attestation.json");
		return CLO_EXIT_OK;
	}
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", path,
				strerrordesc_np(-r));
	check_attestation(trust, text, len, node);
	return CLO_EXIT_OK;
}

static int prove(const struct clo_cli *cli, struct clo_fleet_node *node)
{
	const struct clo_compiled *compiled =
		clo_verify_policy_compiled(node->policy);
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	char error[160] = "";
	int r;

	r = proof ? clo_prove_compiled(compiled, compiled->tables, proof, error)
		  : -ENOMEM;
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "%s: cannot prove: %s",
				node->name,
				error[0] ? error : strerrordesc_np(-r));
	if (proof->breached > proof->excepted)
		worsen(node, CLO_FLEET_NODE_VIOLATED,
		       "by itself it breaks %s: cloison prove tells more",
		       proof->breaches[0].invariant->name);
	return CLO_EXIT_OK;
}

static int read_policy(const struct clo_cli *cli, const char *path,
		       struct clo_fleet_node *node)
{
	const char *own;
	int code = clo_verify_policy_read(cli, path, &node->policy);

	if (code != CLO_EXIT_OK)
		return code;
	own = clo_verify_policy_compiled(node->policy)->policy->node.name;
	return strcmp(own, node->name) == 0
		       ? CLO_EXIT_OK
		       : clo_fail(cli, CLO_EXIT_USAGE,
				  "%s is the policy of node %s: its directory "
				  "must have that name",
				  path, own);
}

int clo_fleet_node_read(const struct clo_cli *cli, const char *root,
			const char *name, const struct clo_trust *trust,
			struct clo_fleet_node *ret_node)
{
	CLO_AUTO_MEM char *policy = NULL;
	CLO_AUTO_MEM char *attestation = NULL;
	int code;

	ret_node->name = strdup(name);
	if (!ret_node->name ||
	    asprintf(&policy, "%s/%s/policy", root, name) < 0 ||
	    asprintf(&attestation, "%s/%s/attestation.json", root, name) < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");

	code = read_policy(cli, policy, ret_node);
	if (code == CLO_EXIT_OK && trust)
		code = read_attestation(cli, attestation, trust, ret_node);
	return code == CLO_EXIT_OK ? prove(cli, ret_node) : code;
}
