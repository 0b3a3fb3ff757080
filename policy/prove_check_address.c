/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/prove_impl.h"

/* What the identities and the addresses say of one another. */
struct seen {
	uint32_t *segments; /* of identities, ascending */
	size_t n_segments;
	uint8_t *identities; /* by index: it has an address */
};

static int order_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return (*a > *b) - (*a < *b);
}

static int seen_init(struct seen *seen, const struct clo_tables *tables)
{
	uint32_t n = tables->gen.identities;

	seen->segments = calloc(n, sizeof(*seen->segments));
	seen->identities = calloc(n, 1);
	if (!seen->segments || !seen->identities)
		return -ENOMEM;

	for (uint32_t i = 1; i < n; i++)
		seen->segments[seen->n_segments++] =
			clo_check_identity(tables, i)->segment;
	if (seen->n_segments)
		qsort(seen->segments, seen->n_segments, sizeof(*seen->segments),
		      order_numbers);
	return 0;
}

static void seen_done(struct seen *seen)
{
	free(seen->segments);
	free(seen->identities);
}

static bool has_segment(const struct seen *seen, uint32_t segment)
{
	return seen->n_segments &&
	       bsearch(&segment, seen->segments, seen->n_segments,
		       sizeof(segment), order_numbers);
}

/* An entry of an address table. */
struct address {
	const struct clo_tables *tables;
	const struct seen *seen;
	enum clo_table t;
	size_t i;
	uint32_t space;
	const uint8_t *key; /* behind the space */
	const struct clo_addr *value;
};

/* An address must have an identity of its own space and segment. */
static int check_owner(const struct address *address, uint32_t space,
		       char reterr_text[160])
{
	const struct clo_addr *addr = address->value;
	const struct clo_identity *own =
		clo_check_identity(address->tables, addr->identity);
	const char *table = clo_table_types[address->t].name;

	if (!own)
		return clo_check_bad(reterr_text,
				     "%s: entry %zu has identity %u of %u",
				     table, address->i, addr->identity,
				     address->tables->gen.identities);
	if (own->kind != CLO_IDENTITY_ENDPOINTS ||
	    (space && own->space != space) || own->segment != addr->segment)
		return clo_check_bad(
			reterr_text,
			"%s: entry %zu of space %u, segment %u has "
			"identity %u of space %u, segment %u",
			table, address->i, address->space, addr->segment,
			addr->identity, own->space, own->segment);
	if (addr->endpoint == 0 || addr->endpoint > CLO_ENDPOINT_MAX)
		return clo_check_bad(reterr_text,
				     "%s: entry %zu has endpoint %u", table,
				     address->i, addr->endpoint);
	return 0;
}

/* Under an endpoint's number stands that endpoint. */
static int check_self(const struct address *address, char reterr_text[160])
{
	uint32_t endpoint;

	memcpy(&endpoint, address->key, sizeof(endpoint));
	if (address->t != CLO_TABLE_ADDR4 ||
	    endpoint != address->value->endpoint)
		return clo_check_bad(
			reterr_text,
			"%s: entry %zu of endpoint %u is endpoint %u",
			clo_table_types[address->t].name, address->i, endpoint,
			address->value->endpoint);
	return check_owner(address, 0, reterr_text);
}

/* Nothing but a multicast address and the segment that shares it. */
static int check_group(const struct address *address, char reterr_text[160])
{
	const struct clo_addr *addr = address->value;
	bool group = address->t == CLO_TABLE_ADDR4 ? address->key[0] >> 4 == 14
						   : address->key[0] == 0xff;

	if (!group || addr->identity || addr->endpoint || !addr->segment ||
	    address->space != (CLO_SPACE_GROUP | addr->segment) ||
	    !has_segment(address->seen, addr->segment))
		return clo_check_bad(
			reterr_text,
			"%s: entry %zu of space %u is no group: identity "
			"%u, endpoint %u, segment %u",
			clo_table_types[address->t].name, address->i,
			address->space, addr->identity, addr->endpoint,
			addr->segment);
	return 0;
}

