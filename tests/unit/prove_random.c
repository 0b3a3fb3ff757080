/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "policy/prove_selftest.h"
#include "unit/plain.h"

/*
 * Random tables, whole and corrupt: the fast proof says what the plain one
 * does, to the last count, and refuses what contradicts itself and no more.
 */
#ifdef CLO_SANITIZED /* slow */
#define TABLES 100
#else
#define TABLES 1200
#endif
#define CORRUPTIONS 3
#define RULES 8

static uint32_t seed; /* told at the end: a failure's is the last one */
static uint32_t dice; /* state of the generator */

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

static void *room(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n + 1, clo_table_types[t].entry_size);
	assert_non_null(data->entries);
	return data->entries;
}

/* Adds an entry to a table that has room. */
static void put(struct clo_tables *tables, enum clo_table t, const void *key,
		const void *value)
{
	const struct clo_table_type *type = &clo_table_types[t];
	uint8_t *entry = tables->table[t].entries +
			 tables->table[t].n++ * type->entry_size;

	memcpy(entry, key, type->key_size);
	memcpy(entry + type->key_size, value, type->value_size);
}

static struct clo_identity random_identity(const uint8_t flags[4])
{
	struct clo_identity identity = {0};

	if (roll(3)) {
		identity.kind = CLO_IDENTITY_ENDPOINTS;
		identity.space = 1 + roll(3);
		identity.environment = (uint8_t)(1 + roll(3));
		identity.segment = identity.space * 16 + roll(3);
		identity.flags = flags[identity.space];
		return identity;
	}
	identity.kind = (uint8_t)(CLO_IDENTITY_EXTERNAL + roll(3));
	if (identity.kind == CLO_IDENTITY_EXTERNAL && roll(2))
		identity.flags = CLO_IDENTITY_FORENSICS;
	if (identity.kind != CLO_IDENTITY_NODE && roll(2))
		identity.flags |= CLO_IDENTITY_NATIONAL;
	return identity;
}

/* Two endpoints of an identity at most, each with two addresses at most. */
static void put_endpoints(struct clo_tables *tables, uint32_t index,
			  const struct clo_identity *identity)
{
	for (uint32_t n = 1 + roll(2); n > 0; n--) {
		struct clo_addr addr = {index, index * 4 + n,
					identity->segment};
		struct clo_addr6_key key = {
			.space = identity->space,
			.addr = {10, (uint8_t)index, (uint8_t)n}};
		const uint32_t self[2] = {CLO_SPACE_SELF, addr.endpoint};

		put(tables, CLO_TABLE_ADDR4, self, &addr);
		if (roll(2))
			put(tables, CLO_TABLE_ADDR4, &key, &addr);
		key.addr[0] = 0xfd;
		put(tables, CLO_TABLE_ADDR6, &key, &addr);
	}
}

static void put_external(struct clo_tables *tables, uint32_t index)
{
	struct clo_cidr6_key key = {.prefixlen = 16 + roll(17),
				    .addr = {172, (uint8_t)index}};

	put(tables, roll(2) ? CLO_TABLE_CIDR4 : CLO_TABLE_CIDR6, &key, &index);
}

static void put_identities(struct clo_tables *tables)
{
	uint32_t n = tables->gen.identities;
	struct clo_identity *all = room(tables, CLO_TABLE_IDENTITIES, n);
	uint8_t flags[4];

	for (size_t i = 0; i < 4; i++)
		flags[i] = (uint8_t)((roll(2) ? CLO_IDENTITY_TEST_DEV : 0U) |
				     (roll(2) ? CLO_IDENTITY_LEVEL_2 : 0U));
	for (int t = CLO_TABLE_ADDR4; t <= CLO_TABLE_CIDR6; t++) {
		(void)room(tables, (enum clo_table)t, (size_t)n * 6 + 2);
		tables->table[t].n = 0;
	}
	for (uint32_t i = 1; i < n; i++) {
		all[i] = random_identity(flags);
		if (all[i].kind == CLO_IDENTITY_ENDPOINTS)
			put_endpoints(tables, i, &all[i]);
		else
			put_external(tables, i);
		if (all[i].segment && !roll(4)) {
			const struct clo_addr4_key key = {
				CLO_SPACE_GROUP | all[i].segment,
				{239, (uint8_t)i}};
			const struct clo_addr addr = {.segment =
							      all[i].segment};

			put(tables, CLO_TABLE_ADDR4, &key, &addr);
		}
	}
}

