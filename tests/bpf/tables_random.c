/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

/*
 * Writes go by difference from what a slot held before. Long sequences of
 * random tables, small steps and large, must each read back equal.
 */

#define STEPS 200
#define KEYS 300 /* of each hash; entries come and go among them */

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

/* Entry number `i` of a table, of KEYS at most. */
static void make_entry(unsigned int t, uint32_t i, uint8_t *entry)
{
	const struct clo_table_type *type = &clo_table_types[t];

	memset(entry, 0, type->entry_size);
	if (type->kind == CLO_TABLE_LPM) {
		entry[0] = (uint8_t)(i % 16 + 9); /* bits; the rest is 0 */
		entry[4] = (uint8_t)(i / 16);
	} else if (type->kind == CLO_TABLE_HASH) {
		entry[0] = (uint8_t)(i >> 8);
		entry[type->key_size - 1] = (uint8_t)i;
	}
	entry[type->entry_size - 1] = (uint8_t)draw(4);
	entry[type->entry_size - type->value_size] = (uint8_t)draw(256);
}

static void fill_table(struct clo_tables *tables, unsigned int t,
		       uint32_t density)
{
	const struct clo_table_type *type = &clo_table_types[t];
	struct clo_table_data *data = &tables->table[t];

	data->n = 0;
	free(data->entries);
	data->entries = calloc((size_t)KEYS * 4, type->entry_size);
	assert_non_null(data->entries);
	if (type->kind == CLO_TABLE_ARRAY) {
		uint32_t n = draw(KEYS * (1 + 3 * (density == 100)));

		for (uint32_t i = 0; i < n; i++)
			make_entry(t, i,
				   data->entries +
					   data->n++ * type->entry_size);
		return;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		if (draw(100) < density)
			make_entry(t, i,
				   data->entries +
					   data->n++ * type->entry_size);
}

/* One more, one less or another value: what most applies are. */
static void change_little(struct clo_tables *tables, unsigned int t)
{
	const struct clo_table_type *type = &clo_table_types[t];
	struct clo_table_data *data = &tables->table[t];
	size_t at;

	if (data->n == 0)
		return;
	at = draw((uint32_t)data->n);
	if (draw(3) == 0 && type->kind != CLO_TABLE_ARRAY) {
		memmove(data->entries + at * type->entry_size,
			data->entries + (at + 1) * type->entry_size,
			(data->n - at - 1) * type->entry_size);
		data->n--;
		return;
	}
	data->entries[(at + 1) * type->entry_size - 1] ^= 1;
}

static void step(struct clo_tables *tables)
{
	uint32_t how = draw(10);

	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++) {
		if (how == 0)
			fill_table(tables, t,
				   draw(3) * 50); /* none, half, all */
		else if (how < 3 && draw(3) == 0)
			fill_table(tables, t, draw(100));
		else if (how < 8)
			change_little(tables, t);
	}
	clo_tables_sort(tables);
	tables->gen.rules = 1 + draw(how == 0 ? 2000 : 50);
}

static void assert_live(struct sandbox *box, const struct clo_tables *tables,
			uint64_t epoch)
{
	CLO_AUTO(clo_tables) struct clo_tables *live = NULL;
	CLO_AUTO_MEM struct clo_hits *hits = NULL;
	struct clo_difference difference;
	size_t n;

	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), 0);
	assert_int_equal(live->gen.epoch, epoch);
	assert_int_equal(clo_tables_compare(tables, live, &difference, 1), 0);
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		assert_int_equal(live->table[t].n, tables->table[t].n);
	assert_int_equal(clo_bpf_hits_read(box->bpf, &hits, &n), 0);
	assert_int_equal(n, tables->gen.rules);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(hits[i].flows, 0);
}

static struct clo_tables *start(struct sandbox *box)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	assert_non_null(tables);
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++)
		fill_table(tables, t, 50);
	clo_tables_sort(tables);
	tables->gen.rules = 5;
	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	return tables;
}

/* Traffic of the generation that is to go: it must not show in the next. */
static void count_hit(const struct sandbox *box, uint64_t epoch)
{
	struct clo_hits hit = {1, 2, 3};
	CLO_AUTO_FD int fd = -1;
	char name[64];
	__u32 key = 0;

	(void)snprintf(name, sizeof(name), "gen/%u/hits",
		       (unsigned int)(epoch & 1));
	fd = sandbox_pin(box, name);
	assert_int_equal(bpf_map_update_elem(fd, &key, &hit, BPF_ANY), 0);
}