/* Who answers everybody is outside, and declared. */
static int check_server(const struct address *address, char reterr_text[160])
{
	const struct clo_addr *addr = address->value;
	const struct clo_identity *own =
		clo_check_identity(address->tables, addr->identity);

	if (!own ||
	    (own->kind != CLO_IDENTITY_SERVICE &&
	     own->kind != CLO_IDENTITY_NODE) ||
	    addr->endpoint || addr->segment)
		return clo_check_bad(
			reterr_text,
			"%s: entry %zu is no server: identity %u, endpoint "
			"%u, segment %u",
			clo_table_types[address->t].name, address->i,
			addr->identity, addr->endpoint, addr->segment);
	return 0;
}

static int check_addresses(const struct clo_tables *tables, enum clo_table t,
			   struct seen *seen, char reterr_text[160])
{
	int r = 0;

	for (size_t i = 0; i < tables->table[t].n && r == 0; i++) {
		const uint8_t *key = clo_tables_key(tables, t, i);
		struct address address = {
			.tables = tables,
			.seen = seen,
			.t = t,
			.i = i,
			.key = key + sizeof(uint32_t),
			.value = clo_tables_value(tables, t, i),
		};

		memcpy(&address.space, key, sizeof(address.space));
		switch (clo_tables_addr_kind(tables, t, i)) {
		case CLO_ADDR_ENDPOINT:
			r = check_owner(&address, address.space, reterr_text);
			break;
		case CLO_ADDR_SELF:
			r = check_self(&address, reterr_text);
			break;
		case CLO_ADDR_GROUP:
			r = check_group(&address, reterr_text);
			break;
		case CLO_ADDR_SERVER:
			r = check_server(&address, reterr_text);
			break;
		}
		if (r == 0)
			seen->identities[address.value->identity] = 1;
	}
	return r;
}

static int check_cidrs(const struct clo_tables *tables, enum clo_table t,
		       struct seen *seen, char reterr_text[160])
{
	uint32_t bits = t == CLO_TABLE_CIDR4 ? 32 : 128;

	for (size_t i = 0; i < tables->table[t].n; i++) {
		const uint32_t *class = clo_tables_value(tables, t, i);
		const struct clo_identity *own =
			clo_check_identity(tables, *class);
		uint32_t prefixlen;

		memcpy(&prefixlen, clo_tables_key(tables, t, i),
		       sizeof(prefixlen));
		if (prefixlen > bits)
			return clo_check_bad(
				reterr_text, "%s: entry %zu has %u bits",
				clo_table_types[t].name, i, prefixlen);
		if (!own || own->kind == CLO_IDENTITY_ENDPOINTS)
			return clo_check_bad(
				reterr_text,
				"%s: entry %zu has identity %u, which is "
				"no external class",
				clo_table_types[t].name, i, *class);
		seen->identities[*class] = 1;
	}
	return 0;
}

/* What no packet can have proves nothing, and must not be counted. */
static int check_inhabited(const struct clo_tables *tables,
			   const struct seen *seen, char reterr_text[160])
{
	for (uint32_t i = 1; i < tables->gen.identities; i++)
		if (!seen->identities[i])
			return clo_check_bad(reterr_text,
					     "identities: %u has no address",
					     i);
	return 0;
}

int clo_check_addresses(const struct clo_tables *tables, char reterr_text[160])
{
	struct seen seen = {0};
	int r = seen_init(&seen, tables);

	if (r == 0)
		r = check_addresses(tables, CLO_TABLE_ADDR4, &seen,
				    reterr_text);
	if (r == 0)
		r = check_addresses(tables, CLO_TABLE_ADDR6, &seen,
				    reterr_text);
	if (r == 0)
		r = check_cidrs(tables, CLO_TABLE_CIDR4, &seen, reterr_text);
	if (r == 0)
		r = check_cidrs(tables, CLO_TABLE_CIDR6, &seen, reterr_text);
	if (r == 0)
		r = check_inhabited(tables, &seen, reterr_text);
	seen_done(&seen);
	return r;
}
