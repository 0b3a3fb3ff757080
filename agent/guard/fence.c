/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/fence.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define TABLE "bridge cloison"
#define CONTROL "net.fail-closed"

void clo_fence_state_done(struct clo_fence_state *state)
{
	free(state->rules);
	free(state->ports);
	*state = (struct clo_fence_state){0};
}

/* Names that nftables can be told: it knows no way to write some. */
static bool is_writable(const char *name)
{
	return !strpbrk(name, "\"*\\");
}

static void put_names(FILE *out, const char *set, const char *const *names,
		      size_t n)
{
	size_t written = 0;

	(void)fprintf(out, "  set %s { type ifname;", set);
	for (size_t i = 0; i < n; i++)
		if (is_writable(names[i]))
			(void)fprintf(out, "%s \"%s\"",
				      written++ ? "," : " elements = {",
				      names[i]);
	(void)fprintf(out, "%s }\n", written ? " }" : "");
}

/* "{ 3, 5 }"; nothing for none. */
static void put_elements(FILE *out, const char *before,
			 const struct clo_fence *fence, bool around_all)
{
	size_t n_others = around_all ? fence->n_others : 0;

	for (size_t i = 0; i < fence->n_ports + n_others; i++)
		(void)fprintf(out, "%s%u", i ? ", " : before,
			      i < fence->n_ports
				      ? fence->ports[i]
				      : fence->others[i - fence->n_ports]);
	if (fence->n_ports + n_others)
		(void)fputs(" }", out);
}

/*
 * What passes no prerouting or postrouting, too: frames for link-local groups,
 * and what a bridge itself says (STP, queries for groups).
 */
static const struct chain {
	const char *name, *hook;
	int priority;
	bool out; /* it leaves by a port; else it came in by one */
} chains[] = {
	{"from_port", "prerouting", -300, false},
	{"from_port_to_node", "input", -300, false},
	{"to_port", "postrouting", 300, true},
	{"from_node_to_port", "output", 300, true},
};

static void put_chain(FILE *out, const struct chain *chain, bool around_all)
{
	const char *side = chain->out ? "o" : "i";

	(void)fprintf(out,
		      "  chain %s {\n"
		      "    type filter hook %s priority %d; policy accept;\n",
		      chain->name, chain->hook, chain->priority);
	if (!chain->out)
		(void)fputs("    meta mark != 0 accept\n", out);
	(void)fprintf(out,
		      "    %sif @ports accept\n"
		      "    %sifname @uplinks accept\n",
		      side, side);
	if (around_all)
		(void)fputs("    counter drop\n", out);
	else
		(void)fprintf(out, "    meta %sbrname @bridges counter drop\n",
			      side);
	(void)fputs("  }\n", out);
}

int clo_fence_text(const struct clo_fence *fence, bool around_all,
		   char **ret_text)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	for (size_t i = 0; !around_all && i < fence->n_bridges; i++)
		if (!is_writable(fence->bridges[i]))
			return -EOPNOTSUPP;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	/* so that it can be deleted whether or not it was there */
	(void)fputs("table " TABLE "\ndelete table " TABLE "\n"
		    "table " TABLE " {\n",
		    out);
	if (!around_all)
		put_names(out, "bridges", fence->bridges, fence->n_bridges);
	put_names(out, "uplinks", fence->uplinks, fence->n_uplinks);
	(void)fputs("  set ports { type iface_index;", out);
	put_elements(out, " elements = { ", fence, around_all);
	(void)fputs(" }\n", out);
	for (size_t i = 0; i < CLO_ARRAY_LEN(chains); i++)
		put_chain(out, &chains[i], around_all);
	(void)fputs("}\n", out);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}

	*ret_text = text;
	return 0;
}

/* The listing names an interface that it finds, and numbers the others. */
static int index_of(const json_t *element, uint32_t *ret_index)
{
	const json_t *more = json_object_get(element, "elem");

	if (more) /* it has a comment, say */
		element = json_object_get(more, "val");
	if (json_is_string(element))
		*ret_index = if_nametoindex(json_string_value(element));
	else if (json_is_integer(element))
		*ret_index = (uint32_t)json_integer_value(element);
	else
		return -EBADMSG;
	return 0;
}

