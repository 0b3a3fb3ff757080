/* SPDX-License-Identifier: Apache-2.0 */
#include <systemd/sd-event.h>

#include "agent/base/clock.h"
#include "agent/core/prove.h"
#include "agent/core/record.h"
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
		uint32_t row;

		memcpy(&row, clo_tables_value(compiled(), CLO_TABLE_PAIRS, i),
		       sizeof(row));
		for (uint32_t w = 0; w < compiled()->gen.words; w++)
			allowed += (unsigned int)__builtin_popcountll(
				clo_tables_bits(compiled(), row)[w]);
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

static const json_t *told_of(const json_t *predicate)
{
	return json_object_get(json_object_get(predicate, "proof"), "decided");
}

static const json_t *status_of(void)
{
	return json_object_get(ask(op("status")), "decisions");
}

static json_t *level_of(const json_t *proof)
{
	json_t *level;
	size_t i;

	json_array_foreach (json_object_get(proof, "levels"), i, level)
		if (strcmp(text(level, "name"), "decisions") == 0)
			return json_incref(level);
	fail_msg("no level of decisions");
	return NULL;
}

/* Of `cloison prove`, without what it would wait for. */
static json_t *level_now(void)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	json_auto_t *told = NULL;

	assert_int_equal(clo_audit_run(&node, &audit), 0);
	told = clo_prove_tell(&node, audit);
	return level_of(told);
}

/* What an audit says of it; "": nothing. */
static const char *finding_of(const struct clo_audit *audit)
{
	for (size_t i = 0; i < audit->problems.n; i++)
		if (strstr(audit->problems.list[i].text, "decision code"))
			return audit->problems.list[i].text;
	return "";
}

/* What the daemon's loop does, until nothing of this is left to do. */
struct loop {
	sd_event *event;
	struct clo_decider *decider;
	size_t news; /* told of */
	size_t wrong; /* that an audit put in words */
	void (*after)(void); /* each; or NULL */
};

static void on_news(void *userdata)
{
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	struct loop *loop = userdata;

	loop->news++;
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	loop->wrong += finding_of(audit)[0] != '\0';
	assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
	if (loop->after)
		loop->after();
}

static int happens(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	return 0;
}

static void run_loop(struct loop *loop)
{
	assert_true(sd_event_new(&loop->event) >= 0);
	assert_int_equal(clo_decider_new(loop->event, &node, on_news, loop,
					 &loop->decider),
			 0);
	assert_true(sd_event_add_defer(loop->event, NULL, happens, NULL) >= 0);
	for (int i = 0; i < 1000 && clo_decisions_are_due(&node); i++)
		assert_true(sd_event_run(loop->event, 0) >= 0);
	assert_false(clo_decisions_are_due(&node));
	clo_decider_free(loop->decider);
	(void)sd_event_unref(loop->event);
}

/* An apply is answered before; until it is done nothing claims that it is. */
static void test_behind_the_reply(void **state)
{
	struct loop loop = {0};
	json_auto_t *before = NULL;
	json_auto_t *behind = NULL;

	(void)state;
	assert_string_equal(text(ask(apply()), "verdict"), "PASSED");
	assert_true(clo_decisions_are_due(&node));
	assert_int_equal(node.decisions.last.epoch, 0);
	assert_true(json_is_null(told_of(node.last)));
	assert_string_equal(text(status_of(), "verdict"), "NOT-COVERED");
	assert_non_null(strstr(text(status_of(), "text"), "under way"));
	before = level_now();
	assert_string_equal(text(before, "verdict"), "NOT-COVERED");
	assert_int_equal(number(before, "lookedAt"), 0);

	run_loop(&loop);
	assert_int_equal(loop.news, 1);
	assert_int_equal(number(told_of(node.last), "epoch"), 1);
	assert_int_equal(number(told_of(node.last), "wrong"), 0);
	assert_int_equal(number(told_of(node.last), "slots"), CLO_SLOTS);
	assert_string_equal(text(status_of(), "verdict"), "PROVED");
	behind = level_now();
	assert_string_equal(text(behind, "verdict"), "PROVED");
	assert_int_equal(number(behind, "lookedAt"),
			 node.decisions.last.verdicts + CLO_SLOTS);

	/* other tables, of which nothing is known again */
	(void)ask(apply());
	assert_true(json_is_null(told_of(node.last)));
	assert_string_equal(text(status_of(), "verdict"), "NOT-COVERED");
}

