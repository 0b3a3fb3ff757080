/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/fleet.h"

#include <string.h>

#include "check.h"
#include "unit/judged.h"

/* Two nodes of one fleet, each with a policy of its own. */
struct fixture {
	struct made *made[2];
	struct clo_compiled *compiled[2];
	struct clo_fleet_proof proof;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	for (int i = 0; i < 2; i++) {
		fixture->made[i] = made_new();
		made_tenant(fixture->made[i], "acme", 7);
		made_tenant(fixture->made[i], "bolt", 9);
	}
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2; i++) {
		clo_compiled_free(fixture->compiled[i]);
		made_free(fixture->made[i]);
	}
	free(fixture);
	return 0;
}

/* The breaches of one node's tables by themselves. */
static uint64_t breached_alone(const struct clo_compiled *compiled)
{
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	char text[160];
	int r;

	assert_non_null(proof);
	r = clo_prove(compiled->tables, NULL, 0, proof, text);
	assert_int_equal(r, 0);
	return proof->breached;
}

static const struct clo_fleet_proof *prove(struct fixture *fixture)
{
	struct clo_fleet_member members[2];
	int r;

	for (int i = 0; i < 2; i++) {
		clo_compiled_free(fixture->compiled[i]);
		fixture->compiled[i] = compile_at(fixture->made[i], 1000);
		assert_int_equal(breached_alone(fixture->compiled[i]), 0);
		members[i] = (struct clo_fleet_member){i ? "b" : "a",
						       fixture->compiled[i]};
	}
	r = clo_fleet_prove(members, 2, &fixture->proof);
	assert_int_equal(r, 0);
	assert_int_equal(fixture->proof.members, 2);
	assert_int_equal(fixture->proof.pairs, 2);
	return &fixture->proof;
}

/* An endpoint that goes by the same name on every node. */
static void named(struct made *made, const char *tenant,
		  enum clo_environment environment, unsigned int groups,
		  const char *addresses, const char *name)
{
	made_endpoint(made, tenant, environment, 0, groups, addresses)->name =
		name;
}

/* Node a runs test, node b production; neither knows what the other runs. */
static void local_only(struct fixture *fixture, const char *from_cidr,
		       const char *ports)
{
	named(fixture->made[0], "acme", CLO_ENV_TEST, WEB, "10.0.1.5", "t");
	made_rule(fixture->made[0], "acme", CLO_ENV_TEST, "web", "10.0.0.0/8",
		  "tcp/443");
	named(fixture->made[1], "acme", CLO_ENV_PRODUCTION, DB, "10.0.0.7",
	      "p");
	made_rule(fixture->made[1], "acme", CLO_ENV_PRODUCTION, from_cidr, "db",
		  ports);
}

static void test_nothing_unites_what_agrees(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_fleet_proof *proof;

	for (int i = 0; i < 2; i++) {
		struct made *made = fixture->made[i];

		named(made, "acme", CLO_ENV_TEST, WEB, "10.0.1.5", "t");
		named(made, "acme", CLO_ENV_PRODUCTION, DB, "10.0.0.7", "p");
		made_rule(made, "acme", CLO_ENV_TEST, "web", "10.0.0.0/8",
			  "tcp/443");
		made_rule(made, "acme", CLO_ENV_PRODUCTION, "10.0.0.0/8", "db",
			  "tcp/443");
	}
	proof = prove(fixture);
	assert_int_equal(proof->views, 1);
	assert_int_equal(proof->disagreements, 0);
	assert_int_equal(proof->flows, 0);
	assert_int_equal(proof->breached, 0);
}

static void test_what_no_node_sees_alone(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_fleet_proof *proof;
	const struct clo_fleet_breach *breach;

	local_only(fixture, "10.0.0.0/8", "tcp/400-500");
	proof = prove(fixture);
	assert_int_equal(proof->views, 2);
	assert_int_equal(proof->disagreements, 2);
	assert_int_equal(proof->breached, 1);
	assert_int_equal(proof->excepted, 0);
	assert_int_equal(proof->n_breaches, 1);

	breach = &proof->breaches[0];
	assert_int_equal(breach->invariant->number, 2);
	assert_int_equal(breach->from, 0);
	assert_int_equal(breach->to, 1);
	assert_string_equal(breach->src->name, "t");
	assert_string_equal(breach->dst->name, "p");
	assert_null(breach->wire);
	assert_int_equal(breach->witness.proto, IPPROTO_TCP);
	assert_int_equal(breach->witness.number, 443);
	assert_memory_equal(breach->witness.src, "\x0a\0\1\5", 4);
	assert_memory_equal(breach->witness.dst, "\x0a\0\0\7", 4);
	for (int i = 0; i < 2; i++) {
		const struct clo_compiled *compiled = fixture->compiled[i];

		assert_string_equal(compiled->rules[breach->rules[i]]->full,
				    i ? "acme/production/r1" : "acme/test/r1");
		/* the witness is what the members' own decision says */
		assert_int_equal(judge_flow(compiled, 7, "10.0.1.5", "10.0.0.7",
					    IPPROTO_TCP, 443)
					 .drop,
				 CLO_DROP_NONE);
	}
}