static void put_services(struct clo_tables *tables)
{
	struct clo_services *services =
		room(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4);

	memset(services, 0xff, CLO_SLOTS / 4 * sizeof(*services));
	for (uint32_t c = 0; c < tables->gen.classes; c++)
		services[c * 3 + roll(3)].class[roll(4)] = (uint16_t)c;
}

/* Any rule of the row may be its owner: only a compiler takes the greatest. */
static void put_rules(struct clo_tables *tables, uint32_t row,
		      const uint32_t rules[192])
{
	struct clo_owner *owner =
		(struct clo_owner *)(void *)tables->table[CLO_TABLE_OWNERS]
			.entries +
		row;
	struct clo_rule_key key = {.row = row};

	for (; key.class < 192; key.class ++) {
		const uint32_t *rule = &rules[key.class];

		if (!*rule)
			continue;
		if (!owner->rule)
			owner->rule = *rule;
		if (*rule == owner->rule) {
			owner->owned++;
			continue;
		}
		owner->others++;
		put(tables, CLO_TABLE_RULES, &key, rule);
	}
}

static void put_rows(struct clo_tables *tables)
{
	uint32_t words = tables->gen.words;
	uint32_t n_rows = roll(6);
	uint64_t *bits = room(tables, CLO_TABLE_ROWS, (size_t)n_rows * words);
	uint32_t n = tables->gen.identities;

	(void)room(tables, CLO_TABLE_OWNERS, n_rows);
	(void)room(tables, CLO_TABLE_RULES, (size_t)n_rows * 5);
	tables->table[CLO_TABLE_RULES].n = 0;
	for (uint32_t row = 0; row < n_rows; row++) {
		uint32_t rules[192] = {0};

		for (uint32_t k = roll(5); k > 0; k--) {
			uint32_t class = roll(tables->gen.classes);

			bits[row * words + class / 64] |= 1ULL << class % 64;
			rules[class] = 1 + roll(RULES - 1);
		}
		put_rules(tables, row, rules);
	}
	(void)room(tables, CLO_TABLE_PAIRS, (size_t)n * n);
	tables->table[CLO_TABLE_PAIRS].n = 0;
	for (uint32_t src = 1; src < n && n_rows; src++)
		for (uint32_t dst = 1; dst < n; dst++) {
			const struct clo_pair pair = {src, dst};
			uint32_t row = roll(n_rows);

			if (!roll(4))
				put(tables, CLO_TABLE_PAIRS, &pair, &row);
		}
}

static struct clo_tables *random_tables(void)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	assert_non_null(tables);
	tables->gen.classes = 1 + roll(130);
	tables->gen.words = (tables->gen.classes + 63) / 64;
	tables->gen.identities = 1 + roll(12);
	tables->gen.rules = RULES;
	put_identities(tables);
	put_services(tables);
	put_rows(tables);
	clo_tables_sort(tables);
	return tables;
}

/* An address becomes that of another endpoint. */
static void rebind(struct clo_tables *tables)
{
	struct clo_table_data *data = &tables->table[CLO_TABLE_ADDR6];
	size_t size = clo_table_types[CLO_TABLE_ADDR6].entry_size;
	size_t at = size - sizeof(struct clo_addr) +
		    offsetof(struct clo_addr, endpoint);

	if (data->n)
		memcpy(data->entries + roll((uint32_t)data->n) * size + at,
		       data->entries + roll((uint32_t)data->n) * size + at,
		       sizeof(uint32_t));
}

/* A few bytes of one entry; more often small numbers than any. */
static void corrupt(struct clo_tables *tables)
{
	int t = (int)roll(CLO_TABLE_COUNT);
	const struct clo_table_type *type = &clo_table_types[t];
	size_t n = tables->table[t].n;
	uint8_t *at;

	if (!roll(5)) {
		rebind(tables);
		return;
	}
	if (!n) {
		tables->gen.identities += roll(2);
		return;
	}
	if (t == CLO_TABLE_SERVICES)
		n = 512;
	at = tables->table[t].entries +
	     (size_t)roll((uint32_t)n) * type->entry_size +
	     roll(type->entry_size);
	if (roll(3))
		*at = (uint8_t)(*at ^ 1U << roll(8));
	else
		*at = (uint8_t)roll(roll(2) ? 4 : 256);
	if (roll(4))
		clo_tables_sort(tables);
}

static struct {
	uint64_t sound, refused, broken[CLO_INVARIANTS], idle[CLO_INVARIANTS],
		admitted, planted;
} seen;

