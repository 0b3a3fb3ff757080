/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/clock.h"
#include "agent/core/enumerate.h"
#include "bpf/node.h"

/* The decision code in the kernel, asked all that it can be asked. */

static const struct clo_tables *compiled(void)
{
	return node.force->compiled->tables;
}

static struct clo_enumeration enumerate(void)
{
	struct clo_enumeration found = {0};

	assert_int_equal(clo_enumerate(node.bpf, compiled(), &found), 0);
	return found;
}

static void test_all_of_it_as_compiled(void **state)
{
	struct clo_enumeration found;
	uint64_t allowed = 0;

	(void)state;
	(void)ask(apply());
	for (size_t i = 0; i < compiled()->table[CLO_TABLE_PAIRS].n; i++) {
		const uint64_t *bits;
		uint32_t row;

		memcpy(&row, clo_tables_value(compiled(), CLO_TABLE_PAIRS, i),
		       sizeof(row));
		bits = clo_tables_bits(compiled(), row);
		for (uint32_t w = 0; w < compiled()->gen.words; w++)
			allowed += (unsigned int)__builtin_popcountll(bits[w]);
	}
	found = enumerate();
	assert_int_equal(found.epoch, 1);
	assert_int_equal(found.pairs, (uint64_t)compiled()->gen.identities *
					      compiled()->gen.identities);
	assert_int_equal(found.verdicts, found.pairs * compiled()->gen.classes);
	assert_int_equal(found.slots, CLO_SLOTS);
	assert_true(allowed > 0);
	assert_int_equal(found.allowed, allowed);
	assert_int_equal(found.wrong, 0);
}

static void test_no_policy(void **state)
{
	const struct clo_tables none = {.gen = {.identities = 1}};
	struct clo_enumeration found;

	(void)state;
	assert_int_equal(clo_enumerate(node.bpf, &none, &found), -ENOENT);
}

/* Each kind of wrong, with the pair and the class that it is about. */
static void test_what_differs_is_named(void **state)
{
	CLO_AUTO_FD int services = -1;
	CLO_AUTO_FD int pairs = -1;
	CLO_AUTO_FD int words = -1;
	struct clo_services four;
	struct clo_enumeration found;
	struct clo_pair pair;
	uint32_t at = 443 / 4;
	uint32_t zero = 0;
	uint64_t word;
	uint32_t row;

	(void)ask(apply());
	pairs = node_table(*state, "pairs");
	words = node_table(*state, "words");
	services = node_table(*state, "services");
	/* a bit of row 0: of every pair that has it */
	assert_int_equal(bpf_map_lookup_elem(words, &zero, &word), 0);
	word ^= 1;
	assert_int_equal(bpf_map_update_elem(words, &zero, &word, BPF_ANY), 0);
	found = enumerate();
	assert_true(found.wrong >= 1);
	assert_int_equal(found.first.class, 0);
	assert_int_equal(found.first.allowed, word & 1);
	assert_int_equal(found.first.expected, !(word & 1));
	assert_int_equal(found.first.slot, CLO_SLOTS);
	pair = found.first.pair;
	assert_int_equal(bpf_map_lookup_elem(pairs, &pair, &row), 0);
	assert_int_equal(row, 0);
	word ^= 1;
	assert_int_equal(bpf_map_update_elem(words, &zero, &word, BPF_ANY), 0);

	/* a pair that is gone: what it allowed is denied */
	assert_int_equal(bpf_map_delete_elem(pairs, &pair), 0);
	found = enumerate();
	assert_true(found.wrong >= 1);
	assert_memory_equal(&found.first.pair, &pair, sizeof(pair));
	assert_false(found.first.allowed);
	assert_int_equal(bpf_map_update_elem(pairs, &pair, &row, BPF_ANY), 0);
	assert_int_equal(enumerate().wrong, 0);

	/* a port of another class */
	assert_int_equal(bpf_map_lookup_elem(services, &at, &four), 0);
	four.class[443 % 4] ^= 1;
	assert_int_equal(bpf_map_update_elem(services, &at, &four, BPF_ANY), 0);
	found = enumerate();
	assert_int_equal(found.wrong, 1);
	assert_int_equal(found.first.slot, CLO_SLOT_TCP + 443);
	four.class[443 % 4] ^= 1;
	assert_int_equal(bpf_map_update_elem(services, &at, &four, BPF_ANY), 0);
	assert_int_equal(enumerate().wrong, 0);
}

/* Asked at each apply, and told: in words, and by numbers in the statement. */
static void test_it_is_attested(void **state)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	CLO_AUTO_FD int words = -1;
	const json_t *decided;
	uint32_t zero = 0;
	uint64_t word;

	(void)ask(apply());
	decided =
		json_object_get(json_object_get(node.last, "proof"), "decided");
	assert_int_equal(number(decided, "epoch"), 1);
	assert_int_equal(number(decided, "wrong"), 0);
	assert_int_equal(number(decided, "slots"), CLO_SLOTS);

	/* not at every audit, but at the next of other tables */
	node.enumerate_due = clo_milliseconds() + 1e9;
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_memory_equal(&audit->decided, &node.enumerated,
			    sizeof(audit->decided));
	clo_audit_free(audit);
	audit = NULL;
	(void)ask(apply());
	assert_int_equal(node.enumerated.epoch, 2);

	words = node_table(*state, "words");
	assert_int_equal(bpf_map_lookup_elem(words, &zero, &word), 0);
	word ^= 1;
	assert_int_equal(bpf_map_update_elem(words, &zero, &word, BPF_ANY), 0);
	node.enumerate_due = 0;
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_true(audit->decided.wrong > 0);
	assert_true(audit->repair & CLO_REPAIR_TABLES);
	for (size_t i = 0; i < audit->problems.n; i++)
		if (strstr(audit->problems.list[i].text, "decision code"))
			return;
	fail_msg("the decision code's answer is not told");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_all_of_it_as_compiled),
		NODE_TEST(test_no_policy),
		NODE_TEST(test_what_differs_is_named),
		NODE_TEST(test_it_is_attested),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
