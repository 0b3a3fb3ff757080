/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/prove_fleet.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/clock.h"
#include "agent/cli/fleet_node.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"
#include "agent/cli/verify_one.h"
#include "policy/explain_fleet.h"

struct fleet {
	struct clo_fleet_node *nodes;
	size_t n;
	struct clo_trust *trust; /* NULL: of the policies alone */
	struct clo_fleet_member *members;
	struct clo_fleet_proof *proof;
	enum clo_fleet_state state;
	double ms; /* that the pairs took */
};

static void fleet_done(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		clo_fleet_node_done(&fleet->nodes[i]);
	free(fleet->nodes);
	clo_trust_free(fleet->trust);
	free(fleet->members);
	free(fleet->proof);
}

static int is_node(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_directory(const char *root, const char *name)
{
	CLO_AUTO_MEM char *path = NULL;
	struct stat st;

	return asprintf(&path, "%s/%s", root, name) >= 0 &&
	       stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_listed(const struct clo_cli *cli, const char *root,
		       struct dirent **names, size_t n, struct fleet *fleet)
{
	int code = CLO_EXIT_OK;

	if (n > CLO_FLEET_MEMBERS_MAX)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s has more than %u nodes", root,
				CLO_FLEET_MEMBERS_MAX);
	fleet->nodes = calloc(n + 1, sizeof(*fleet->nodes));
	if (!fleet->nodes)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	for (size_t i = 0; i < n && code == CLO_EXIT_OK; i++) {
		if (is_directory(root, names[i]->d_name))
			code = clo_fleet_node_read(cli, root, names[i]->d_name,
						   fleet->trust,
						   &fleet->nodes[fleet->n++]);
	}
	if (code == CLO_EXIT_OK && fleet->n == 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s has no directory of a node", root);
	return code;
}

static int read_nodes(const struct clo_cli *cli, const char *root,
		      struct fleet *fleet)
{
	struct dirent **names = NULL;
	int n = scandir(root, &names, is_node, by_name);
	int code;

	if (n < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s", root,
				strerrordesc_np(errno));
	code = read_listed(cli, root, names, (size_t)n, fleet);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return code;
}

static int prove(const struct clo_cli *cli, struct fleet *fleet)
{
	double begin = clo_milliseconds();
	int r = -ENOMEM;

	fleet->members = calloc(fleet->n + 1, sizeof(*fleet->members));
	fleet->proof = calloc(1, sizeof(*fleet->proof));
	for (size_t i = 0; fleet->members && i < fleet->n; i++)
		fleet->members[i] = (struct clo_fleet_member){
			fleet->nodes[i].name,
			clo_verify_policy_compiled(fleet->nodes[i].policy),
		};
	if (fleet->members && fleet->proof)
		r = clo_fleet_prove(fleet->members, fleet->n, fleet->proof);
	fleet->ms = clo_milliseconds() - begin;
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "cannot prove: %s",
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

/* The worst of the nodes and of what they do together. */
static void conclude(struct fleet *fleet)
{
	const struct clo_fleet_proof *proof = fleet->proof;

	if (proof->conflicts[CLO_FLEET_WIRE])
		fleet->state = CLO_FLEET_NODE_NOT_COVERED;
	for (size_t i = 0; i < fleet->n; i++) {
		if (fleet->nodes[i].state > fleet->state)
			fleet->state = fleet->nodes[i].state;
	}
	if (proof->breached > proof->excepted ||
	    proof->conflicts[CLO_FLEET_ADDRESS] ||
	    proof->conflicts[CLO_FLEET_LABEL])
		fleet->state = CLO_FLEET_NODE_VIOLATED;
}

static json_t *nodes_json(const struct fleet *fleet)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < fleet->n; i++) {
		const struct clo_fleet_node *node = &fleet->nodes[i];

		(void)json_array_append_new(
			nodes,
			json_pack(
				"{s:s, s:s, s:s?, s:s?}", "node", node->name,
				"verdict", clo_fleet_state_name(node->state),
				"reason", node->reason[0] ? node->reason : NULL,
				"attested", node->time[0] ? node->time : NULL));
	}
	return nodes;
}

static json_t *fleet_json(const struct fleet *fleet)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:f}", "verdict",
			 clo_fleet_state_name(fleet->state), "of",
			 fleet->trust ? "tables in force" : "policies", "nodes",
			 nodes_json(fleet), "union",
			 clo_explain_fleet(fleet->members, fleet->proof), "ms",
			 fleet->ms);
}