static void test_one_side_that_refuses_is_enough(void **state)
{
	struct fixture *fixture = *state;

	local_only(fixture, "10.0.0.0/8-10.0.1.0/24", "tcp/443");
	assert_int_equal(prove(fixture)->breached, 0);
	assert_int_equal(fixture->proof.forbidden, 2);
}

static void test_no_service_in_common(void **state)
{
	struct fixture *fixture = *state;

	local_only(fixture, "10.0.0.0/8", "tcp/444,udp/443");
	assert_int_equal(prove(fixture)->breached, 0);
}

static void test_one_that_knows_both_refuses(void **state)
{
	struct fixture *fixture = *state;

	local_only(fixture, "10.0.0.0/8", "tcp/443");
	named(fixture->made[1], "acme", CLO_ENV_TEST, WEB, "10.0.1.5", "t");
	assert_int_equal(prove(fixture)->breached, 0);
	assert_int_equal(fixture->proof.disagreements, 1);
}

/* The address went from test to production; node b has heard, a has not. */
static void test_a_stale_identity(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_fleet_proof *proof;

	named(fixture->made[0], "acme", CLO_ENV_TEST, WEB, "10.0.1.5", "t");
	named(fixture->made[0], "acme", CLO_ENV_TEST, DB, "10.0.1.7", "u");
	made_rule(fixture->made[0], "acme", CLO_ENV_TEST, "web", "db", "any");
	named(fixture->made[1], "acme", CLO_ENV_PRODUCTION, WEB, "10.0.1.5",
	      "p");
	named(fixture->made[1], "acme", CLO_ENV_PRODUCTION, DB, "10.0.1.7",
	      "q");
	made_rule(fixture->made[1], "acme", CLO_ENV_PRODUCTION, "web", "db",
		  "tcp/5432");
	proof = prove(fixture);
	/* t on a to q on b, and p on b to u on a */
	assert_int_equal(proof->breached, 2);
	assert_string_equal(proof->breaches[0].src->name, "t");
	assert_string_equal(proof->breaches[0].dst->name, "q");
	assert_string_equal(proof->breaches[1].src->name, "p");
	assert_string_equal(proof->breaches[1].dst->name, "u");
	assert_int_equal(proof->breaches[0].witness.number, 5432);
	assert_int_equal(proof->conflicts[CLO_FLEET_ADDRESS], 2);
	assert_int_equal(proof->n_conflicts, 2);
	assert_string_equal(proof->kept[0].owners[0], "t");
	assert_string_equal(proof->kept[0].owners[1], "p");
}

/* Where an environment has a space of its own, no packet leads there. */
static void test_spaces_apart(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2; i++)
		made_space(fixture->made[i], "acme", CLO_ENV_TEST, 70);
	local_only(fixture, "10.0.0.0/8", "tcp/443");
	assert_int_equal(prove(fixture)->breached, 1);
	for (int i = 0; i < 2; i++)
		made_space(fixture->made[i], "acme", CLO_ENV_PRODUCTION, 71);
	assert_int_equal(prove(fixture)->breached, 0);
}

static void test_exceptions_of_both(void **state)
{
	struct fixture *fixture = *state;
	struct made *b = fixture->made[1];

	local_only(fixture, "10.0.0.0/8", "tcp/443");
	made_exception(fixture->made[0], "env.prod-nonprod-deny",
		       "acme/test/r1", 0, 2000);
	assert_int_equal(prove(fixture)->excepted, 0);
	made_exception(b, "env.prod-nonprod-deny", "acme/production/r1", 0,
		       2000);
	assert_int_equal(prove(fixture)->excepted, 1);
	assert_true(fixture->proof.breaches[0].excepted);
}

