/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prove.h"

#include <errno.h>

#include "check.h"
#include "unit/judged.h"

struct fixture {
	struct made *made;
	struct clo_compiled *compiled;
	struct clo_proof proof;
	bool excepted[16];
	char text[160];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct made *made = made_new();

	assert_non_null(fixture);
	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 9);
	made_tenant(made, "coil", 11);
	made_get(made, "coil")->test_dev = true;
	made_node(made, "172.16.0.1,172.16.0.2");
	made_service(made, "dns", true, "172.16.0.1", "udp/53");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_endpoint(made, "acme", CLO_ENV_DEVELOPMENT, 0, WEB, "10.0.2.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "coil", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_endpoint(made, "coil", CLO_ENV_DEVELOPMENT, 0, WEB, "10.0.0.2");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "web", "any");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@dns", "udp/53");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "0.0.0.0/0",
		  "tcp/443");
	fixture->made = made;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	clo_compiled_free(fixture->compiled);
	made_free(fixture->made);
	free(fixture);
	return 0;
}

static int prove(struct fixture *fixture)
{
	if (!fixture->compiled)
		fixture->compiled = compile_at(fixture->made, 1000);
	for (uint32_t i = 0; i < fixture->compiled->tables->gen.rules; i++)
		fixture->excepted[i] = fixture->compiled->excepted[i] != NULL;
	return clo_prove(fixture->compiled->tables, fixture->excepted,
			 fixture->compiled->tables->gen.rules, &fixture->proof,
			 fixture->text);
}

static void empty_tables_prove(void **state)
{
	struct fixture *fixture = *state;
	struct made *made = made_new();

	fixture->compiled = compile_at(made, 0);
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.verdicts, 0);
	assert_int_equal(fixture->proof.classes, 1);
	made_free(made);
}

static void clean_policy_has_no_breach(void **state)
{
	struct fixture *fixture = *state;
	struct clo_proof *proof = &fixture->proof;

	assert_int_equal(prove(fixture), 0);
	/* Six endpoints, the rest of IPv4, dns, the node: nine; four classes:
	   two ports, the rest that "any" means, encapsulation. */
	assert_int_equal(proof->identities, 9);
	assert_int_equal(proof->pairs, 81);
	assert_int_equal(proof->classes, 4);
	assert_int_equal(proof->verdicts, 324);
	assert_int_equal(proof->allowed, 3 + 1 + 1);
	assert_int_equal(proof->breached, 0);
	assert_int_equal(proof->n_breaches, 0);
	/* acme 3, bolt 1, coil 2: ordered pairs of different tenants. */
	assert_int_equal(proof->forbidden[0], (3 * 3 + 1 * 5 + 2 * 4) * 4);
	/* All of acme's environments; coil's two may meet. */
	assert_int_equal(proof->forbidden[1], 6 * 4);
	assert_int_equal(proof->forbidden[2], 12 * 4);
	assert_int_equal(proof->broken[0] + proof->broken[1] + proof->broken[2],
			 0);
}

static void cross_tenant_rule_is_found(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_breach *breach = fixture->proof.breaches;
	static const uint8_t address[4] = {10, 0, 0, 1};

	made_rule(fixture->made, "bolt", CLO_ENV_PRODUCTION,
		  "acme/production/web", "web", "tcp/80");
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.breached, 1);
	assert_int_equal(fixture->proof.excepted, 0);
	assert_int_equal(fixture->proof.broken[0], 1);
	assert_int_equal(fixture->proof.n_breaches, 1);
	assert_ptr_equal(breach->invariant, &clo_invariants[0]);
	assert_int_equal(breach->rule, 4);
	assert_int_equal(breach->witness.family, 4);
	assert_int_equal(breach->witness.proto, IPPROTO_TCP);
	assert_int_equal(breach->witness.number, 80);
	assert_memory_equal(breach->witness.src, address, 4);
	assert_memory_equal(breach->witness.dst, address, 4);
	assert_int_equal(breach->witness.src_endpoint, 1);
	assert_int_equal(breach->witness.dst_endpoint, 4);
}

static void environments_are_kept_apart(void **state)
{
	struct fixture *fixture = *state;

	static const struct {
		const char *tenant, *to;
		enum clo_environment from;
		uint64_t breached;
	} cases[] = {
		{"acme", "acme/test/web", CLO_ENV_PRODUCTION, 1},
		{"acme", "acme/production/web", CLO_ENV_TEST, 1},
		{"acme", "acme/production/web", CLO_ENV_DEVELOPMENT, 1},
		{"acme", "acme/test/web", CLO_ENV_DEVELOPMENT, 1},
		{"acme", "acme/development/web", CLO_ENV_TEST, 1},
		{"coil", "coil/development/web", CLO_ENV_TEST, 0},
		{"coil", "coil/test/web", CLO_ENV_DEVELOPMENT, 0},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct clo_scope_doc *scope =
			&made_get(fixture->made, cases[i].tenant)
				 ->scopes[cases[i].from];

		made_rule(fixture->made, cases[i].tenant, cases[i].from, "web",
			  cases[i].to, "icmp/8");
		assert_int_equal(prove(fixture), 0);
		assert_int_equal(fixture->proof.breached, cases[i].breached);
		assert_int_equal(fixture->proof.broken[1], cases[i].breached);
		scope->n_rules--;
		clo_compiled_free(CLO_TAKE(fixture->compiled));
	}
}

