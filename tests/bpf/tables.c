/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

static struct clo_tables *make_tables(size_t pairs)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	assert_non_null(tables);
	for (unsigned int t = 0; t < CLO_TABLE_COUNT; t++) {
		const struct clo_table_type *type = &clo_table_types[t];
		struct clo_table_data *data = &tables->table[t];

		data->n = type->kind == CLO_TABLE_HASH ? pairs : 33;
		data->entries = calloc(data->n, type->entry_size);
		assert_non_null(data->entries);
		for (size_t i = 0; i < data->n; i++) {
			uint8_t *entry = data->entries + i * type->entry_size;
			uint32_t number = (uint32_t)i + 1;

			if (type->kind == CLO_TABLE_LPM) {
				entry[0] = (uint8_t)(i < 33 ? i : 0);
				memset(entry + 4, 0, type->key_size - 4);
			} else {
				memcpy(entry, &number, sizeof(number));
			}
			entry[type->entry_size - 1] = (uint8_t)(i + t);
		}
	}
	clo_tables_sort(tables);
	tables->gen.classes = 33;
	tables->gen.words = 1;
	tables->gen.identities = 33;
	tables->gen.rules = 5;
	tables->gen.policy_digest[0] = 0xab;
	return tables;
}

static void write_ok(struct sandbox *box, const struct clo_tables *tables,
		     uint64_t epoch)
{
	uint64_t got = 0;

	assert_int_equal(clo_bpf_tables_write(box->bpf, tables, &got), 0);
	assert_int_equal(got, epoch);
	assert_int_equal(clo_bpf_epoch(box->bpf, &got), 0);
	assert_int_equal(got, epoch);
}

static void assert_live(struct sandbox *box, const struct clo_tables *tables,
			uint64_t epoch)
{
	CLO_AUTO(clo_tables) struct clo_tables *live = NULL;
	struct clo_difference difference;

	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), 0);
	assert_int_equal(live->gen.epoch, epoch);
	assert_int_equal(live->gen.rules, tables->gen.rules);
	assert_int_equal(live->gen.policy_digest[0],
			 tables->gen.policy_digest[0]);
	assert_int_equal(clo_tables_compare(tables, live, &difference, 1), 0);
}

static void test_no_policy(void **state)
{
	struct sandbox *box = *state;
	struct clo_tables *tables = NULL;
	struct clo_hits *hits = NULL;
	uint64_t epoch = 77;
	size_t n;

	assert_false(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_int_equal(clo_bpf_epoch(box->bpf, &epoch), 0);
	assert_int_equal(epoch, 0);
	assert_int_equal(clo_bpf_tables_read(box->bpf, &tables), -ENOENT);
	assert_null(tables);
	assert_int_equal(clo_bpf_hits_read(box->bpf, &hits, &n), -ENOENT);
}

static void test_read_back_equal(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *small = make_tables(3);
	CLO_AUTO(clo_tables) struct clo_tables *large = make_tables(100000);
	CLO_AUTO_MEM struct clo_hits *hits = NULL;
	struct sandbox *box = *state;
	size_t n;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, small, 1);
	assert_live(box, small, 1);
	write_ok(box, large, 2);
	assert_live(box, large, 2);
	write_ok(box, small, 3);
	assert_live(box, small, 3);
	assert_int_equal(clo_bpf_hits_read(box->bpf, &hits, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(hits[4].packets, 0);
}

static void test_empty_tables(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *full = make_tables(3);
	CLO_AUTO(clo_tables) struct clo_tables *none = NULL;
	struct sandbox *box = *state;

	none = calloc(1, sizeof(*none));
	assert_non_null(none);
	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	/* Twice: both slots held something before. */
	write_ok(box, full, 1);
	write_ok(box, full, 2);
	write_ok(box, none, 3);
	assert_live(box, none, 3);
	write_ok(box, full, 4);
	assert_live(box, full, 4);
}

static void test_flipped_bit_is_seen(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(3);
	CLO_AUTO(clo_tables) struct clo_tables *live = NULL;
	struct clo_difference difference = {0};
	struct sandbox *box = *state;
	CLO_AUTO_FD int fd = -1;
	__u32 key = 7;
	__u64 word;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, tables, 1);
	fd = sandbox_pin(box, "gen/1/words");
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &word), 0);
	word ^= 1ULL << 40;
	assert_int_equal(bpf_map_update_elem(fd, &key, &word, BPF_ANY), 0);

	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), 0);
	assert_int_equal(clo_tables_compare(tables, live, &difference, 1), 1);
	assert_int_equal(difference.table, CLO_TABLE_WORDS);
	assert_int_equal(difference.index, 7);
}

