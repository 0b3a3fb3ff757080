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

static void put_names(FILE *out, const char *set, const char *const *names,
		      size_t n)
{
	(void)fprintf(out, "  set %s { type ifname;", set);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "%s \"%s\"", i ? "," : " elements = {",
			      names[i]);
	(void)fprintf(out, "%s }\n", n ? " }" : "");
}

static void put_ports(FILE *out, const uint32_t *ports, size_t n, bool *first)
{
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(out, "%s%u", *first ? "" : ", ", ports[i]);
		*first = false;
	}
}

/* "{ 3, 5 }"; nothing for none. */
static void put_elements(FILE *out, const char *before,
			 const struct clo_fence *fence, bool around_all)
{
	size_t n = fence->n_ports + (around_all ? fence->n_others : 0);
	bool first = true;

	if (n == 0)
		return;
	(void)fprintf(out, "%s{ ", before);
	put_ports(out, fence->ports, fence->n_ports, &first);
	if (around_all)
		put_ports(out, fence->others, fence->n_others, &first);
	(void)fputs(" }", out);
}

/* What comes in by a port, or leaves by one. */
static void put_chain(FILE *out, bool out_of, bool around_all)
{
	const char *side = out_of ? "o" : "i";

	(void)fprintf(out,
		      "  chain %s {\n"
		      "    type filter hook %s priority %d; policy accept;\n",
		      out_of ? "to_port" : "from_port",
		      out_of ? "postrouting" : "prerouting",
		      out_of ? 300 : -300);
	if (!out_of)
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
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	/* so that it can be deleted whether or not it was there */
	(void)fputs("table " TABLE "\ndelete table " TABLE "\n"
		    "table " TABLE " {\n",
		    out);
	put_names(out, "bridges", fence->bridges, fence->n_bridges);
	put_names(out, "uplinks", fence->uplinks, fence->n_uplinks);
	(void)fputs("  set ports { type iface_index;", out);
	put_elements(out, " elements = ", fence, around_all);
	(void)fputs(" }\n", out);
	put_chain(out, false, around_all);
	put_chain(out, true, around_all);
	(void)fputs("}\n", out);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}

	*ret_text = text;
	return 0;
}

/* The listing names an interface that it finds, and numbers the others. */
static uint32_t index_of(const json_t *element)
{
	const char *name = json_string_value(element);

	return name ? if_nametoindex(name)
		    : (uint32_t)json_integer_value(element);
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
		uint32_t index = index_of(element);

		if (index) /* else gone, and nothing can come from there */
			state->ports[state->n_ports++] = index;
	}
	qsort(state->ports, state->n_ports, sizeof(*state->ports), by_index);
	return 0;
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
		json_t *set = json_object_get(entry, "set");
		const char *name =
			json_string_value(json_object_get(set, "name"));

		(void)json_object_del(entry, "metainfo");
		if (!name || strcmp(name, "ports") != 0)
			continue;
		r = read_ports(json_object_get(set, "elem"), ret_state);
		if (r < 0)
			return r;
		(void)json_object_del(set, "elem");
	}
	ret_state->rules = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	return ret_state->rules ? 0 : -ENOMEM;
}

static int remember(struct clo_nft *nft, struct clo_fence_state *state)
{
	bool around_all = state->around_all;
	int r;

	clo_fence_state_done(state);
	r = read_state(nft, state);
	if (r < 0)
		clo_fence_state_done(state);
	state->around_all = around_all;
	return r;
}

static int apply_all(struct clo_nft *nft, const struct clo_fence *fence,
		     struct clo_fence_state *state)
{
	int r = -EOPNOTSUPP;

	for (int around_all = 0; around_all < 2 && r == -EOPNOTSUPP;
	     around_all++) {
		CLO_AUTO_MEM char *text = NULL;

		r = clo_fence_text(fence, around_all, &text);
		if (r < 0)
			return r;
		state->around_all = around_all;
		r = clo_nft_run(nft, text);
		/* what it says for an expression that it does not know */
		if (r == -ENOENT)
			r = -EOPNOTSUPP;
	}
	return r < 0 ? r : remember(nft, state);
}

/* Ports that are wanted: both lists together, ascending. */
static int merge(const struct clo_fence *fence, bool around_all,
		 uint32_t **ret_ports, size_t *ret_n)
{
	size_t n_others = around_all ? fence->n_others : 0;
	uint32_t *ports = calloc(fence->n_ports + n_others + 1, sizeof(*ports));
	size_t n = 0;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < fence->n_ports; i++)
		ports[n++] = fence->ports[i];
	for (size_t i = 0; i < n_others; i++)
		ports[n++] = fence->others[i];
	qsort(ports, n, sizeof(*ports), by_index);
	*ret_ports = ports;
	*ret_n = n;
	return 0;
}

static int apply_ports(struct clo_nft *nft, const struct clo_fence *fence,
		       struct clo_fence_state *state)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return -ENOMEM;
	(void)fputs("flush set " TABLE " ports\n", out);
	put_elements(out, "add element " TABLE " ports ", fence,
		     state->around_all);
	(void)fputc('\n', out);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = clo_nft_run(nft, text);
	return r;
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
	r = apply_ports(nft, fence, state);
	if (r < 0) /* somebody took it away, or changed it */
		return apply_all(nft, fence, state);
	free(state->ports);
	state->ports = CLO_TAKE(ports);
	state->n_ports = n;
	return 0;
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

int clo_fence_check(struct clo_nft *nft, const struct clo_fence_state *state,
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
	clo_fence_state_done(&found);
	return r;
}

int clo_fence_remove(struct clo_nft *nft)
{
	return clo_nft_run(nft, "delete table " TABLE "\n");
}