static void exceptions_admit_and_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct clo_proof *proof = &fixture->proof;

	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "acme/test/web", "tcp/5432");
	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "acme/development/web", "tcp/5432");
	made_exception(fixture->made, "env.prod-nonprod-deny",
		       "acme/production/r4", 0, 2000);
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(proof->breached, 2);
	assert_int_equal(proof->excepted, 1);
	assert_int_equal(proof->n_breaches, 2);
	/* The one that nothing admits stands first. */
	assert_int_equal(proof->breaches[0].rule, 5);
	assert_int_equal(proof->breaches[1].rule, 4);
}

static void each_rule_is_shown_once(void **state)
{
	struct fixture *fixture = *state;

	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "bolt/production/web", "any");
	made_rule(fixture->made, "acme", CLO_ENV_TEST, "web",
		  "bolt/production/web", "tcp/1-2");
	assert_int_equal(prove(fixture), 0);
	/* "any" is every class but encapsulation */
	assert_int_equal(fixture->proof.breached,
			 fixture->proof.classes - 1 + 1);
	assert_int_equal(fixture->proof.n_breaches, 2);
}

static void the_node_is_guarded(void **state)
{
	struct fixture *fixture = *state;
	struct clo_identity *identities;
	uint32_t dns;

	assert_int_equal(prove(fixture), 0);
	dns = side_of(fixture->compiled, 7, "172.16.0.1").identity;
	identities =
		(void *)fixture->compiled->tables->table[CLO_TABLE_IDENTITIES]
			.entries;
	identities[dns].kind = CLO_IDENTITY_NODE;
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.broken[2], 1);
	assert_int_equal(fixture->proof.breaches[0].invariant->number, 3);
	assert_int_equal(fixture->proof.breaches[0].witness.number, 53);
}

/* One value of a table is replaced; the proof refuses and names the table. */
static void refuses(struct fixture *fixture, enum clo_table t, size_t offset,
		    uint32_t value, const char *name)
{
	uint8_t *at = fixture->compiled->tables->table[t].entries + offset;
	uint32_t kept;

	memcpy(&kept, at, 4);
	memcpy(at, &value, 4);
	fixture->proof.verdicts = 77;
	assert_int_equal(prove(fixture), -EBADMSG);
	assert_memory_equal(fixture->text, name, strlen(name));
	assert_int_equal(fixture->proof.verdicts, 77); /* untouched */
	memcpy(at, &kept, 4);
	assert_int_equal(prove(fixture), 0);
}

/* Where the first address of an endpoint stands in the IPv4 addresses. */
static size_t first_address(const struct clo_tables *tables)
{
	size_t i = 0;

	while (clo_tables_addr_kind(tables, CLO_TABLE_ADDR4, i) !=
	       CLO_ADDR_ENDPOINT)
		i++;
	return i * (sizeof(struct clo_addr4_key) + sizeof(struct clo_addr));
}

static void contradictions_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *tables;
	size_t own;
	uint32_t rows;
	uint32_t n;

	assert_int_equal(prove(fixture), 0);
	tables = fixture->compiled->tables;
	n = tables->gen.identities;
	rows = (uint32_t)tables->table[CLO_TABLE_ROWS].n;
	own = first_address(tables);

	refuses(fixture, CLO_TABLE_PAIRS, 0, n, "pairs");
	refuses(fixture, CLO_TABLE_PAIRS, 4, 0, "pairs");
	refuses(fixture, CLO_TABLE_PAIRS, 8, rows, "pairs");
	refuses(fixture, CLO_TABLE_PAIRS, 8, UINT32_MAX, "pairs");
	refuses(fixture, CLO_TABLE_SERVICES, 8, 4, "services");
	refuses(fixture, CLO_TABLE_ADDR4, own + 8, n, "addr4");
	refuses(fixture, CLO_TABLE_ADDR4, own + 8, 0, "addr4");
	/* It is acme's: identity 4 is bolt's, a breach in itself. */
	refuses(fixture, CLO_TABLE_ADDR4, own + 8, 4, "addr4");
	refuses(fixture, CLO_TABLE_ADDR4, own, 9, "addr4");
	refuses(fixture, CLO_TABLE_ADDR4, own + 16, 1, "addr4");
	/* Entry 0 says who endpoint 1 is. */
	refuses(fixture, CLO_TABLE_ADDR4, 4, 2, "addr4");
	refuses(fixture, CLO_TABLE_ADDR4, 8, 0, "addr4");
	refuses(fixture, CLO_TABLE_ADDR4, 12, 99, "addr4");
	refuses(fixture, CLO_TABLE_CIDR4, 8, 0, "cidr4");
	/* An outside block with an endpoint's identity. */
	refuses(fixture, CLO_TABLE_CIDR4, 8, 1, "cidr4");
	refuses(fixture, CLO_TABLE_CIDR4, 0, 33, "cidr4");
	refuses(fixture, CLO_TABLE_IDENTITIES, 16 + 8, 9, "identities");
	/* A bit too many, one too few, one beyond the classes. */
	refuses(fixture, CLO_TABLE_WORDS, 0, 0, "rows");
	refuses(fixture, CLO_TABLE_WORDS, 0, 15, "rows");
	refuses(fixture, CLO_TABLE_WORDS, 4, 1U << 31, "words");
	/* No set; no rule, one that is none, and one of too many classes. */
	refuses(fixture, CLO_TABLE_ROWS, 0, 99, "rows");
	refuses(fixture, CLO_TABLE_ROWS, 4, 0, "rows");
	refuses(fixture, CLO_TABLE_ROWS, 4, 99, "rows");
	refuses(fixture, CLO_TABLE_ROWS, 8, 7, "rows");
}

