/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/plain.h"

#include <stdlib.h>
#include <string.h>

static size_t count(const struct clo_tables *tables, enum clo_table t)
{
	return tables->table[t].n;
}

static struct clo_identity identity_at(const struct clo_tables *tables,
				       uint32_t index)
{
	const struct clo_identity none = {0};

	if (index == 0 || index >= count(tables, CLO_TABLE_IDENTITIES))
		return none;
	return *(const struct clo_identity *)clo_tables_value(
		tables, CLO_TABLE_IDENTITIES, index);
}

/* -- soundness */

static bool sizes_agree(const struct clo_tables *tables)
{
	const struct clo_gen *gen = &tables->gen;
	size_t words = count(tables, CLO_TABLE_WORDS);

	return gen->classes > 0 && gen->classes < CLO_CLASS_NONE &&
	       gen->words * 64 >= gen->classes &&
	       gen->words * 64 < gen->classes + 64 && gen->identities > 0 &&
	       count(tables, CLO_TABLE_IDENTITIES) == gen->identities &&
	       count(tables, CLO_TABLE_SERVICES) * 4 == CLO_SLOTS &&
	       words % gen->words == 0;
}

static bool services_agree(const struct clo_tables *tables)
{
	bool *seen = calloc(tables->gen.classes, sizeof(*seen));
	const struct clo_services *services =
		clo_tables_value(tables, CLO_TABLE_SERVICES, 0);
	bool good = seen != NULL;

	for (uint32_t slot = 0; slot < CLO_SLOTS && good; slot++) {
		uint16_t class = services[slot / 4].class[slot % 4];

		if (class == CLO_CLASS_NONE)
			continue;
		good = class < tables->gen.classes;
		if (good)
			seen[class] = true;
	}
	for (uint32_t c = 0; c < tables->gen.classes && good; c++)
		good = seen[c];
	free(seen);
	return good;
}

static bool has_address(const struct clo_tables *tables, uint32_t identity)
{
	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_ADDR6; t++)
		for (size_t i = 0; i < tables->table[t].n; i++) {
			const struct clo_addr *addr =
				clo_tables_value(tables, (enum clo_table)t, i);

			if (addr->identity == identity)
				return true;
		}
	for (int t = CLO_TABLE_CIDR4; t <= CLO_TABLE_CIDR6; t++)
		for (size_t i = 0; i < tables->table[t].n; i++) {
			const uint32_t *class =
				clo_tables_value(tables, (enum clo_table)t, i);

			if (*class == identity)
				return true;
		}
	return false;
}

static bool identity_agrees(const struct clo_tables *tables, uint32_t index)
{
	const struct clo_identity own = identity_at(tables, index);
	bool endpoints = own.kind == CLO_IDENTITY_ENDPOINTS;
	unsigned int flags = 0;

	if (endpoints)
		flags = CLO_IDENTITY_TEST_DEV | CLO_IDENTITY_LEVEL_2;
	else if (own.kind == CLO_IDENTITY_EXTERNAL)
		flags = CLO_IDENTITY_FORENSICS | CLO_IDENTITY_NATIONAL;
	else if (own.kind == CLO_IDENTITY_SERVICE)
		flags = CLO_IDENTITY_NATIONAL;
	if (own.kind < CLO_IDENTITY_ENDPOINTS ||
	    own.kind > CLO_IDENTITY_SERVICE || own.flags & ~flags ||
	    endpoints != (own.space != 0) ||
	    endpoints != (own.environment != 0) || own.environment > 3)
		return false;
	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity other = identity_at(tables, i);

		if (endpoints && other.kind == CLO_IDENTITY_ENDPOINTS &&
		    other.space == own.space && other.flags != own.flags)
			return false;
	}
	return has_address(tables, index);
}

static bool group_agrees(const struct clo_tables *tables, enum clo_table t,
			 const uint8_t *key, const struct clo_addr *addr)
{
	uint32_t space;

	memcpy(&space, key, 4);
	if (t == CLO_TABLE_ADDR4 ? key[4] / 16 != 14 : key[4] != 255)
		return false;
	if (addr->identity || addr->endpoint || !addr->segment ||
	    space != (CLO_SPACE_GROUP | addr->segment))
		return false;
	for (uint32_t i = 1; i < tables->gen.identities; i++)
		if (identity_at(tables, i).segment == addr->segment)
			return true;
	return false;
}

