/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/node.h"

/*
 * The gate before the kernel: what was not approved, and what cannot be
 * proven, leaves the kernel's tables, epoch, ports and programs as they were.
 */

/* Linked with --wrap=clo_compile: the tables may be made to contradict. */
static void (*sabotage)(struct clo_tables *tables);
int __real_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);
int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);

int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws)
{
	int r = __real_clo_compile(policy, now, ret_compiled, flaws);

	if (r == 0 && sabotage)
		sabotage((*ret_compiled)->tables);
	return r;
}

struct held {
	uint8_t tables[32];
	uint64_t epoch;
	struct clo_port port;
	struct clo_bpf_guard guard;
};

/* What the kernel holds. */
static struct held read_kernel(const struct sandbox *box)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	struct held held = {0};
	size_t n = 0;

	assert_int_equal(clo_bpf_tables_read(node.bpf, &tables), 0);
	clo_tables_digest_all(tables, held.tables);
	assert_int_equal(clo_bpf_epoch(node.bpf, &held.epoch), 0);
	assert_int_equal(clo_bpf_ports_read(node.bpf, &ports, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (ports[i].ifindex == box->ifindex)
			held.port = ports[i].port;
	assert_int_equal(held.port.kind, CLO_PORT_TAP);
	assert_int_equal(
		clo_bpf_guard_query(node.bpf, box->ifindex, &held.guard), 0);
	return held;
}

static void check_untouched(const struct sandbox *box, const struct held *held)
{
	struct held now = read_kernel(box);

	assert_memory_equal(now.tables, held->tables, sizeof(now.tables));
	assert_int_equal(now.epoch, held->epoch);
	assert_memory_equal(&now.port, &held->port, sizeof(now.port));
	assert_true(now.guard.from_guest.ours && now.guard.to_guest.ours);
}

/* One more port than before; approved NULL: nothing is said of it. */
static json_t *apply_other(const char *approved)
{
	json_t *documents = fixture_documents(false);

	fixture_edit(documents, "acme.json", "tcp/", "tcp/1");
	return json_pack("{s:s, s:o, s:s*}", "op", "apply", "documents",
			 documents, "approved", approved);
}

static const char *digest(const json_t *object)
{
	return text(json_object_get(object, "matrix"), "digest");
}

static const char *error(void)
{
	return text(reply, "error");
}

static void test_only_what_was_approved(void **state)
{
	struct sandbox *box = *state;
	char before[CLO_MATRIX_DIGEST];
	char planned[CLO_MATRIX_DIGEST];
	struct held held;
	json_t *plan;

	(void)snprintf(before, sizeof(before), "%s", digest(ask(apply())));
	assert_string_equal(text(ask(op("status")), "matrix"), before);
	held = read_kernel(box);
	plan = apply_other(NULL);
	(void)json_object_set_new(plan, "op", json_string("plan"));
	(void)snprintf(planned, sizeof(planned), "%s", digest(ask(plan)));
	assert_string_not_equal(planned, before);

	/* Approved was the policy that is in force, not this one. */
	assert_int_equal(refused(apply_other(before)), CLO_EXIT_REFUSED);
	assert_non_null(strstr(error(), before));
	assert_non_null(strstr(error(), planned));
	assert_int_equal(refused(apply_other("")), CLO_EXIT_REFUSED);
	assert_int_equal(
		refused(json_pack("{s:s, s:o, s:i}", "op", "apply", "documents",
				  fixture_documents(false), "approved", 7)),
		CLO_EXIT_USAGE);
	check_untouched(box, &held);
	assert_string_equal(text(ask(op("status")), "matrix"), before);

	assert_string_equal(digest(ask(apply_other(planned))), planned);
	assert_string_equal(text(ask(op("status")), "matrix"), planned);
	assert_int_equal(read_kernel(box).epoch, held.epoch + 1);
	assert_string_equal(
		text(json_object_get(node.last, "policy"), "matrix"), planned);
}

static void allow_what_no_rule_owns(struct clo_tables *tables)
{
	uint64_t *word = (uint64_t *)tables->table[CLO_TABLE_WORDS].entries;

	*word = ~*word;
}

static void lead_a_pair_astray(struct clo_tables *tables)
{
	uint32_t row = 1U << 30;

	memcpy(tables->table[CLO_TABLE_PAIRS].entries + sizeof(struct clo_pair),
	       &row, sizeof(row));
}

static void give_an_address_away(struct clo_tables *tables)
{
	struct clo_addr *last =
		(struct clo_addr *)(tables->table[CLO_TABLE_ADDR4].entries +
				    sizeof(struct clo_addr4_key));

	last->identity = tables->gen.identities;
}

static void name_no_such_class(struct clo_tables *tables)
{
	tables->table[CLO_TABLE_SERVICES].entries[0] = 0xfe;
	tables->table[CLO_TABLE_SERVICES].entries[1] = 0xfe;
}

/* Tables that contradict themselves prove nothing: refused, by plan too. */
static void test_what_cannot_be_proven(void **state)
{
	static void (*const ways[])(struct clo_tables *) = {
		allow_what_no_rule_owns,
		lead_a_pair_astray,
		give_an_address_away,
		name_no_such_class,
	};
	struct sandbox *box = *state;
	char before[CLO_MATRIX_DIGEST];
	struct held held;

	(void)snprintf(before, sizeof(before), "%s", digest(ask(apply())));
	held = read_kernel(box);
	for (size_t i = 0; i < CLO_ARRAY_LEN(ways); i++) {
		json_t *plan = apply_other(NULL);

		(void)json_object_set_new(plan, "op", json_string("plan"));
		sabotage = ways[i];
		assert_int_equal(refused(apply_other(NULL)), CLO_EXIT_REFUSED);
		assert_non_null(strstr(
			text(json_array_get(json_object_get(reply, "flaws"), 0),
			     "text"),
			"compiled tables: "));
		assert_int_equal(refused(plan), CLO_EXIT_REFUSED);
		sabotage = NULL;
		check_untouched(box, &held);
		assert_string_equal(text(ask(op("status")), "matrix"), before);
	}
	(void)ask(apply_other(NULL));
	assert_int_equal(read_kernel(box).epoch, held.epoch + 1);
}

static json_t *ask_for(const char *question, const char *of, const char *other)
{
	return json_pack("{s:s, s:s, s:s*, s:s*, s:i}", "op", "ask", "question",
			 question, "of", of, "other", other, "within", 86400);
}

/* About what the kernel holds: no answer while it holds something else. */
static void test_questions(void **state)
{
	struct clo_table_data *words;
	const json_t *answer;

	(void)state;
	assert_int_equal(refused(ask_for("reach", "acme", NULL)),
			 CLO_EXIT_INCONCLUSIVE);
	(void)ask(apply());
	answer = ask(ask_for("isolated", "acme", "globex"));
	assert_string_equal(text(answer, "verdict"), "PROVED");
	answer = ask(ask_for("reach", "acme/production/web", NULL));
	assert_true(json_array_size(json_object_get(answer, "in")) > 0);
	answer = ask(ask_for("rules", NULL, NULL));
	assert_true(json_array_size(json_object_get(answer, "neverHit")) > 0);
	assert_true(number(answer, "since") > 0);

	assert_int_equal(refused(ask_for("reach", "nobody", NULL)),
			 CLO_EXIT_USAGE);
	assert_int_equal(refused(ask_for("isolated", "acme", NULL)),
			 CLO_EXIT_USAGE);
	assert_int_equal(refused(ask_for("weather", "acme", NULL)),
			 CLO_EXIT_USAGE);
	assert_int_equal(refused(json_pack("{s:s, s:s}", "op", "ask",
					   "question", "rules")),
			 CLO_EXIT_USAGE);

	words = &node.force->compiled->tables->table[CLO_TABLE_WORDS];
	words->entries[0] ^= 1;
	assert_int_equal(refused(ask_for("isolated", "acme", "globex")),
			 CLO_EXIT_INCONCLUSIVE);
	words->entries[0] ^= 1;
	(void)ask(ask_for("isolated", "acme", "globex"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_only_what_was_approved),
		NODE_TEST(test_what_cannot_be_proven),
		NODE_TEST(test_questions),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
