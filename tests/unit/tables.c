/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "unit/judged.h"

static struct made *sample(bool reversed)
{
	struct made *made = made_new();

	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 900);
	made_node(made, "172.16.0.1,fd99::1");
	made_service(made, "dns", true, "172.16.0.1", "udp/53");
	/* The compiler sorts what it numbers by itself. */
	for (int i = 0; i < 2; i++) {
		bool first = (i == 0) != reversed;

		made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0,
			      first ? WEB : DB,
			      first ? "10.0.0.1,fd00::1" : "10.0.0.2,fd00::2");
		if (reversed) /* the id belongs to the endpoint, as does its MAC */
			made->policy.workloads[i].interfaces->endpoint =
				first ? 1 : 2;
		made->policy.workloads[i].interfaces->mac[5] = first ? 1 : 2;
	}
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/443,udp/1-9");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "db", "tcp/22");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web",
		  "0.0.0.0/0-10.0.0.0/8", "any");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "2001:db8::/32", "web",
		  "icmpv6");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@dns", "udp/53");
	return made;
}

struct fixture {
	struct made *made;
	struct clo_compiled *expected, *observed;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->made = sample(false);
	fixture->expected = compile_at(fixture->made, 0);
	fixture->observed = compile_at(fixture->made, 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	clo_compiled_free(fixture->expected);
	clo_compiled_free(fixture->observed);
	made_free(fixture->made);
	free(fixture);
	return 0;
}

static void equal_tables_have_no_difference(void **state)
{
	struct fixture *fixture = *state;
	struct clo_difference difference;

	fixture->observed->tables->gen.epoch = 12;
	assert_int_equal(clo_tables_compare(fixture->expected->tables,
					    fixture->observed->tables,
					    &difference, 1),
			 0);
	for (int t = 0; t < CLO_TABLE_COUNT; t++)
		assert_true(fixture->expected->tables->table[t].n > 0);
}

/* Each bit of each table, by turns: one difference, there, and no other. */
static void every_single_bit_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *observed = fixture->observed->tables;

	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		size_t entry_size = clo_table_types[t].entry_size;
		size_t key_size = entry_size - clo_table_types[t].value_size;
		size_t bytes = observed->table[t].n * entry_size;
		uint8_t before[32];
		uint8_t after[32];

		clo_tables_digest(observed, (enum clo_table)t, before);
		for (size_t byte = 0;
		     byte<bytes; byte += byte> 4096 ? 997 : 1) {
			uint8_t bit = (uint8_t)(1U << (byte % 8));
			struct clo_difference found[3];
			size_t n;

			observed->table[t].entries[byte] ^= bit;
			n = clo_tables_compare(fixture->expected->tables,
					       observed, found, 3);
			if (byte % entry_size < key_size) {
				/* Another key: one is gone and one came. */
				assert_true(n >= 2);
			} else {
				assert_int_equal(n, 1);
				assert_int_equal(found[0].how,
						 CLO_DIFF_CHANGED);
				assert_int_equal(found[0].index,
						 byte / entry_size);
			}
			assert_int_equal(found[0].table, t);
			if (byte % 509 == 0) {
				clo_tables_digest(observed, (enum clo_table)t,
						  after);
				assert_memory_not_equal(before, after, 32);
			}
			observed->table[t].entries[byte] ^= bit;
		}
	}
}

static void a_changed_row_names_pair_and_class(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *observed = fixture->observed->tables;
	struct clo_verdict verdict = judge_flow(
		fixture->expected, 7, "10.0.0.1", "10.0.0.2", IPPROTO_TCP, 443);
	uint64_t *words = (void *)observed->table[CLO_TABLE_WORDS].entries;
	struct clo_difference difference;

	assert_in_range(verdict.class, 0, 63);
	words[verdict.row] ^= 1ULL << (verdict.class % 64);
	assert_int_equal(clo_tables_compare(fixture->expected->tables, observed,
					    &difference, 1),
			 1);
	assert_true(difference.has_pair);
	assert_int_equal(difference.class, verdict.class);
	assert_int_equal(difference.pair.src,
			 side_of(fixture->expected, 7, "10.0.0.1").identity);
	assert_int_equal(difference.pair.dst,
			 side_of(fixture->expected, 7, "10.0.0.2").identity);
}

