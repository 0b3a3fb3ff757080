/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int bad(char reterr_text[160],
						     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reterr_text, 160, fmt, args);
	va_end(args);
	return -EBADMSG;
}

static int check_sizes(const struct clo_tables *tables, char reterr_text[160])
{
	const struct clo_gen *gen = &tables->gen;
	size_t n_words = tables->table[CLO_TABLE_ROWS].n;
	size_t n_services = tables->table[CLO_TABLE_SERVICES].n;

	if (gen->classes == 0 || gen->classes >= CLO_CLASS_NONE ||
	    gen->words != (gen->classes + 63) / 64)
		return bad(reterr_text, "gen: %u classes in rows of %u words",
			   gen->classes, gen->words);
	if (gen->identities == 0 ||
	    tables->table[CLO_TABLE_IDENTITIES].n != gen->identities)
		return bad(reterr_text, "identities: %zu entries, %u expected",
			   tables->table[CLO_TABLE_IDENTITIES].n,
			   gen->identities);
	if (n_services != CLO_SLOTS / 4)
		return bad(reterr_text, "services: %zu entries, %u expected",
			   n_services, CLO_SLOTS / 4);
	if (n_words % gen->words != 0 || n_words / gen->words >= UINT32_MAX ||
	    tables->table[CLO_TABLE_RULES].n != n_words * 32)
		return bad(reterr_text,
			   "rows: %zu words of %u to a row, %zu rule entries",
			   n_words, gen->words,
			   tables->table[CLO_TABLE_RULES].n);
	return 0;
}

/* Each class that bits are counted for is one that packets can have. */
static int check_services(const struct clo_tables *tables,
			  char reterr_text[160])
{
	uint32_t classes = tables->gen.classes;
	CLO_AUTO_MEM uint8_t *seen = calloc(classes, 1);

	if (!seen)
		return -ENOMEM;

	for (uint32_t slot = 0; slot < CLO_SLOTS; slot++) {
		const struct clo_services *services =
			clo_tables_value(tables, CLO_TABLE_SERVICES, slot / 4);
		uint16_t class = services->class[slot % 4];

		if (class == CLO_CLASS_NONE)
			continue;
		if (class >= classes)
			return bad(reterr_text,
				   "services: slot %u has class %u of %u", slot,
				   class, classes);
		seen[class] = 1;
	}
	for (uint32_t class = 0; class < classes; class ++) {
		if (!seen[class])
			return bad(reterr_text,
				   "services: class %u has no slot", class);
	}
	return 0;
}

static const struct clo_identity *identity(const struct clo_tables *tables,
					   uint32_t index)
{
	if (index == 0)
		return NULL;
	return clo_tables_find(tables, CLO_TABLE_IDENTITIES, &index);
}

static int check_identities(const struct clo_tables *tables,
			    char reterr_text[160])
{
	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *own = identity(tables, i);
		bool endpoints = own->kind == CLO_IDENTITY_ENDPOINTS;

		if (own->kind == CLO_IDENTITY_NONE ||
		    own->kind > CLO_IDENTITY_SERVICE)
			return bad(reterr_text, "identities: %u is of kind %u",
				   i, own->kind);
		if (own->flags & ~(endpoints ? CLO_IDENTITY_TEST_DEV
				   : own->kind == CLO_IDENTITY_EXTERNAL
					   ? CLO_IDENTITY_FORENSICS
					   : 0U))
			return bad(reterr_text,
				   "identities: %u of kind %u has flags %u", i,
				   own->kind, own->flags);
		if (endpoints != (own->space != 0) ||
		    endpoints != (own->environment != CLO_ENV_NONE) ||
		    own->environment > CLO_ENV_DEVELOPMENT)
			return bad(reterr_text,
				   "identities: %u has kind %u, space %u, "
				   "environment %u",
				   i, own->kind, own->space, own->environment);
	}
	return 0;
}

/* An entry of an address table. */
struct address {
	const struct clo_tables *tables;
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
		identity(address->tables, addr->identity);
	const char *table = clo_table_types[address->t].name;

