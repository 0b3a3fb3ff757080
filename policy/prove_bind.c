/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_bind.h"

#include <errno.h>
#include <string.h>

/* An endpoint as it stands under its number. */
struct self {
	uint32_t endpoint; /* 0: this place is free */
	uint32_t identity, segment;
	bool has_address;
};

struct bindings {
	const struct clo_tables *tables;
	struct self *selves; /* hashed by endpoint; a power of two of places */
	size_t mask;
	struct clo_bound bound;
};

/* Where the endpoint stands, or would. */
static struct self *find_self(const struct bindings *bindings,
			      uint32_t endpoint)
{
	size_t at = (endpoint * 2654435761U >> 7) & bindings->mask;

	while (bindings->selves[at].endpoint &&
	       bindings->selves[at].endpoint != endpoint)
		at = (at + 1) & bindings->mask;
	return &bindings->selves[at];
}

static int collect_selves(struct bindings *bindings)
{
	const struct clo_tables *tables = bindings->tables;
	size_t n = tables->table[CLO_TABLE_ADDR4].n;
	size_t places = 4;

	while (places < 2 * n)
		places *= 2;
	bindings->mask = places - 1;
	bindings->selves = calloc(places, sizeof(*bindings->selves));
	if (!bindings->selves)
		return -ENOMEM;

	for (size_t i = 0; i < n; i++) {
		const struct clo_addr *addr =
			clo_tables_value(tables, CLO_TABLE_ADDR4, i);

		if (clo_tables_addr_kind(tables, CLO_TABLE_ADDR4, i) ==
		    CLO_ADDR_SELF)
			*find_self(bindings, addr->endpoint) =
				(struct self){addr->endpoint, addr->identity,
					      addr->segment, false};
	}
	return 0;
}

static bool same_scope(const struct clo_tables *tables, uint32_t a, uint32_t b)
{
	const struct clo_identity *one =
		clo_tables_find(tables, CLO_TABLE_IDENTITIES, &a);
	const struct clo_identity *other =
		clo_tables_find(tables, CLO_TABLE_IDENTITIES, &b);

	return one && other && one->space == other->space &&
	       one->environment == other->environment;
}

static void note(struct clo_bound *bound, const struct clo_witness *witness,
		 uint32_t identity, uint32_t self)
{
	bound->broken++;
	if (bound->n_breaches == CLO_BOUND_MAX)
		return;
	bound->breaches[bound->n_breaches++] = (struct clo_breach){
		.pair = {identity, self},
		.class = CLO_CLASS_NONE,
		.witness = *witness,
	};
}

static void prove_address(struct bindings *bindings, enum clo_table t, size_t i)
{
	const struct clo_tables *tables = bindings->tables;
	const struct clo_addr *addr = clo_tables_value(tables, t, i);
	const uint8_t *key = clo_tables_key(tables, t, i);
	struct clo_witness witness = {.family = t == CLO_TABLE_ADDR4 ? 4 : 6,
				      .src_endpoint = addr->endpoint};
	struct self *self;

	if (clo_tables_addr_kind(tables, t, i) != CLO_ADDR_ENDPOINT)
		return;
	bindings->bound.subjects++;
	self = find_self(bindings, addr->endpoint);
	if (self->endpoint && self->segment == addr->segment &&
	    same_scope(tables, addr->identity, self->identity)) {
		self->has_address = true;
		return;
	}
	memcpy(witness.src, key + sizeof(uint32_t),
	       t == CLO_TABLE_ADDR4 ? 4 : 16);
	note(&bindings->bound, &witness, addr->identity, self->identity);
}

/* An endpoint without an address is bound to nothing. */
static void prove_selves(struct bindings *bindings)
{
	const struct clo_tables *tables = bindings->tables;

	for (size_t i = 0; i < tables->table[CLO_TABLE_ADDR4].n; i++) {
		const struct clo_addr *addr =
			clo_tables_value(tables, CLO_TABLE_ADDR4, i);
		const struct clo_witness witness = {.src_endpoint =
							    addr->endpoint};

		if (clo_tables_addr_kind(tables, CLO_TABLE_ADDR4, i) !=
		    CLO_ADDR_SELF)
			continue;
		bindings->bound.subjects++;
		if (!find_self(bindings, addr->endpoint)->has_address)
			note(&bindings->bound, &witness, addr->identity,
			     addr->identity);
	}
}

int clo_bindings_prove(const struct clo_tables *tables,
		       struct clo_bound *ret_bound)
{
	struct bindings bindings = {.tables = tables};
	int r = collect_selves(&bindings);

	if (r < 0)
		return r;
	for (size_t i = 0; i < tables->table[CLO_TABLE_ADDR4].n; i++)
		prove_address(&bindings, CLO_TABLE_ADDR4, i);
	for (size_t i = 0; i < tables->table[CLO_TABLE_ADDR6].n; i++)
		prove_address(&bindings, CLO_TABLE_ADDR6, i);
	prove_selves(&bindings);
	free(bindings.selves);

	*ret_bound = bindings.bound;
	return 0;
}