static void run(struct sandbox *box, bool settle, bool reopen)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = start(box);
	uint64_t epoch = 0;

	for (uint64_t i = 1; i <= STEPS; i++) {
		assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch),
				 0);
		assert_int_equal(epoch, i);
		assert_live(box, tables, i);
		count_hit(box, i);
		step(tables);
		if (settle)
			clo_bpf_tables_settle(box->bpf);
		if (reopen && draw(10) == 0) {
			sandbox_close(box);
			assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
		}
	}
}

/* Every write has to wait for what the one before left to do. */
static void test_at_once(void **state)
{
	seed = 1;
	run(*state, false, false);
}

static void test_settled(void **state)
{
	seed = 2;
	run(*state, true, false);
}

/* A new process knows nothing of what the slots hold. */
static void test_reopened(void **state)
{
	seed = 3;
	run(*state, false, true);
}

static void planted(struct sandbox *box, uint64_t epoch, __u32 src)
{
	struct clo_pair pair = {src, 4712};
	CLO_AUTO_FD int fd = -1;
	char name[64];
	__u32 row = 0;

	(void)snprintf(name, sizeof(name), "gen/%u/pairs",
		       (unsigned int)(epoch & 1));
	fd = sandbox_pin(box, name);
	assert_int_equal(bpf_map_update_elem(fd, &pair, &row, BPF_ANY), 0);
}

/* What another put into the live slot is gone for good after a write. */
static void test_repair(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	uint64_t epoch;

	seed = 4;
	tables = start(box);
	for (uint64_t i = 1; i < 10; i++) {
		assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch),
				 0);
		assert_live(box, tables, i);
		planted(box, i, (__u32)i);
	}
}

/* A copy that is wrong about the idle slot, either way. */
static void test_strange_idle_slot(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	CLO_AUTO_FD int fd = -1;
	struct clo_pair pair;
	uint64_t epoch;

	seed = 5;
	tables = start(box);
	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch), 0);
	clo_bpf_tables_settle(box->bpf);
	/* An entry that the next write removes is gone already. */
	memcpy(&pair, clo_tables_key(tables, CLO_TABLE_PAIRS, 0), sizeof(pair));
	fd = sandbox_pin(box, "gen/0/pairs");
	assert_int_equal(bpf_map_delete_elem(fd, &pair), 0);
	memmove(tables->table[CLO_TABLE_PAIRS].entries,
		tables->table[CLO_TABLE_PAIRS].entries + 12,
		--tables->table[CLO_TABLE_PAIRS].n * 12);
	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch), 0);
	assert_live(box, tables, 2);
}

/* Somebody replaced a whole map of the idle slot. */
static void test_strange_map(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	CLO_AUTO_FD int outer = -1;
	CLO_AUTO_FD int fd = -1;
	struct clo_pair pair = {4711, 4712};
	uint64_t epoch;
	__u32 slot = 0;

	seed = 6;
	tables = start(box);
	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch), 0);
	clo_bpf_tables_settle(box->bpf);
	outer = sandbox_pin(box, "map/clo_pairs");
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "strange", 8, 4, 5000, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &pair, &slot, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(outer, &slot, &fd, BPF_ANY), 0);
	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch), 0);
	assert_live(box, tables, 2);
}

/* Behind the last entry of an array nothing hides. */
static void test_tail_is_seen(void **state)
{
	struct sandbox *box = *state;
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	CLO_AUTO(clo_tables) struct clo_tables *live = NULL;
	struct clo_difference differences[2];
	CLO_AUTO_FD int fd = -1;
	__u64 word = 1;
	uint64_t epoch;
	__u32 key;

	seed = 7;
	tables = start(box);
	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &epoch), 0);
	key = (__u32)tables->table[CLO_TABLE_WORDS].n + 3;
	fd = sandbox_pin(box, "gen/1/words");
	assert_int_equal(bpf_map_update_elem(fd, &key, &word, BPF_ANY), 0);
	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), 0);
	assert_int_equal(live->table[CLO_TABLE_WORDS].n, key + 1);
	assert_true(clo_tables_compare(tables, live, differences, 2) > 1);
	/* the generation says less, and there is more */
	assert_int_equal(differences[0].table, CLO_TABLE_COUNT);
	assert_int_equal(differences[1].table, CLO_TABLE_WORDS);
	assert_int_equal(differences[1].how, CLO_DIFF_EXTRA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_at_once),
		SANDBOX_TEST(test_settled),
		SANDBOX_TEST(test_reopened),
		SANDBOX_TEST(test_repair),
		SANDBOX_TEST(test_strange_idle_slot),
		SANDBOX_TEST(test_strange_map),
		SANDBOX_TEST(test_tail_is_seen),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