static void uplink(struct made *made, const char *interface, const char *tenant)
{
	struct clo_uplink_doc *doc = calloc(1, sizeof(*doc));
	const struct clo_tenant_doc *owner = made_get(made, tenant);

	assert_non_null(doc);
	made->kept[made->n_kept++] = doc;
	doc->interface = interface;
	doc->tenant = owner;
	doc->environment = CLO_ENV_PRODUCTION;
	doc->segment = &owner->scopes[CLO_ENV_PRODUCTION].segments[0];
	made->policy.node.uplinks = doc;
	made->policy.node.n_uplinks = 1;
}

/* VLAN 100 is acme's on one node and bolt's on the other. */
static void test_one_wire_for_two_tenants(void **state)
{
	struct fixture *fixture = *state;
	const struct clo_fleet_proof *proof;

	for (int i = 0; i < 2; i++) {
		struct made *made = fixture->made[i];

		named(made, "acme", CLO_ENV_PRODUCTION, WEB, "10.0.0.5", "a");
		named(made, "bolt", CLO_ENV_PRODUCTION, WEB, "10.0.0.6", "b");
		uplink(made, "vlan100", i ? "bolt" : "acme");
	}
	proof = prove(fixture);
	assert_int_equal(proof->conflicts[CLO_FLEET_WIRE], 1);
	assert_string_equal(proof->kept[0].what, "vlan100");
	assert_string_equal(proof->kept[0].owners[1], "bolt");
	assert_int_equal(proof->breached, 0);

	for (int i = 0; i < 2; i++) {
		made_rule(fixture->made[i], "acme", CLO_ENV_PRODUCTION, "web",
			  "0.0.0.0/0", "tcp/25");
		made_rule(fixture->made[i], "bolt", CLO_ENV_PRODUCTION,
			  "0.0.0.0/0", "web", "any");
	}
	proof = prove(fixture);
	assert_int_equal(proof->breached, 1);
	assert_int_equal(proof->breaches[0].invariant->number, 1);
	assert_string_equal(proof->breaches[0].wire, "vlan100");
	assert_int_equal(proof->breaches[0].witness.number, 25);

	fixture->made[1]->policy.node.uplinks[0].interface = "vlan200";
	proof = prove(fixture);
	assert_int_equal(proof->conflicts[CLO_FLEET_WIRE], 0);
	assert_int_equal(proof->breached, 0);
}

static void test_one_workload_with_two_labels(void **state)
{
	struct fixture *fixture = *state;
	static const char uuid[] = "5f0c4a6e-0000-4000-8000-000000000001";

	named(fixture->made[0], "acme", CLO_ENV_TEST, WEB, "10.0.1.5", "t");
	named(fixture->made[1], "acme", CLO_ENV_PRODUCTION, WEB, "10.0.1.6",
	      "p");
	for (int i = 0; i < 2; i++)
		fixture->made[i]->policy.workloads[0].uuid = uuid;
	assert_int_equal(prove(fixture)->conflicts[CLO_FLEET_LABEL], 1);
	assert_int_equal(fixture->proof.kept[0].environments[1],
			 CLO_ENV_PRODUCTION);

	fixture->made[1]->policy.workloads[0].uuid =
		"5f0c4a6e-0000-4000-8000-000000000002";
	assert_int_equal(prove(fixture)->conflicts[CLO_FLEET_LABEL], 0);
}

/* -- that only disagreements are enumerated loses nothing */

#define FLEETS 400

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

static const char *const cidrs[] = {"10.0.0.0/8", "10.0.0.0/30",
				    "10.0.0.4/30-10.0.0.6/31", "0.0.0.0/0"};
static const char *const ports[] = {"tcp/80", "tcp/70-90,udp/1", "any",
				    "tcp/80-85"};
static const char *const groups[] = {"web", "db"};

/* Endpoints n of a plan, some of which this node tells differently. */
static void roll_member(struct made *made, const uint8_t plan[6])
{
	static const char *const names[] = {"e1", "e2", "e3", "e4", "e5", "e6"};
	static const char *const addresses[] = {"10.0.0.1", "10.0.0.2",
						"10.0.0.5", "10.0.0.6",
						"10.0.0.7", "10.0.0.9"};

	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 9);
	for (int i = 0; i < 6; i++) {
		uint32_t how = roll(4) ? plan[i] : roll(24);

		if (roll(5) == 0)
			continue;
		named(made, how % 4 ? "acme" : "bolt", 1 + how / 4 % 2,
		      how / 8 ? WEB : DB, addresses[i], names[i]);
	}
	for (int i = 0; i < 8; i++) {
		const char *from = roll(2) ? cidrs[roll(4)] : groups[roll(2)];
		const char *to = roll(2) ? cidrs[roll(4)] : groups[roll(2)];

		made_rule(made, roll(4) ? "acme" : "bolt", 1 + roll(2), from,
			  to, ports[roll(4)]);
	}
}

