/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "check.h"
#include "policy/prove.h"
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
	made_service(made, "near", false, "172.16.9.7", "tcp/25");
	made_service(made, "far", false, "198.51.100.7", "tcp/25");
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

/* A tenant of level 2 and what it may reach outside. */
static void data_stays_at_home(void **state)
{
	struct fixture *fixture = *state;
	struct clo_proof *proof = &fixture->proof;
	struct made *made = fixture->made;

	/* The fixture's "web to anywhere" is a tenant's of level 1. */
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(clo_proof_verdict(proof, 4), CLO_NOT_COVERED);
	clo_compiled_free(CLO_TAKE(fixture->compiled));

	made_get(made, "acme")->qualification = 2;
	made_national(made, "196.200.0.0/16,172.16.9.0/24");
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(proof->broken[4], 1);
	assert_int_equal(proof->breached, 1);
	assert_int_equal(proof->breaches[0].invariant->number, 5);
	assert_int_equal(proof->breaches[0].witness.number, 443);
	assert_int_equal(proof->breaches[0].witness.dst_endpoint, 0);
	clo_compiled_free(CLO_TAKE(fixture->compiled));

	/* At home it may; so may others abroad, and who is abroad reach it. */
	made_get(made, "acme")->scopes[CLO_ENV_PRODUCTION].n_rules--;
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "196.200.7.0/24",
		  "tcp/443");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@near", "tcp/25");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@dns", "udp/53");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "0.0.0.0/0", "web",
		  "tcp/80");
	made_rule(made, "coil", CLO_ENV_TEST, "web", "0.0.0.0/0", "tcp/443");
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(proof->breached, 0);
	assert_int_equal(clo_proof_verdict(proof, 4), CLO_PROVEN);
	clo_compiled_free(CLO_TAKE(fixture->compiled));

	/* A service is abroad as anything else is. */
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "@far", "tcp/25");
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(proof->broken[4], 1);
	assert_int_equal(proof->breaches[0].witness.number, 25);
}

static void egress_has_exceptions_of_its_own(void **state)
{
	static const struct {
		const char *control;
		uint64_t excepted;
	} cases[] = {
		{"res.tenant-data-egress", 1},
		{"net.cross-tenant-deny", 0},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		struct made *made = fixture->made;

		made_get(made, "acme")->qualification = 2;
		made->policy.n_exceptions = 0;
		made_exception(made, cases[i].control, "acme/production/r3", 0,
			       2000);
		assert_int_equal(prove(fixture), 0);
		assert_int_equal(fixture->proof.broken[4], 1);
		assert_int_equal(fixture->proof.admitted[4], cases[i].excepted);
		assert_int_equal(fixture->proof.excepted, cases[i].excepted);
		/* What is admitted is not proven. */
		assert_int_equal(clo_proof_verdict(&fixture->proof, 4),
				 CLO_VIOLATED);
		clo_compiled_free(CLO_TAKE(fixture->compiled));
	}
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

/* One value of a sound table is replaced: a binding breaks, no more. */
static void breaks_binding(struct fixture *fixture, size_t offset,
			   uint32_t value, uint64_t broken)
{
	uint8_t *at =
		fixture->compiled->tables->table[CLO_TABLE_ADDR4].entries +
		offset;
	uint32_t kept;

	memcpy(&kept, at, 4);
	memcpy(at, &value, 4);
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.broken[3], broken);
	assert_int_equal(fixture->proof.breached, broken);
	assert_int_equal(fixture->proof.breaches[0].invariant->number, 4);
	assert_int_equal(fixture->proof.breaches[0].class, CLO_CLASS_NONE);
	memcpy(at, &kept, 4);
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.breached, 0);
}

static void addresses_are_bound(void **state)
{
	static const uint8_t address[4] = {10, 0, 0, 1};
	struct fixture *fixture = *state;
	size_t own;

	assert_int_equal(prove(fixture), 0);
	/* Six endpoints: their number, an address, a link-local one. */
	assert_int_equal(fixture->proof.forbidden[3], 6 * 3);
	own = first_address(fixture->compiled->tables);
	/* 10.0.0.1 of acme's production: nobody's; its test's, which has the
	   same space; bolt's. */
	breaks_binding(fixture, own + 12, 77, 1);
	assert_int_equal(fixture->proof.broken[3], 0);
	breaks_binding(fixture, own + 12, 2, 1);
	breaks_binding(fixture, own + 12, 4, 1);

	/* An endpoint that no address belongs to any more: all three break. */
	fixture->compiled->tables->table[CLO_TABLE_ADDR6].n--;
	fixture->compiled->tables->table[CLO_TABLE_ADDR4].n--;
	assert_int_equal(prove(fixture), 0);
	assert_int_equal(fixture->proof.broken[3], 1);
	assert_int_equal(fixture->proof.breaches[0].witness.src_endpoint, 6);
	fixture->compiled->tables->table[CLO_TABLE_ADDR6].n++;
	fixture->compiled->tables->table[CLO_TABLE_ADDR4].n++;

	fixture->compiled->tables->table[CLO_TABLE_ADDR4].entries[own + 12] = 9;
	assert_int_equal(prove(fixture), 0);
	assert_memory_equal(fixture->proof.breaches[0].witness.src, address, 4);
	assert_int_equal(fixture->proof.breaches[0].witness.src_endpoint, 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_stays_at_home),
		TEST(egress_has_exceptions_of_its_own),
		TEST(addresses_are_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