static json_t *apply_other(void)
{
	json_t *documents = fixture_documents(false);

	fixture_edit(documents, "acme.json", "tcp/", "tcp/1");
	return json_pack("{s:s, s:o}", "op", "apply", "documents", documents);
}

/* What was asked of other tables counts for nothing. */
static void test_an_apply_in_the_middle(void **state)
{
	struct loop loop = {0};
	struct clo_enumeration before;
	uint64_t epoch = 0;

	(void)state;
	(void)ask(apply());
	clo_decisions_some(&node, 0);
	assert_non_null(node.decisions.now); /* the slots are left */
	(void)ask(apply_other());
	assert_null(node.decisions.now);
	assert_int_equal(node.decisions.last.epoch, 0);
	run_loop(&loop);
	assert_int_equal(node.decisions.last.epoch, 2);
	assert_int_equal(node.decisions.last.wrong, 0);
	assert_int_equal(loop.wrong, 0);

	/* the same tables in another epoch: a repair */
	before = node.decisions.last;
	node.decisions.due = 0;
	clo_decisions_some(&node, 0);
	assert_non_null(node.decisions.now);
	assert_int_equal(clo_bpf_tables_write(node.bpf, compiled(), &epoch), 0);
	clo_decisions_some(&node, 0);
	assert_null(node.decisions.now);
	assert_memory_equal(&node.decisions.last, &before, sizeof(before));
	assert_string_equal(text(status_of(), "verdict"), "NOT-COVERED");
	run_loop(&loop);
	assert_int_equal(node.decisions.last.epoch, epoch);
	assert_int_equal(loop.wrong, 0);
	assert_int_equal(loop.news, 2);
}

static const struct sandbox *planting;

/* A bit of a row, in the kernel's tables of now. */
static void plant(void)
{
	CLO_AUTO_FD int words = node_table(planting, "words");
	uint32_t zero = 0;
	uint64_t word;

	assert_int_equal(bpf_map_lookup_elem(words, &zero, &word), 0);
	word ^= 1;
	assert_int_equal(bpf_map_update_elem(words, &zero, &word, BPF_ANY), 0);
}

/* Found behind the reply; told, and repaired, and asked again. */
static void test_what_is_planted_is_repaired(void **state)
{
	struct loop loop = {0};

	planting = *state;
	(void)ask(apply());
	plant();
	run_loop(&loop);
	assert_int_equal(loop.wrong, 1);
	assert_int_equal(loop.news, 2);
	assert_int_equal(node.decisions.last.epoch, 2);
	assert_string_equal(text(status_of(), "verdict"), "PROVED");
	assert_string_equal(node.verdict, "PASSED");

	/* the same tables, when their time has come again */
	plant();
	assert_false(clo_decisions_are_due(&node));
	node.decisions.due = 0;
	run_loop(&loop);
	assert_int_equal(loop.wrong, 2);
	assert_int_equal(node.decisions.last.epoch, 3);
	assert_int_equal(node.decisions.last.wrong, 0);
}

/* A repair that does not help is tried once in a period, not for ever. */
static void test_what_stays_wrong(void **state)
{
	struct loop loop = {.after = plant};

	planting = *state;
	(void)ask(apply());
	plant();
	run_loop(&loop);
	assert_int_equal(loop.wrong, 2);
	assert_int_equal(node.decisions.failures, 2);
	assert_true(node.decisions.due > clo_milliseconds() + 50e3);
	(void)ask(apply()); /* others are asked at once */
	assert_true(clo_decisions_are_due(&node));
}

/* Who asks for a proof waits for it, and reads what is there now. */
static void test_a_proof_waits(void **state)
{
	planting = *state;
	(void)ask(apply());
	for (int round = 0; round < 2; round++) {
		json_auto_t *level = level_of(ask(op("prove")));

		assert_string_equal(text(level, "verdict"),
				    round ? "VIOLATED" : "PROVED");
		plant();
	}
	/* it changes nothing: the loop will */
	assert_true(node.decisions.news);
	assert_int_equal(node.decisions.asked, 1);
}