static bool is_open(const struct clo_compiled *compiled, uint32_t space,
		    const struct clo_cidr *src, const struct clo_cidr *dst,
		    uint32_t slot)
{
	static const uint16_t numbers[] = {80, 70, 85, 86, 91, 1};
	const struct clo_view view = {compiled->tables};
	struct clo_side ends[2];
	struct clo_verdict verdict;
	uint8_t proto = slot == 5 ? IPPROTO_UDP : IPPROTO_TCP;

	clo_judge_side(&view, space, src->family, src->addr, &ends[0]);
	clo_judge_side(&view, space, dst->family, dst->addr, &ends[1]);
	clo_judge_pair(&view, ends[0].identity, ends[1].identity, proto,
		       numbers[slot], &verdict);
	return verdict.drop == CLO_DROP_NONE;
}

/* As the header defines it, flow by flow. */
static bool breaks(const struct clo_compiled *a, const struct clo_compiled *b,
		   const struct clo_workload_doc *src,
		   const struct clo_workload_doc *dst)
{
	const struct clo_cidr *from = &src->interfaces[0].addresses[0];
	const struct clo_cidr *to = &dst->interfaces[0].addresses[0];
	uint32_t space = src->tenant->space;

	if (strcmp(src->tenant->name, dst->tenant->name) != 0 ||
	    src->environment == dst->environment ||
	    memcmp(from, to, sizeof(*from)) == 0)
		return false;
	for (uint32_t slot = 0; slot < 6; slot++) {
		if (is_open(a, space, from, to, slot) &&
		    is_open(b, space, from, to, slot))
			return true;
	}
	return false;
}

static uint64_t count_plainly(const struct clo_compiled *a,
			      const struct clo_compiled *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < a->policy->n_workloads; i++) {
		for (size_t j = 0; j < b->policy->n_workloads; j++)
			n += breaks(a, b, &a->policy->workloads[i],
				    &b->policy->workloads[j]);
	}
	return n;
}

static bool prove_random(uint32_t seed)
{
	CLO_AUTO_MEM struct clo_fleet_proof *proof = calloc(1, sizeof(*proof));
	struct clo_fleet_member members[2] = {{"a", NULL}, {"b", NULL}};
	struct clo_compiled *compiled[2];
	struct made *made[2];
	uint64_t plain;
	uint8_t plan[6];
	int r;

	dice = seed;
	for (int i = 0; i < 6; i++)
		plan[i] = (uint8_t)roll(16);
	for (int i = 0; i < 2; i++) {
		made[i] = made_new();
		roll_member(made[i], plan);
		compiled[i] = compile_at(made[i], 1000);
		assert_int_equal(breached_alone(compiled[i]), 0);
		members[i].compiled = compiled[i];
	}
	r = clo_fleet_prove(members, 2, proof);
	assert_int_equal(r, 0);
	plain = count_plainly(compiled[0], compiled[1]) +
		count_plainly(compiled[1], compiled[0]);
	if (plain != proof->breached)
		fail_msg("seed %u: %ju flows, %ju found", seed,
			 (uintmax_t)plain, (uintmax_t)proof->breached);
	for (int i = 0; i < 2; i++) {
		clo_compiled_free(compiled[i]);
		made_free(made[i]);
	}
	return plain > 0;
}

static void test_random_fleets(void **state)
{
	uint32_t broken = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= FLEETS; seed++)
		broken += prove_random(seed);
	/* both kinds of fleet were seen */
	assert_in_range(broken, FLEETS / 20, FLEETS - FLEETS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_nothing_unites_what_agrees),
		CASE(test_what_no_node_sees_alone),
		CASE(test_one_side_that_refuses_is_enough),
		CASE(test_no_service_in_common),
		CASE(test_one_that_knows_both_refuses),
		CASE(test_a_stale_identity),
		CASE(test_spaces_apart),
		CASE(test_exceptions_of_both),
		CASE(test_one_wire_for_two_tenants),
		CASE(test_one_workload_with_two_labels),
		cmocka_unit_test(test_random_fleets),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
