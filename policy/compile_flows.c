/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/compile_build.h"

/*
 * Rules between the same two peers form a bundle. The bundles that apply to a
 * pair of identities decide its row; there are far fewer distinct lists of
 * bundles than pairs, and fewer distinct rows still.
 */
#define PAIRS_MAX ((size_t)1 << 24)
#define STEPS_MAX ((size_t)1 << 30) /* (bundle, pair) met in all */

struct flows {
	struct clo_lists bundle_keys; /* {from peer, to peer} */
	struct clo_index bundles; /* from peer -> bundles */
	struct clo_index bundle_rules; /* bundle -> rules, ascending */
	struct clo_index members; /* peer -> identities */
	struct clo_index peers; /* identity -> peers */
	struct clo_lists lists; /* of bundles */
	uint32_t *rows; /* by list: row + 1; 0: not known yet */
	size_t n_rows, cap_rows;
	struct clo_build_row row; /* under way */
	struct clo_edges met; /* one source: (destination, bundle) */
	size_t steps;
};

static void done(struct flows *flows)
{
	clo_lists_done(&flows->bundle_keys);
	clo_index_done(&flows->bundles);
	clo_index_done(&flows->bundle_rules);
	clo_index_done(&flows->members);
	clo_index_done(&flows->peers);
	clo_lists_done(&flows->lists);
	clo_edges_done(&flows->met);
	free(flows->rows);
	clo_build_row_done(&flows->row);
}

static int bundle_rules(struct clo_build *build, struct flows *flows)
{
	struct clo_edges from = {0};
	struct clo_edges rules = {0};
	int r = 0;

	for (uint32_t i = 1; i < build->n_rules && r == 0; i++) {
		const uint32_t key[] = {build->rules[i].from,
					build->rules[i].to};
		size_t n_before = flows->bundle_keys.n;
		uint32_t bundle;

		if (!key[0])
			continue;
		r = clo_lists_intern(&flows->bundle_keys, key, 2, &bundle);
		if (r == 0 && flows->bundle_keys.n > n_before)
			r = clo_edges_add(&from, key[0], bundle);
		if (r == 0)
			r = clo_edges_add(&rules, bundle, i);
	}
	if (r == 0)
		r = clo_index_init(&flows->bundles, &from,
				   (uint32_t)build->peers.n);
	if (r == 0)
		r = clo_index_init(&flows->bundle_rules, &rules,
				   (uint32_t)flows->bundle_keys.n);
	clo_edges_done(&from);
	clo_edges_done(&rules);
	return r;
}

static int join(struct clo_edges *joined, uint32_t identity, uint32_t peer)
{
	return peer ? clo_edges_add(joined, identity, peer) : 0;
}

static int join_endpoints(struct clo_build *build, uint32_t index,
			  struct clo_edges *joined)
{
	const struct clo_build_identity *identity = &build->identities[index];
	uint32_t environment = identity->entry.environment;
	const uint32_t *items;
	size_t n;
	int r;