static void compare_breaches(const struct clo_proof *fast,
			     const struct clo_proof *plain)
{
	size_t at = 0;

	while (at < fast->n_breaches &&
	       fast->breaches[at].class == CLO_CLASS_NONE)
		at++;
	assert_int_equal(fast->n_breaches - at, plain->n_breaches);
	for (size_t i = 0; i < plain->n_breaches; i++, at++) {
		const struct clo_breach *a = &fast->breaches[at];
		const struct clo_breach *b = &plain->breaches[i];

		assert_ptr_equal(a->invariant, b->invariant);
		assert_int_equal(a->pair.src, b->pair.src);
		assert_int_equal(a->pair.dst, b->pair.dst);
		assert_int_equal(a->class, b->class);
		assert_int_equal(a->rule, b->rule);
	}
}

static void compare(const struct clo_proof *fast, const struct clo_proof *plain)
{
	assert_int_equal(fast->identities, plain->identities);
	assert_int_equal(fast->pairs, plain->pairs);
	assert_int_equal(fast->classes, plain->classes);
	assert_int_equal(fast->verdicts, plain->verdicts);
	assert_int_equal(fast->allowed, plain->allowed);
	assert_int_equal(fast->breached, plain->breached);
	assert_int_equal(fast->excepted, plain->excepted);
	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		assert_int_equal(fast->forbidden[i], plain->forbidden[i]);
		assert_int_equal(fast->broken[i], plain->broken[i]);
		assert_int_equal(fast->admitted[i], plain->admitted[i]);
		assert_int_equal(clo_proof_verdict(fast, i),
				 plain->broken[i]      ? CLO_VIOLATED
				 : plain->forbidden[i] ? CLO_PROVEN
						       : CLO_NOT_COVERED);
		seen.broken[i] += plain->broken[i] != 0;
		seen.idle[i] += plain->forbidden[i] == 0;
	}
	seen.admitted += plain->excepted;
	compare_breaches(fast, plain);
}

static void prove_both(const struct clo_tables *tables)
{
	static struct clo_proof fast;
	static struct clo_proof plain;
	bool excepted[RULES] = {false};
	bool sound = plain_is_sound(tables);
	char text[160] = "";
	int r;

	for (size_t i = 1; i < RULES; i++)
		excepted[i] = roll(3) == 0;
	r = clo_prove(tables, excepted, RULES, &fast, text);
	if (r != (sound ? 0 : -EBADMSG))
		fail_msg("%d, and plainly %s: %s", r,
			 sound ? "sound" : "not sound", text);
	if (!sound) {
		seen.refused++;
		assert_int_not_equal(text[0], '\0');
		return;
	}
	assert_true(plain_prove(tables, excepted, &plain));
	compare(&fast, &plain);
	seen.sound++;
}

/* Whatever the tables are: what can be planted there is found. */
static void plant_all(const struct clo_tables *tables)
{
	static struct clo_selftest selftest;
	char text[160] = "";

	assert_int_equal(clo_selftest_run(tables, false, &selftest, text), 0);
	for (size_t i = 0; i < selftest.n; i++)
		if (selftest.results[i].planted == CLO_PLANT_MISSED)
			fail_msg("%s: %s", selftest.results[i].name,
				 selftest.results[i].text);
	seen.planted += selftest.planted;
}

static void fast_equals_plain(void **state)
{
	(void)state;
	for (seed = 1; seed <= TABLES; seed++) {
		struct clo_tables *tables;

		dice = seed * 2654435761U;
		tables = random_tables();
		assert_true(plain_is_sound(tables));
		prove_both(tables);
		if (seed % 10 == 0)
			plant_all(tables);
		for (int i = 0; i < CORRUPTIONS; i++) {
			corrupt(tables);
			prove_both(tables);
		}
		clo_tables_free(tables);
	}

	/* Nothing of it was always, or never, so. */
	assert_in_range(seen.refused, TABLES / 10, 3 * TABLES);
	assert_in_range(seen.sound, TABLES, 3 * TABLES);
	assert_true(seen.admitted > 0);
	assert_true(seen.planted > TABLES);
	for (size_t i = 0; i < CLO_INVARIANTS; i++) {
		assert_true(seen.broken[i] > 0);
		assert_true(seen.idle[i] > 0);
	}
}

static int tell_seed(void **state)
{
	(void)state;
	print_message("last seed: %u\n", seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(fast_equals_plain, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