static void test_planted_pair_is_seen(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(3);
	CLO_AUTO(clo_tables) struct clo_tables *live = NULL;
	struct clo_difference differences[4] = {0};
	struct sandbox *box = *state;
	CLO_AUTO_FD int fd = -1;
	struct clo_pair pair;
	__u32 row = 0;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, tables, 1);
	fd = sandbox_pin(box, "gen/1/pairs");
	memcpy(&pair, clo_tables_key(tables, CLO_TABLE_PAIRS, 0), sizeof(pair));
	assert_int_equal(bpf_map_delete_elem(fd, &pair), 0);
	pair = (struct clo_pair){4711, 4712};
	assert_int_equal(bpf_map_update_elem(fd, &pair, &row, BPF_ANY), 0);

	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), 0);
	assert_int_equal(clo_tables_compare(tables, live, differences, 4), 2);
}

/* The live slot says one epoch, its description another: refuse to guess. */
static void test_contradicting_generation(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(3);
	struct clo_tables *live = NULL;
	struct sandbox *box = *state;
	struct clo_live other = {9};
	CLO_AUTO_FD int fd = -1;
	__u32 key = 0;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, tables, 1);
	fd = sandbox_pin(box, "map/clo_live");
	assert_int_equal(bpf_map_update_elem(fd, &key, &other, BPF_ANY), 0);
	assert_int_equal(clo_bpf_tables_read(box->bpf, &live), -EBADMSG);
}

static void test_failed_write_changes_nothing(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(3);
	CLO_AUTO(clo_tables) struct clo_tables *bad = make_tables(9);
	struct clo_table_data *pairs = &bad->table[CLO_TABLE_PAIRS];
	struct sandbox *box = *state;
	uint64_t epoch = 77;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, tables, 1);

	/* A key twice; then a table beyond all bounds, late in the order. */
	memcpy(pairs->entries + 12, pairs->entries, 8);
	assert_int_equal(clo_bpf_tables_write(box->bpf, bad, &epoch), -EINVAL);
	assert_live(box, tables, 1);
	memcpy(bad->table[CLO_TABLE_PAIRS].entries,
	       tables->table[CLO_TABLE_PAIRS].entries, 36);
	pairs->n = 3;
	bad->gen.rules = UINT32_MAX;
	assert_int_equal(clo_bpf_tables_write(box->bpf, bad, &epoch), -E2BIG);
	assert_int_equal(epoch, 77);
	assert_live(box, tables, 1);

	bad->gen.rules = 1;
	write_ok(box, bad, 2);
	assert_live(box, bad, 2);
}

static void test_survives_reopen(void **state)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(50);
	struct sandbox *box = *state;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	write_ok(box, tables, 1);
	sandbox_close(box);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_live(box, tables, 1);
	write_ok(box, tables, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_no_policy),
		SANDBOX_TEST(test_read_back_equal),
		SANDBOX_TEST(test_empty_tables),
		SANDBOX_TEST(test_flipped_bit_is_seen),
		SANDBOX_TEST(test_planted_pair_is_seen),
		SANDBOX_TEST(test_contradicting_generation),
		SANDBOX_TEST(test_failed_write_changes_nothing),
		SANDBOX_TEST(test_survives_reopen),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