static void missing_and_extra_entries(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *expected = fixture->expected->tables;
	struct clo_tables *observed = fixture->observed->tables;
	struct clo_difference found[2];

	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		observed->table[t].n--;
		assert_int_equal(
			clo_tables_compare(expected, observed, found, 2), 1);
		assert_int_equal(found[0].table, t);
		assert_int_equal(found[0].how, CLO_DIFF_MISSING);
		assert_int_equal(found[0].index, observed->table[t].n);
		assert_int_equal(
			clo_tables_compare(observed, expected, found, 2), 1);
		assert_int_equal(found[0].how, CLO_DIFF_EXTRA);
		observed->table[t].n++;
	}
}

static void more_differences_than_room_are_counted(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *observed = fixture->observed->tables;
	struct clo_difference found[2] = {0};

	memset(observed->table[CLO_TABLE_SERVICES].entries, 0xff,
	       observed->table[CLO_TABLE_SERVICES].n * 8);
	assert_int_equal(clo_tables_compare(fixture->expected->tables, observed,
					    found, 1),
			 CLO_SLOTS / 4);
	assert_int_equal(found[1].index, 0);
	assert_int_equal(clo_tables_compare(fixture->expected->tables, observed,
					    NULL, 0),
			 CLO_SLOTS / 4);
}

static void gen_is_compared(void **state)
{
	struct fixture *fixture = *state;
	struct clo_difference difference;

	fixture->observed->tables->gen.policy_digest[31] ^= 1;
	assert_int_equal(clo_tables_compare(fixture->expected->tables,
					    fixture->observed->tables,
					    &difference, 1),
			 1);
	assert_int_equal(difference.table, CLO_TABLE_COUNT);
}

static void sorting_restores_shuffled_entries(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *observed = fixture->observed->tables;

	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		size_t size = clo_table_types[t].entry_size;
		struct clo_table_data *data = &observed->table[t];

		if (clo_table_types[t].kind == CLO_TABLE_ARRAY || data->n < 2)
			continue;
		for (size_t i = 0; i < size; i++) {
			uint8_t kept = data->entries[i];
			size_t last = (data->n - 1) * size + i;

			data->entries[i] = data->entries[last];
			data->entries[last] = kept;
		}
		assert_int_not_equal(
			clo_tables_compare(fixture->expected->tables, observed,
					   NULL, 0),
			0);
	}
	clo_tables_sort(observed);
	assert_int_equal(clo_tables_compare(fixture->expected->tables, observed,
					    NULL, 0),
			 0);
}

static void digests_cover_counts_and_every_table(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *tables = fixture->observed->tables;
	uint8_t first[32];
	uint8_t second[32];

	clo_tables_digest_all(tables, first);
	assert_memory_equal(first, tables->gen.tables_digest, 32);
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		tables->table[t].n--;
		clo_tables_digest_all(tables, second);
		assert_memory_not_equal(first, second, 32);
		tables->table[t].n++;
	}
	tables->gen.rules++;
	clo_tables_digest_all(tables, second);
	assert_memory_not_equal(first, second, 32);
}

static void order_of_documents_does_not_matter(void **state)
{
	struct made *made = sample(true);
	CLO_AUTO(clo_compiled)
	struct clo_compiled *compiled = compile_at(made, 0);
	struct fixture *fixture = *state;

	assert_int_equal(clo_tables_compare(fixture->expected->tables,
					    compiled->tables, NULL, 0),
			 0);
	made_free(made);
}

static void find_is_exact(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_tables *tables = fixture->expected->tables;
	struct clo_addr4_key key = {7, {10, 0, 0, 1}};
	uint32_t index = tables->gen.identities;

	assert_non_null(clo_tables_find(tables, CLO_TABLE_ADDR4, &key));
	key.space = 900;
	assert_null(clo_tables_find(tables, CLO_TABLE_ADDR4, &key));
	assert_null(clo_tables_find(tables, CLO_TABLE_IDENTITIES, &index));
	index--;
	assert_non_null(clo_tables_find(tables, CLO_TABLE_IDENTITIES, &index));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_tables_have_no_difference),
		TEST(every_single_bit_is_found),
		TEST(a_changed_row_names_pair_and_class),
		TEST(missing_and_extra_entries),
		TEST(more_differences_than_room_are_counted),
		TEST(gen_is_compared),
		TEST(sorting_restores_shuffled_entries),
		TEST(digests_cover_counts_and_every_table),
		TEST(order_of_documents_does_not_matter),
		TEST(find_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