	r = join(joined, index,
		 clo_build_peer(build, CLO_PEER_SEGMENT, identity->tenant,
				environment, identity->segment));
	items = clo_lists_get(&build->keys, identity->key, &n);
	for (uint32_t i = 0; i < items[3] && r == 0; i++)
		r = join(joined, index,
			 clo_build_peer(build, CLO_PEER_GROUP, identity->tenant,
					environment, items[4 + i]));
	items = clo_lists_get(&build->lists, identity->sets, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = join(joined, index,
			 clo_build_peer(build, CLO_PEER_CIDR, identity->tenant,
					environment, items[i]));
	return r;
}

/* An address outside is what the rules of every scope mean by its sets. */
static int join_external(struct clo_build *build,
			 const struct clo_index *set_peers, uint32_t index,
			 struct clo_edges *joined)
{
	size_t n;
	const uint32_t *sets =
		clo_lists_get(&build->lists, build->identities[index].sets, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		size_t n_peers;
		const uint32_t *peers =
			clo_index_get(set_peers, sets[i], &n_peers);

		for (size_t p = 0; p < n_peers && r == 0; p++)
			r = clo_edges_add(joined, index, peers[p]);
	}
	return r;
}

static int join_all(struct clo_build *build, struct clo_edges *joined)
{
	struct clo_index set_peers = {0};
	int r;

	r = clo_index_init(&set_peers, &build->set_peers,
			   (uint32_t)build->set_keys.n);
	for (uint32_t i = 1; i < build->n_identities && r == 0; i++) {
		if (build->identities[i].entry.kind == CLO_IDENTITY_ENDPOINTS)
			r = join_endpoints(build, i, joined);
		else
			r = join_external(build, &set_peers, i, joined);
	}
	clo_index_done(&set_peers);
	return r;
}

static int index_members(struct clo_build *build, struct flows *flows)
{
	struct clo_edges joined = {0};
	int r;

	r = join_all(build, &joined);
	if (r == 0)
		r = clo_index_init(&flows->peers, &joined, build->n_identities);
	for (size_t i = 0; i < joined.n; i++)
		joined.edges[i] = (struct clo_edge){joined.edges[i].to,
						    joined.edges[i].from};
	if (r == 0)
		r = clo_index_init(&flows->members, &joined,
				   (uint32_t)build->peers.n);
	clo_edges_done(&joined);
	return r;
}

/* row + 1, or 0 if the bundles' rules set no bit. */
static int make_row(struct clo_build *build, struct flows *flows, uint32_t list,
		    uint32_t *ret_row)
{
	const uint32_t *bundles;
	size_t n;

	clo_build_row_clear(&flows->row);
	bundles = clo_lists_get(&flows->lists, list, &n);
	for (size_t b = 0; b < n; b++) {
		size_t n_rules;
		const uint32_t *rules = clo_index_get(&flows->bundle_rules,
						      bundles[b], &n_rules);

		for (size_t i = 0; i < n_rules; i++)
			clo_build_row_add(build, &flows->row, rules[i]);
	}
	return clo_build_row_end(build, &flows->row, ret_row);
}

static int order_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

/* Lists are met in any order of their bundles: sort, then they are equal. */
static int find_row(struct clo_build *build, struct flows *flows,
		    uint32_t *bundles, size_t n, uint32_t *ret_row)
{
	uint32_t *moved;
	uint32_t list;
	int r;

	if (n > 1)
		qsort(bundles, n, sizeof(*bundles), order_numbers);
	r = clo_lists_intern(&flows->lists, bundles, n, &list);
	if (r < 0)
		return r;
	if (list < flows->n_rows) {
		*ret_row = flows->rows[list];
		return 0;
	}

	assert(list == flows->n_rows);
	moved = clo_array_room(flows->rows, list, &flows->cap_rows,
			       sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	flows->rows = moved;
	r = make_row(build, flows, list, &flows->rows[list]);
	if (r == -E2BIG)
		return clo_build_refuse(build, "the rules make too many "
					       "different rows of the matrix");
	if (r < 0)
		return r;
	flows->n_rows++;
	*ret_row = flows->rows[list];
	return 0;
}

struct pair_entry {
	struct clo_pair pair;
	uint32_t row;
};

static int add_pair(struct clo_build *build, uint32_t src, uint32_t dst,
		    uint32_t row)
{
	struct pair_entry *moved;

	if (build->pairs.n == PAIRS_MAX)
		return clo_build_refuse(build, "the rules allow flows between "
					       "too many pairs of identities");
	moved = clo_array_room(build->pairs.entries, build->pairs.n,
			       &build->cap_pairs, sizeof(*moved));
	if (!moved)
		return -ENOMEM;

	build->pairs.entries = (uint8_t *)moved;
	moved[build->pairs.n++] = (struct pair_entry){{src, dst}, row};
	return 0;
}

/* Meet every destination that a bundle from this source reaches. */
static int meet(struct clo_build *build, struct flows *flows, uint32_t src,
		uint32_t bundle)
{
	size_t n;
	const uint32_t *ends = clo_lists_get(&flows->bundle_keys, bundle, &n);
	const uint32_t *members = clo_index_get(&flows->members, ends[1], &n);
	bool outside =
		build->identities[src].entry.kind != CLO_IDENTITY_ENDPOINTS;
	int r = 0;

	flows->steps += n;
	if (flows->steps > STEPS_MAX)
		return clo_build_refuse(build, "the rules' groups overlap too "
					       "much");
	for (size_t i = 0; i < n && r == 0; i++) {
		if (outside && build->identities[members[i]].entry.kind !=
				       CLO_IDENTITY_ENDPOINTS)
			continue;
		r = clo_edges_add(&flows->met, members[i], bundle);
	}
	return r;
}

static int meet_all(struct clo_build *build, struct flows *flows, uint32_t src)
{
	size_t n_peers;
	const uint32_t *peers = clo_index_get(&flows->peers, src, &n_peers);
	int r = 0;

	flows->met.n = 0;
	for (size_t p = 0; p < n_peers && r == 0; p++) {
		size_t n;
		const uint32_t *bundles =
			clo_index_get(&flows->bundles, peers[p], &n);

		for (size_t b = 0; b < n && r == 0; b++)
			r = meet(build, flows, src, bundles[b]);
	}
	return r;
}

static int add_source(struct clo_build *build, struct flows *flows,
		      uint32_t src)
{
	struct clo_index by_dst = {0};
	int r;

	r = meet_all(build, flows, src);
	if (r < 0 || flows->met.n == 0)
		return r;
	r = clo_index_init(&by_dst, &flows->met, build->n_identities);

	for (uint32_t dst = 1; dst < build->n_identities && r == 0; dst++) {
		size_t n = by_dst.starts[dst + 1] - by_dst.starts[dst];
		uint32_t row = 0;

		if (n == 0)
			continue;
		r = find_row(build, flows, by_dst.items + by_dst.starts[dst], n,
			     &row);
		if (r == 0 && row)
			r = add_pair(build, src, dst, row - 1);
	}
	clo_index_done(&by_dst);
	return r;
}

static int init(struct clo_build *build, struct flows *flows)
{
	int r = clo_build_row_init(build, &flows->row);

	if (r < 0)
		return r;
	/* Row 0 is that of the empty list: no bit. */
	flows->rows = calloc(1, sizeof(*flows->rows));
	build->out->uses = calloc(build->n_rules, sizeof(uint8_t));
	if (!flows->rows || !build->out->uses)
		return -ENOMEM;
	flows->n_rows = 1;
	flows->cap_rows = 1;

	r = clo_lists_init(&flows->bundle_keys, CLO_LISTS_MAX);
	if (r == 0)
		r = clo_lists_init(&flows->lists, CLO_LISTS_MAX);
	return r;
}

int clo_build_flows(struct clo_build *build)
{
	struct flows flows = {0};
	int r;

	r = init(build, &flows);
	if (r == 0)
		r = bundle_rules(build, &flows);
	if (r == 0)
		r = index_members(build, &flows);
	for (uint32_t src = 1; src < build->n_identities && r == 0; src++)
		r = add_source(build, &flows, src);
	done(&flows);
	return r;
}