static int by_index(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int read_ports(const json_t *elements, struct clo_fence_state *state)
{
	const json_t *element;
	size_t i;

	state->ports =
		calloc(json_array_size(elements) + 1, sizeof(*state->ports));
	if (!state->ports)
		return -ENOMEM;
	json_array_foreach (elements, i, element) {
		uint32_t index;
		int r = index_of(element, &index);

		if (r < 0)
			return r;
		if (index) /* else gone, and nothing can come from there */
			state->ports[state->n_ports++] = index;
	}
	qsort(state->ports, state->n_ports, sizeof(*state->ports), by_index);
	return 0;
}

/* Counts differ from look to look: not a part of the rules. */
static uint64_t take_counts(json_t *rule)
{
	uint64_t packets = 0;
	json_t *statement;
	size_t i;

	json_array_foreach (json_object_get(rule, "expr"), i, statement) {
		const json_t *counter = json_object_get(statement, "counter");

		if (!counter)
			continue;
		packets += (uint64_t)json_integer_value(
			json_object_get(counter, "packets"));
		(void)json_object_set_new(statement, "counter", json_null());
	}
	return packets;
}

/* What a table is made of, one by one; the rest of it are its rules. */
static int read_entry(json_t *entry, struct clo_fence_state *state)
{
	json_t *set = json_object_get(entry, "set");
	const char *name = json_string_value(json_object_get(set, "name"));
	int r = 0;

	(void)json_object_del(entry, "metainfo");
	state->dropped += take_counts(json_object_get(entry, "rule"));
	if (name && strcmp(name, "ports") == 0 && !state->ports) {
		r = read_ports(json_object_get(set, "elem"), state);
		(void)json_object_del(set, "elem");
	}
	return r;
}

/* The table as the kernel has it; -ENOENT. */
static int read_state(struct clo_nft *nft, struct clo_fence_state *ret_state)
{
	CLO_AUTO_MEM char *text = NULL;
	json_auto_t *root = NULL;
	const json_t *list;
	json_t *entry;
	size_t i;
	int r;

	r = clo_nft_list(nft, "list table " TABLE, &text);
	if (r < 0)
		return r;
	root = json_loads(text, 0, NULL);
	list = json_object_get(root, "nftables");
	if (!json_is_array(list))
		return -EBADMSG;
	json_array_foreach (list, i, entry) {
		r = read_entry(entry, ret_state);
		if (r < 0)
			return r;
	}
	ret_state->rules = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	return ret_state->rules ? 0 : -ENOMEM;
}

/* Ports that are wanted: both lists together, ascending, each once. */
static int merge(const struct clo_fence *fence, bool around_all,
		 uint32_t **ret_ports, size_t *ret_n)
{
	size_t n_all = fence->n_ports + (around_all ? fence->n_others : 0);
	uint32_t *ports = calloc(n_all + 1, sizeof(*ports));
	size_t n = 0;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < n_all; i++)
		ports[i] = i < fence->n_ports
				   ? fence->ports[i]
				   : fence->others[i - fence->n_ports];
	qsort(ports, n_all, sizeof(*ports), by_index);
	for (size_t i = 0; i < n_all; i++)
		if (n == 0 || ports[i] != ports[n - 1])
			ports[n++] = ports[i];
	*ret_ports = ports;
	*ret_n = n;
	return 0;
}

/*
 * nftables takes a number that is the name of an interface for that one. A
 * port with such a number stays cut off, and the check says so.
 */
static bool is_taken(uint32_t index)
{
	char digits[11];
	unsigned int named;

	(void)snprintf(digits, sizeof(digits), "%u", index);
	named = if_nametoindex(digits);
	return named != 0 && named != index;
}

/* The same fence with just these ports, as far as they can be told. */
static int narrow(const struct clo_fence *fence, const uint32_t *ports,
		  size_t n, struct clo_fence *ret_fence, uint32_t **ret_told)
{
	uint32_t *told = calloc(n + 1, sizeof(*told));

	if (!told)
		return -ENOMEM;
	*ret_fence = *fence;
	ret_fence->ports = told;
	ret_fence->n_ports = 0;
	ret_fence->n_others = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_taken(ports[i]))
			told[ret_fence->n_ports++] = ports[i];
	*ret_told = told;
	return 0;
}

/* The rules in the kernel's words; the ports that should be there. */
static int remember(struct clo_nft *nft, struct clo_fence_state *state,
		    uint32_t *ports, size_t n, bool around_all)
{
	struct clo_fence_state found = {0};
	int r = read_state(nft, &found);

	clo_fence_state_done(state);
	free(found.ports);
	found.ports = ports;
	found.n_ports = n;
	found.around_all = around_all;
	if (r < 0)
		clo_fence_state_done(&found);
	*state = found;
	return r;
}

static int apply_way(struct clo_nft *nft, const struct clo_fence *fence,
		     bool around_all, struct clo_fence_state *state)
{
	CLO_AUTO_MEM uint32_t *ports = NULL;
	CLO_AUTO_MEM uint32_t *told = NULL;
	CLO_AUTO_MEM char *text = NULL;
	struct clo_fence narrowed;
	size_t n = 0;
	int r;

	r = merge(fence, around_all, &ports, &n);
	if (r == 0)
		r = narrow(fence, ports, n, &narrowed, &told);
	if (r == 0)
		r = clo_fence_text(&narrowed, around_all, &text);
	if (r < 0)
		return r;
	r = clo_nft_run(nft, text);
	/* what it says for an expression that it does not know */
	if (r == -ENOENT)
		r = -EOPNOTSUPP;
	return r < 0 ? r : remember(nft, state, CLO_TAKE(ports), n, around_all);
}