	if (!own)
		return bad(reterr_text, "%s: entry %zu has identity %u of %u",
			   table, address->i, addr->identity,
			   address->tables->gen.identities);
	if (own->kind != CLO_IDENTITY_ENDPOINTS ||
	    (space && own->space != space) || own->segment != addr->segment)
		return bad(reterr_text,
			   "%s: entry %zu of space %u, segment %u has "
			   "identity %u of space %u, segment %u",
			   table, address->i, address->space, addr->segment,
			   addr->identity, own->space, own->segment);
	if (addr->endpoint == 0 || addr->endpoint > CLO_ENDPOINT_MAX)
		return bad(reterr_text, "%s: entry %zu has endpoint %u", table,
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
		return bad(reterr_text,
			   "%s: entry %zu of endpoint %u is endpoint %u",
			   clo_table_types[address->t].name, address->i,
			   endpoint, address->value->endpoint);
	return check_owner(address, 0, reterr_text);
}

static bool has_segment(const struct clo_tables *tables, uint32_t segment)
{
	for (uint32_t i = 1; i < tables->gen.identities; i++)
		if (identity(tables, i)->segment == segment)
			return true;
	return false;
}

/* Nothing but a multicast address and the segment that shares it. */
static int check_group(const struct address *address, char reterr_text[160])
{
	const struct clo_addr *addr = address->value;
	bool group = address->t == CLO_TABLE_ADDR4 ? address->key[0] >> 4 == 14
						   : address->key[0] == 0xff;

	if (!group || addr->identity || addr->endpoint || !addr->segment ||
	    address->space != (CLO_SPACE_GROUP | addr->segment) ||
	    !has_segment(address->tables, addr->segment))
		return bad(reterr_text,
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
		identity(address->tables, addr->identity);

	if (!own ||
	    (own->kind != CLO_IDENTITY_SERVICE &&
	     own->kind != CLO_IDENTITY_NODE) ||
	    addr->endpoint || addr->segment)
		return bad(reterr_text,
			   "%s: entry %zu is no server: identity %u, endpoint "
			   "%u, segment %u",
			   clo_table_types[address->t].name, address->i,
			   addr->identity, addr->endpoint, addr->segment);
	return 0;
}

static int check_addresses(const struct clo_tables *tables, enum clo_table t,
			   char reterr_text[160])
{
	int r = 0;

	for (size_t i = 0; i < tables->table[t].n && r == 0; i++) {
		const uint8_t *key = clo_tables_key(tables, t, i);
		struct address address = {
			.tables = tables,
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
	}
	return r;
}

static int check_cidrs(const struct clo_tables *tables, enum clo_table t,
		       char reterr_text[160])
{
	uint32_t bits = t == CLO_TABLE_CIDR4 ? 32 : 128;

	for (size_t i = 0; i < tables->table[t].n; i++) {
		const uint32_t *class = clo_tables_value(tables, t, i);
		const struct clo_identity *own = identity(tables, *class);
		uint32_t prefixlen;

		memcpy(&prefixlen, clo_tables_key(tables, t, i),
		       sizeof(prefixlen));
		if (prefixlen > bits)
			return bad(reterr_text, "%s: entry %zu has %u bits",
				   clo_table_types[t].name, i, prefixlen);
		if (!own || own->kind == CLO_IDENTITY_ENDPOINTS)
			return bad(reterr_text,
				   "%s: entry %zu has identity %u, which is "
				   "no external class",
				   clo_table_types[t].name, i, *class);
	}
	return 0;
}

/* A rule where the bit is set and nowhere else; no bit beyond the classes. */
static int check_word(const struct clo_tables *tables, size_t index,
		      char reterr_text[160])
{
	const struct clo_gen *gen = &tables->gen;
	const struct clo_rules *rules =
		clo_tables_value(tables, CLO_TABLE_RULES, index * 32);
	uint64_t word = *(const uint64_t *)clo_tables_value(
		tables, CLO_TABLE_ROWS, index);
	size_t row = index / gen->words;
	uint64_t owned = 0;

	for (uint32_t bit = 0; bit < 64; bit++) {
		uint32_t rule = rules[bit / 2].rule[bit % 2];

		owned |= (uint64_t)(rule != 0) << bit;
		if (rule >= gen->rules && rule != 0)
			return bad(
				reterr_text,
				"rules: row %zu, class %zu has rule %u of %u",
				row, index % gen->words * 64 + bit, rule,
				gen->rules);
	}
	if (word != owned) {
		unsigned int bit = (unsigned int)__builtin_ctzll(word ^ owned);

		return bad(reterr_text, "rows: row %zu, class %zu is %s", row,
			   index % gen->words * 64 + bit,
			   word >> bit & 1 ? "allowed and no rule owns it"
					   : "denied and a rule owns it");
	}
	if (index % gen->words == gen->words - 1 && gen->classes % 64 &&
	    word >> (gen->classes % 64))
		return bad(reterr_text, "rows: row %zu allows beyond class %u",
			   row, gen->classes - 1);
	return 0;
}

static int check_rows(const struct clo_tables *tables, uint32_t *allowed,
		      char reterr_text[160])
{
	size_t n_words = tables->table[CLO_TABLE_ROWS].n;

	for (size_t i = 0; i < n_words; i++) {
		const uint64_t *word =
			clo_tables_value(tables, CLO_TABLE_ROWS, i);
		int r = check_word(tables, i, reterr_text);

		if (r < 0)
			return r;
		allowed[i / tables->gen.words] +=
			(uint32_t)__builtin_popcountll(*word);
	}
	return 0;
}

static int check_pairs(const struct clo_tables *tables, char reterr_text[160])
{
	size_t n_rows = tables->table[CLO_TABLE_ROWS].n / tables->gen.words;
	const struct clo_pair *last = NULL;

	if (tables->table[CLO_TABLE_PAIRS].n >= UINT32_MAX)
		return bad(reterr_text, "pairs: too many entries");
	for (size_t i = 0; i < tables->table[CLO_TABLE_PAIRS].n; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);
		const uint32_t *row =
			clo_tables_value(tables, CLO_TABLE_PAIRS, i);

		if (!identity(tables, pair->src) ||
		    !identity(tables, pair->dst))
			return bad(reterr_text,
				   "pairs: entry %zu is (%u, %u) of %u "
				   "identities",
				   i, pair->src, pair->dst,
				   tables->gen.identities);
		if (*row >= n_rows)
			return bad(reterr_text,
				   "pairs: (%u, %u) has row %u of %zu",
				   pair->src, pair->dst, *row, n_rows);
		if (last && memcmp(last, pair, sizeof(*pair)) >= 0)
			return bad(reterr_text,
				   "pairs: (%u, %u) stands twice or unsorted",
				   pair->src, pair->dst);
		last = pair;
	}
	return 0;
}

int clo_tables_check(const struct clo_tables *tables, uint32_t **ret_allowed,
		     char reterr_text[160])
{
	CLO_AUTO_MEM uint32_t *allowed = NULL;
	int r;

	r = check_sizes(tables, reterr_text);
	if (r < 0)
		return r;
	allowed =
		calloc(tables->table[CLO_TABLE_ROWS].n / tables->gen.words + 1,
		       sizeof(*allowed));
	if (!allowed)
		return -ENOMEM;

	r = check_services(tables, reterr_text);
	if (r == 0)
		r = check_identities(tables, reterr_text);
	if (r == 0)
		r = check_addresses(tables, CLO_TABLE_ADDR4, reterr_text);
	if (r == 0)
		r = check_addresses(tables, CLO_TABLE_ADDR6, reterr_text);
	if (r == 0)
		r = check_cidrs(tables, CLO_TABLE_CIDR4, reterr_text);
	if (r == 0)
		r = check_cidrs(tables, CLO_TABLE_CIDR6, reterr_text);
	if (r == 0)
		r = check_rows(tables, allowed, reterr_text);
	if (r == 0)
		r = check_pairs(tables, reterr_text);
	if (r < 0)
		return r;

	*ret_allowed = CLO_TAKE(allowed);
	return 0;
}

int clo_pairs_index(const struct clo_tables *tables,
		    struct clo_index *ret_index)
{
	size_t n = tables->table[CLO_TABLE_PAIRS].n;
	struct clo_edges edges = {0};
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct clo_pair *pair =
			clo_tables_key(tables, CLO_TABLE_PAIRS, i);

		r = clo_edges_add(&edges, pair->src, (uint32_t)i);
	}
	if (r == 0)
		r = clo_index_init(ret_index, &edges, tables->gen.identities);
	clo_edges_done(&edges);
	return r;
}