static bool address_agrees(const struct clo_tables *tables, enum clo_table t,
			   size_t i)
{
	const uint8_t *key = clo_tables_key(tables, t, i);
	const struct clo_addr *addr = clo_tables_value(tables, t, i);
	const struct clo_identity own = identity_at(tables, addr->identity);
	uint32_t space;
	uint32_t number;

	memcpy(&space, key, 4);
	memcpy(&number, key + 4, 4);
	switch (clo_tables_addr_kind(tables, t, i)) {
	case CLO_ADDR_GROUP:
		return group_agrees(tables, t, key, addr);
	case CLO_ADDR_SERVER:
		return (own.kind == CLO_IDENTITY_SERVICE ||
			own.kind == CLO_IDENTITY_NODE) &&
		       !addr->endpoint && !addr->segment;
	case CLO_ADDR_SELF:
		if (t != CLO_TABLE_ADDR4 || number != addr->endpoint)
			return false;
		space = own.space;
		break;
	case CLO_ADDR_ENDPOINT:
		break;
	}
	return own.kind == CLO_IDENTITY_ENDPOINTS && own.space == space &&
	       own.segment == addr->segment && addr->endpoint > 0 &&
	       addr->endpoint <= CLO_ENDPOINT_MAX;
}

static bool cidr_agrees(const struct clo_tables *tables, enum clo_table t,
			size_t i)
{
	const uint32_t *class = clo_tables_value(tables, t, i);
	uint8_t kind = identity_at(tables, *class).kind;
	uint32_t bits;

	memcpy(&bits, clo_tables_key(tables, t, i), 4);
	return bits <= (t == CLO_TABLE_CIDR4 ? 32 : 128) &&
	       kind >= CLO_IDENTITY_EXTERNAL;
}

static bool bit_at(const struct clo_tables *tables, size_t row, uint32_t class)
{
	const struct clo_row *entry =
		clo_tables_value(tables, CLO_TABLE_ROWS, row);
	const uint64_t *word = clo_tables_value(
		tables, CLO_TABLE_WORDS,
		(size_t)entry->set * tables->gen.words + class / 64);

	return *word >> (class % 64) & 1;
}

static const struct clo_row *row_at(const struct clo_tables *tables, size_t row)
{
	return clo_tables_value(tables, CLO_TABLE_ROWS, row);
}

/* The entry of table rules for a class of a row, or NULL. */
static const struct clo_rule_entry *other_at(const struct clo_tables *tables,
					     size_t row, uint32_t class)
{
	for (size_t i = 0; i < count(tables, CLO_TABLE_RULES); i++) {
		const struct clo_rule_entry *entry =
			clo_tables_key(tables, CLO_TABLE_RULES, i);

		if (entry->key.row == row && entry->key.class == class)
			return entry;
	}
	return NULL;
}

static uint32_t rule_at(const struct clo_tables *tables, size_t row,
			uint32_t class)
{
	const struct clo_rule_entry *other = other_at(tables, row, class);

	return other ? other->rule : row_at(tables, row)->rule;
}

static bool has_set(const struct clo_tables *tables, size_t row)
{
	return row_at(tables, row)->set <
	       count(tables, CLO_TABLE_WORDS) / tables->gen.words;
}

/* Every class has one rule; each rule is counted. */
static bool row_agrees(const struct clo_tables *tables, size_t index)
{
	const struct clo_row *row = row_at(tables, index);
	uint32_t owned = 0;
	uint32_t others = 0;

	if (!has_set(tables, index))
		return false;
	for (uint32_t c = 0; c < tables->gen.classes; c++) {
		if (!bit_at(tables, index, c))
			continue;
		if (other_at(tables, index, c))
			others++;
		else
			owned++;
	}
	if (row->rule >= tables->gen.rules || row->owned != owned ||
	    row->others != others)
		return false;
	return owned ? row->rule != 0 : row->rule == 0 && others == 0;
}