static void sizes_are_checked(void **state)
{
	struct fixture *fixture = *state;
	struct clo_tables *tables;
	uint32_t *fields[3];

	assert_int_equal(prove(fixture), 0);
	tables = fixture->compiled->tables;
	fields[0] = &tables->gen.classes;
	fields[1] = &tables->gen.words;
	fields[2] = &tables->gen.identities;
	for (size_t i = 0; i < CLO_ARRAY_LEN(fields); i++) {
		uint32_t kept = *fields[i];

		*fields[i] = 0;
		assert_int_equal(prove(fixture), -EBADMSG);
		*fields[i] = kept + 1;
		assert_int_equal(prove(fixture), -EBADMSG);
		*fields[i] = UINT32_MAX;
		assert_int_equal(clo_prove(tables, NULL, 0, &fixture->proof,
					   fixture->text),
				 -EBADMSG);
		*fields[i] = kept;
	}
	for (int t = CLO_TABLE_SERVICES; t < CLO_TABLE_COUNT; t++) {
		/* Others may be any number, here none. */
		if (t == CLO_TABLE_PAIRS || t == CLO_TABLE_RULES)
			continue;
		tables->table[t].n--;
		assert_int_equal(prove(fixture), -EBADMSG);
		tables->table[t].n++;
	}
	assert_int_equal(prove(fixture), 0);
}

/* A bit set with its rule, as an attacker with the map would do it. */
static void planted_bit_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct clo_pair *pair;

	assert_int_equal(prove(fixture), 0);
	pair = (void *)fixture->compiled->tables->table[CLO_TABLE_PAIRS]
		       .entries;
	pair->dst = 4; /* was acme's own web */
	clo_tables_sort(fixture->compiled->tables);
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.broken[0], 3);
	assert_int_equal(fixture->proof.breached, 3);
}

static void witness_avoids_what_hides(void **state)
{
	struct fixture *fixture = *state;
	struct clo_witness witness;
	struct clo_pair pair;
	const struct clo_view *view;
	struct clo_view tables;
	struct clo_side side;

	/* The class is what is left of 10.0.0.0/30 beside its first half. */
	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "10.0.0.0/30", "udp");
	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "10.0.0.0/31", "sctp");
	assert_int_equal(prove(fixture), 0);
	tables.tables = fixture->compiled->tables;
	view = &tables;
	pair.src = side_of(fixture->compiled, 7, "10.0.0.1").identity;
	pair.dst = side_of(fixture->compiled, 7, "10.0.0.2").identity;
	assert_int_equal(clo_witness_find(view->tables, pair, 0, &witness), 0);
	assert_int_equal(witness.dst[3], 2);
	assert_int_equal(witness.dst_endpoint, 0);
	/* 10.0.0.1 is an endpoint of the space: the /31 is seen at .0. */
	pair.dst = side_of(fixture->compiled, 7, "10.0.0.0").identity;
	assert_int_equal(clo_witness_find(view->tables, pair, 0, &witness), 0);
	assert_int_equal(witness.dst[3], 0);
	clo_judge_side(view, 7, 4, witness.dst, &side);
	assert_int_equal(side.identity, pair.dst);
}

static void no_common_family_no_witness(void **state)
{
	struct fixture *fixture = *state;
	struct clo_witness witness = {.number = 77};
	struct clo_pair pair;

	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web",
		  "2001:db8::/32", "icmp,icmpv6/7");
	assert_int_equal(prove(fixture), 0);
	pair.src = side_of(fixture->compiled, 7, "172.16.0.1").identity;
	pair.dst = side_of(fixture->compiled, 7, "2001:db8::1").identity;
	assert_int_equal(
		clo_witness_find(fixture->compiled->tables, pair, 0, &witness),
		-ENOENT);
	assert_int_equal(witness.number, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty_tables_prove),
		TEST(clean_policy_has_no_breach),
		TEST(cross_tenant_rule_is_found),
		TEST(environments_are_kept_apart),
		TEST(exceptions_admit_and_are_told),
		TEST(each_rule_is_shown_once),
		TEST(the_node_is_guarded),
		TEST(contradictions_are_refused),
		TEST(sizes_are_checked),
		TEST(planted_bit_is_found),
		TEST(witness_avoids_what_hides),
		TEST(no_common_family_no_witness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