static int apply_all(struct clo_nft *nft, const struct clo_fence *fence,
		     struct clo_fence_state *state)
{
	int r = apply_way(nft, fence, false, state);

	return r == -EOPNOTSUPP ? apply_way(nft, fence, true, state) : r;
}

static int apply_ports(struct clo_nft *nft, const struct clo_fence *fence,
		       const uint32_t *ports, size_t n)
{
	CLO_AUTO_MEM uint32_t *told = NULL;
	CLO_AUTO_MEM char *text = NULL;
	struct clo_fence narrowed;
	size_t len = 0;
	FILE *out;
	int r;

	r = narrow(fence, ports, n, &narrowed, &told);
	if (r < 0)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	(void)fputs("flush set " TABLE " ports\n", out);
	put_elements(out, "add element " TABLE " ports { ", &narrowed, false);
	(void)fputc('\n', out);
	if (fclose(out) != 0)
		return -ENOMEM;
	return clo_nft_run(nft, text);
}

int clo_fence_apply(struct clo_nft *nft, const struct clo_fence *fence,
		    struct clo_fence_state *state)
{
	CLO_AUTO_MEM uint32_t *ports = NULL;
	size_t n = 0;
	int r;

	if (!state->rules)
		return apply_all(nft, fence, state);
	r = merge(fence, state->around_all, &ports, &n);
	if (r < 0)
		return r;
	if (n == state->n_ports &&
	    (n == 0 || memcmp(ports, state->ports, n * sizeof(*ports)) == 0))
		return 0;
	r = apply_ports(nft, fence, ports, n);
	if (r < 0) /* somebody took it away: the audit says so, and renews it */
		return r;
	free(state->ports);
	state->ports = CLO_TAKE(ports);
	state->n_ports = n;
	return 0;
}

int clo_fence_begin(struct clo_nft *nft, const struct clo_fence *fence)
{
	struct clo_fence_state found = {0};
	struct clo_fence_state state = {0};
	struct clo_fence begun = *fence;
	int r;

	if (read_state(nft, &found) == 0) {
		begun.ports = found.ports;
		begun.n_ports = found.n_ports;
	}
	r = clo_fence_apply(nft, &begun, &state);
	clo_fence_state_done(&state);
	clo_fence_state_done(&found);
	return r;
}

static bool has(const struct clo_fence_state *state, uint32_t index)
{
	for (size_t i = 0; i < state->n_ports; i++)
		if (state->ports[i] == index)
			return true;
	return false;
}

static int compare_ports(const struct clo_fence_state *expected,
			 const struct clo_fence_state *found,
			 struct clo_findings *findings)
{
	char name[IF_NAMESIZE];
	int r = 0;

	for (size_t i = 0; r == 0 && i < found->n_ports; i++)
		if (!has(expected, found->ports[i]))
			r = clo_finding_add(
				findings, CONTROL, "fence",
				"lets %s through, which has no guard",
				if_indextoname(found->ports[i], name) ? name
								      : "?");
	for (size_t i = 0; r == 0 && i < expected->n_ports; i++)
		if (!has(found, expected->ports[i]) &&
		    if_indextoname(expected->ports[i], name))
			r = clo_finding_add(findings, CONTROL, "fence",
					    "cuts %s off, which has a guard",
					    name);
	return r;
}

int clo_fence_check(struct clo_nft *nft, struct clo_fence_state *state,
		    struct clo_findings *findings)
{
	struct clo_fence_state found = {0};
	int r;

	if (!state->rules)
		return clo_finding_add(findings, CONTROL, "fence",
				       "is not there: the kernel has no "
				       "nftables for bridges, or refused it");
	r = read_state(nft, &found);
	if (r == -ENOENT)
		r = clo_finding_add(findings, CONTROL, "fence",
				    "is gone: a port without a guard is open");
	else if (r < 0 && r != -ENOMEM)
		r = clo_finding_add(findings, CONTROL, "fence",
				    "cannot be read: %s", strerrordesc_np(-r));
	else if (r == 0 && strcmp(found.rules, state->rules) != 0)
		r = clo_finding_add(findings, CONTROL, "fence",
				    "has other rules than were put there");
	else if (r == 0)
		r = compare_ports(state, &found, findings);
	state->dropped = found.dropped;
	clo_fence_state_done(&found);
	return r;
}

int clo_fence_remove(struct clo_nft *nft)
{
	return clo_nft_run(nft, "delete table " TABLE "\n");
}