static bool word_agrees(const struct clo_tables *tables, size_t i)
{
	const uint64_t *word = clo_tables_value(tables, CLO_TABLE_WORDS, i);
	size_t first = i % tables->gen.words * 64;

	for (size_t bit = 0; bit < 64; bit++)
		if (*word >> bit & 1 && first + bit >= tables->gen.classes)
			return false;
	return true;
}

static bool other_agrees(const struct clo_tables *tables, size_t i)
{
	const struct clo_rule_entry *entry =
		clo_tables_key(tables, CLO_TABLE_RULES, i);

	return entry->key.row < count(tables, CLO_TABLE_ROWS) &&
	       has_set(tables, entry->key.row) &&
	       entry->key.class < tables->gen.classes &&
	       bit_at(tables, entry->key.row, entry->key.class) &&
	       entry->rule != 0 && entry->rule < tables->gen.rules &&
	       entry->rule != row_at(tables, entry->key.row)->rule;
}

static bool keys_differ(const struct clo_tables *tables, enum clo_table t)
{
	for (size_t i = 1; i < count(tables, t); i++)
		if (memcmp(clo_tables_key(tables, t, i - 1),
			   clo_tables_key(tables, t, i),
			   clo_table_types[t].key_size) >= 0)
			return false;
	return true;
}

static bool entry_agrees(const struct clo_tables *tables, enum clo_table t,
			 size_t i)
{
	const struct clo_pair *pair;
	const uint32_t *row;

	switch (t) {
	case CLO_TABLE_ADDR4:
	case CLO_TABLE_ADDR6:
		return address_agrees(tables, t, i);
	case CLO_TABLE_CIDR4:
	case CLO_TABLE_CIDR6:
		return cidr_agrees(tables, t, i);
	case CLO_TABLE_IDENTITIES:
		return i == 0 || identity_agrees(tables, (uint32_t)i);
	case CLO_TABLE_PAIRS:
		pair = clo_tables_key(tables, t, i);
		row = clo_tables_value(tables, t, i);
		return identity_at(tables, pair->src).kind &&
		       identity_at(tables, pair->dst).kind &&
		       *row < count(tables, CLO_TABLE_ROWS);
	case CLO_TABLE_ROWS:
		return row_agrees(tables, i);
	case CLO_TABLE_WORDS:
		return word_agrees(tables, i);
	case CLO_TABLE_RULES:
		return other_agrees(tables, i);
	default:
		return true;
	}
}

bool plain_is_sound(const struct clo_tables *tables)
{
	if (!sizes_agree(tables) || !services_agree(tables))
		return false;
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		if (clo_table_types[t].kind != CLO_TABLE_ARRAY &&
		    !keys_differ(tables, (enum clo_table)t))
			return false;
		if (t == CLO_TABLE_SERVICES)
			continue; /* seen above */
		for (size_t i = 0; i < tables->table[t].n; i++)
			if (!entry_agrees(tables, (enum clo_table)t, i))
				return false;
	}
	return true;
}

/* -- proof */

struct plain {
	const struct clo_tables *tables;
	const bool *excepted;
	struct clo_proof *proof;
	bool *shown; /* by rule and invariant */
	struct clo_breach *admitted;
	size_t n_admitted;
};

static void keep(struct plain *plain, const struct clo_breach *breach)
{
	bool excepted = plain->excepted[breach->rule];
	struct clo_breach *to =
		excepted ? plain->admitted : plain->proof->breaches;
	size_t *n = excepted ? &plain->n_admitted : &plain->proof->n_breaches;
	bool *shown =
		&plain->shown[(size_t)breach->rule * CLO_INVARIANTS +
			      (size_t)(breach->invariant - clo_invariants)];

	if (*n == CLO_BREACHES_MAX || *shown)
		return;
	*shown = true;
	to[(*n)++] = *breach;
}

static void prove_class(struct plain *plain, struct clo_pair pair,
			size_t invariant, uint32_t class)
{
	struct clo_proof *proof = plain->proof;
	const uint32_t *row =
		clo_tables_find(plain->tables, CLO_TABLE_PAIRS, &pair);
	struct clo_breach breach = {.invariant = &clo_invariants[invariant],
				    .pair = pair,
				    .class = class};

	proof->forbidden[invariant]++;
	if (!row || !bit_at(plain->tables, *row, class))
		return;
	breach.rule = rule_at(plain->tables, *row, class);
	proof->broken[invariant]++;
	proof->breached++;
	proof->admitted[invariant] += plain->excepted[breach.rule];
	proof->excepted += plain->excepted[breach.rule];
	keep(plain, &breach);
}