static void print_breach(const struct clo_cli *cli, const json_t *breach)
{
	const json_t *from = json_object_get(breach, "from");
	const json_t *to = json_object_get(breach, "to");
	const json_t *rules = json_object_get(breach, "rules");
	const json_t *wire = json_object_get(breach, "wire");

	clo_report_label(json_is_true(json_object_get(breach, "excepted"))
				 ? "excepted"
				 : "breach");
	clo_color_print(cli, CLO_COLOR_BAD,
			clo_member_text(breach, "invariant"));
	(void)fputs(": ", stdout);
	clo_text_print(stdout, clo_member_text(from, "endpoint"));
	(void)fputs(" on ", stdout);
	clo_text_print(stdout, clo_member_text(from, "node"));
	(void)fputs(" > ", stdout);
	clo_text_print(stdout, clo_member_text(to, "endpoint"));
	(void)fputs(" on ", stdout);
	clo_text_print(stdout, clo_member_text(to, "node"));
	(void)putchar('\n');

	clo_report_line("  packet", clo_member_text(breach, "packet"));
	if (json_is_string(wire))
		clo_report_line("  by the wire", json_string_value(wire));
	for (size_t i = 0; i < 2; i++) {
		const json_t *rule = json_array_get(rules, i);

		clo_report_line(i ? "  let in by" : "  let out by",
				clo_member_text(rule, "rule"));
	}
}

static void print_conflict(const json_t *conflict)
{
	const json_t *sides = json_object_get(conflict, "sides");

	clo_report_label(clo_member_text(conflict, "kind"));
	clo_text_print(stdout, clo_member_text(conflict, "what"));
	for (size_t i = 0; i < 2; i++) {
		const json_t *side = json_array_get(sides, i);
		const char *environment =
			json_string_value(json_object_get(side, "environment"));

		(void)fputs(i ? ", but of " : " is of ", stdout);
		clo_text_print(stdout, clo_member_text(side, "owner"));
		if (environment) {
			(void)putchar('/');
			clo_text_print(stdout, environment);
		}
		(void)fputs(" on ", stdout);
		clo_text_print(stdout, clo_member_text(side, "node"));
	}
	(void)putchar('\n');
}

static void print_text(const struct clo_cli *cli, const struct fleet *fleet,
		       const json_t *result)
{
	const json_t *both = json_object_get(result, "union");
	const json_t *item;
	size_t i;

	for (i = 0; i < fleet->n; i++) {
		const struct clo_fleet_node *node = &fleet->nodes[i];
		const char *verdict = clo_fleet_state_name(node->state);

		clo_report_label(node->name);
		clo_color_print(cli, clo_color_of(verdict), verdict);
		if (node->reason[0])
			(void)fputs(": ", stdout);
		clo_text_print(stdout, node->reason);
		if (node->time[0])
			(void)printf(" (attested %s)", node->time);
		(void)putchar('\n');
	}
	clo_report_label("union");
	(void)printf("%ju pairs of nodes, %ju addresses, %ju disagreements, "
		     "%ju flows between them, %.1f ms\n",
		     (uintmax_t)fleet->proof->pairs,
		     (uintmax_t)fleet->proof->addresses,
		     (uintmax_t)fleet->proof->disagreements,
		     (uintmax_t)fleet->proof->flows, fleet->ms);
	json_array_foreach (json_object_get(both, "breaches"), i, item)
		print_breach(cli, item);
	json_array_foreach (json_object_get(both, "conflicts"), i, item)
		print_conflict(item);
	clo_report_label("result");
	clo_color_print(cli, clo_color_of(clo_fleet_state_name(fleet->state)),
			clo_fleet_state_name(fleet->state));
	(void)puts(fleet->trust ? "" : " (of the policies, in force or not)");
}

int clo_prove_fleet(const struct clo_cli *cli, const char *dir,
		    const char *trust)
{
	static const enum clo_exit exits[] = {
		[CLO_FLEET_NODE_PROVED] = CLO_EXIT_OK,
		[CLO_FLEET_NODE_NOT_COVERED] = CLO_EXIT_INCONCLUSIVE,
		[CLO_FLEET_NODE_VIOLATED] = CLO_EXIT_REFUSED,
	};
	__attribute__((cleanup(fleet_done))) struct fleet fleet = {0};
	json_auto_t *result = NULL;
	int code = CLO_EXIT_OK;

	if (trust)
		code = clo_verify_trust(cli, trust, &fleet.trust);
	if (code == CLO_EXIT_OK)
		code = read_nodes(cli, dir, &fleet);
	if (code == CLO_EXIT_OK)
		code = prove(cli, &fleet);
	if (code != CLO_EXIT_OK)
		return code;

	conclude(&fleet);
	result = fleet_json(&fleet);
	if (!result)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	if (cli->json)
		(void)clo_json_print(result);
	else
		print_text(cli, &fleet, result);
	return (int)exits[fleet.state];
}