static uint32_t identity_of(uint32_t endpoint)
{
	const uint32_t key[2] = {CLO_SPACE_SELF, endpoint};
	const struct clo_addr *self =
		clo_tables_find(compiled(), CLO_TABLE_ADDR4, key);

	assert_non_null(self);
	return self->identity;
}

/* The witness of the level, as `cloison prove` shows it. */
static json_t *witness_now(void)
{
	json_auto_t *level = level_of(ask(op("prove")));

	assert_string_equal(text(level, "verdict"), "VIOLATED");
	return json_incref(
		json_array_get(json_object_get(level, "witnesses"), 0));
}

static void check_witness(const json_t *witness, const char *kernel,
			  const char *attached)
{
	assert_string_equal(text(witness, "kernel"), kernel);
	assert_string_not_equal(text(witness, "policy"), kernel);
	assert_string_equal(text(witness, "attached"), attached);
	assert_string_equal(text(witness, "replay"), "reproduces");
	assert_non_null(strstr(text(witness, "scapy"), "dport=5432"));
	assert_int_equal(
		number(json_object_get(witness, "fields"), "destinationPort"),
		5432);
	assert_int_equal(strlen(text(witness, "hex")), 2 * 54);
}

/* Of a pair that the kernel lost, and of one that it has for nothing. */
static void test_what_is_wrong_is_a_packet(void **state)
{
	const struct sandbox *box = *state;
	const struct clo_workload_doc *shop;
	CLO_AUTO_FD int pairs = -1;
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;
	json_auto_t *lost = NULL;
	json_auto_t *made = NULL;
	struct clo_pair pair = {0};
	uint32_t row;

	(void)ask(apply());
	pairs = node_table(*state, "pairs");
	shop = clo_inventory_find(node.inventory, box->ifindex)->workload;
	pair.src = identity_of(shop->interfaces[0].endpoint);
	pair.dst = identity_of(shop->interfaces[1].endpoint);
	assert_int_equal(bpf_map_lookup_elem(pairs, &pair, &row), 0);
	assert_int_equal(bpf_map_delete_elem(pairs, &pair), 0);
	lost = witness_now();
	check_witness(lost, "denied", "drops");
	assert_string_equal(text(lost, "packet"),
			    "10.0.0.5 > 10.0.1.5 tcp/5432");
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_non_null(strstr(finding_of(audit),
			       "; 10.0.0.5 > 10.0.1.5 tcp/5432: the "
			       "attached program drops the frame"));
	assert_true(json_equal(audit->contradiction, lost));
	assert_int_equal(bpf_map_update_elem(pairs, &pair, &row, BPF_ANY), 0);

	/* the first outside whom no rule lets this one reach */
	for (pair.dst = 1; pair.dst < compiled()->gen.identities; pair.dst++) {
		const struct clo_identity *to = clo_tables_find(
			compiled(), CLO_TABLE_IDENTITIES, &pair.dst);

		if (to->kind == CLO_IDENTITY_EXTERNAL &&
		    !clo_tables_find(compiled(), CLO_TABLE_PAIRS, &pair))
			break;
	}
	assert_in_range(pair.dst, 1, compiled()->gen.identities - 1);
	assert_int_equal(bpf_map_update_elem(pairs, &pair, &row, BPF_ANY), 0);
	made = witness_now();
	check_witness(made, "allowed", "passes");

	/* and so it is in what is signed, before it is repaired */
	node.decisions.news = false;
	clo_audit_free(audit);
	audit = NULL;
	assert_int_equal(clo_audit_run(&node, &audit), 0);
	assert_int_equal(clo_record_audit(&node, audit, "event", NULL), 0);
	assert_true(json_equal(json_object_get(told_of(node.last), "witness"),
			       made));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_all_of_it_as_compiled),
		NODE_TEST(test_no_policy),
		NODE_TEST(test_what_differs_is_named),
		NODE_TEST(test_behind_the_reply),
		NODE_TEST(test_an_apply_in_the_middle),
		NODE_TEST(test_what_is_planted_is_repaired),
		NODE_TEST(test_what_stays_wrong),
		NODE_TEST(test_a_proof_waits),
		NODE_TEST(test_what_is_wrong_is_a_packet),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