static void prove_pair(struct plain *plain, struct clo_pair pair)
{
	const struct clo_identity src = identity_at(plain->tables, pair.src);
	const struct clo_identity dst = identity_at(plain->tables, pair.dst);
	const uint32_t *row =
		clo_tables_find(plain->tables, CLO_TABLE_PAIRS, &pair);

	plain->proof->pairs++;
	for (uint32_t c = 0; c < plain->tables->gen.classes; c++) {
		plain->proof->verdicts++;
		plain->proof->allowed += row && bit_at(plain->tables, *row, c);
	}
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (clo_invariants[i].forbids(&src, &dst))
			for (uint32_t c = 0; c < plain->tables->gen.classes;
			     c++)
				prove_class(plain, pair, i, c);
}

static bool is_bound(const struct clo_tables *tables,
		     const struct clo_addr *addr)
{
	const uint32_t number[2] = {CLO_SPACE_SELF, addr->endpoint};
	const struct clo_addr *self =
		clo_tables_find(tables, CLO_TABLE_ADDR4, number);
	struct clo_identity one = identity_at(tables, addr->identity);
	struct clo_identity other;

	if (!self)
		return false;
	other = identity_at(tables, self->identity);
	return self->segment == addr->segment && one.space == other.space &&
	       one.environment == other.environment;
}

/* Some address is this endpoint's, and bound as it should be. */
static bool is_reached(const struct clo_tables *tables, uint32_t endpoint)
{
	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_ADDR6; t++)
		for (size_t i = 0; i < tables->table[t].n; i++) {
			const struct clo_addr *addr =
				clo_tables_value(tables, (enum clo_table)t, i);

			if (clo_tables_addr_kind(tables, (enum clo_table)t,
						 i) == CLO_ADDR_ENDPOINT &&
			    addr->endpoint == endpoint &&
			    is_bound(tables, addr))
				return true;
		}
	return false;
}

static void prove_bindings(struct plain *plain, size_t invariant)
{
	const struct clo_tables *tables = plain->tables;
	struct clo_proof *proof = plain->proof;

	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_ADDR6; t++)
		for (size_t i = 0; i < tables->table[t].n; i++) {
			const struct clo_addr *addr =
				clo_tables_value(tables, (enum clo_table)t, i);
			enum clo_addr_kind kind = clo_tables_addr_kind(
				tables, (enum clo_table)t, i);
			bool good = kind == CLO_ADDR_SELF
					    ? is_reached(tables, addr->endpoint)
					    : is_bound(tables, addr);

			if (kind != CLO_ADDR_SELF && kind != CLO_ADDR_ENDPOINT)
				continue;
			proof->forbidden[invariant]++;
			proof->broken[invariant] += !good;
			proof->breached += !good;
		}
}

bool plain_prove(const struct clo_tables *tables, const bool *excepted,
		 struct clo_proof *ret_proof)
{
	static struct clo_breach admitted[CLO_BREACHES_MAX];
	struct plain plain = {tables, excepted, ret_proof, NULL, admitted, 0};
	uint32_t n = tables->gen.identities;

	plain.shown = calloc((size_t)tables->gen.rules * CLO_INVARIANTS + 1,
			     sizeof(*plain.shown));
	if (!plain.shown)
		return false;
	memset(ret_proof, 0, sizeof(*ret_proof));
	ret_proof->identities = n - 1;
	ret_proof->classes = tables->gen.classes;
	for (uint32_t src = 1; src < n; src++)
		for (uint32_t dst = 1; dst < n; dst++)
			prove_pair(&plain, (struct clo_pair){src, dst});
	for (size_t i = 0;
	     i < plain.n_admitted && ret_proof->n_breaches < CLO_BREACHES_MAX;
	     i++)
		ret_proof->breaches[ret_proof->n_breaches++] =
			plain.admitted[i];
	for (size_t i = 0; i < CLO_INVARIANTS; i++)
		if (clo_invariants[i].bindings)
			prove_bindings(&plain, i);
	free(plain.shown);
	return true;
}
