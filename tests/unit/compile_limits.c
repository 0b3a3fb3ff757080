/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "check.h"
#include "unit/judged.h"

#define ACME 7U
#define NOW 1000

static int setup(void **state)
{
	struct made *made = made_new();

	made_tenant(made, "acme", ACME);
	made_tenant(made, "bolt", 9);
	*state = made;
	return 0;
}

static int teardown(void **state)
{
	made_free(*state);
	return 0;
}

static enum clo_drop tcp(const struct clo_compiled *compiled, const char *from,
			 const char *to, uint16_t port)
{
	return judge_flow(compiled, ACME, from, to, IPPROTO_TCP, port).drop;
}

static void exceptions_bring_their_rules(void **state)
{
	struct made *made = *state;

	static const struct {
		time_t now;
		bool in_force;
	} times[] = {{999, false}, {1000, true}, {1999, true}, {2000, false}};

	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "web", "tcp/6");
	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "acme/test/web",
		  "tcp/5");
	made_exception(made, "env.prod-nonprod-deny", "acme/production/r2",
		       1000, 2000);
	for (size_t i = 0; i < CLO_ARRAY_LEN(times); i++) {
		CLO_AUTO(clo_compiled)
		struct clo_compiled *compiled = compile_at(made, times[i].now);

		assert_int_equal(compiled->tables->gen.rules, 3);
		assert_null(compiled->excepted[1]);
		assert_true(!compiled->excepted[2] == !times[i].in_force);
		assert_int_equal(tcp(compiled, "10.0.0.1", "10.0.1.1", 5),
				 times[i].in_force ? 0 : CLO_DROP_POLICY);
	}
}

static void exceptions_lift_their_own_control(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	made_rule(made, "acme", CLO_ENV_PRODUCTION, "web", "acme/test/web",
		  "tcp/5");
	made_exception(made, "net.cross-tenant-deny", "acme/production/r1", 0,
		       2000);
	made_exception(made, "net.cross-tenant-deny", "acme/production/none", 0,
		       2000);
	compiled = compile_at(made, NOW);
	assert_null(compiled->excepted[1]);
	clo_compiled_free(CLO_TAKE(compiled));

	made_exception(made, "env.prod-nonprod-deny", "acme/production/r1", 0,
		       2000);
	compiled = compile_at(made, NOW);
	assert_ptr_equal(compiled->excepted[1], &made->policy.exceptions[2]);
}

static void classes_have_names(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	const struct clo_class_name *classes;

	made_rule(made, "acme", CLO_ENV_TEST, "web", "web",
		  "tcp/1-100,tcp/50,udp,icmp/8,sctp/7");
	compiled = compile_at(made, NOW);

	classes = compiled->classes;
	assert_int_equal(compiled->tables->gen.classes, 6);
	assert_string_equal(classes[0].name, "other");
	assert_int_equal(classes[0].proto, IPPROTO_TCP);
	assert_int_equal(classes[0].number, 101);
	assert_string_equal(classes[1].name, "tcp/1-49,51-100");
	assert_int_equal(classes[1].number, 1);
	assert_string_equal(classes[2].name, "tcp/50");
	assert_string_equal(classes[3].name, "udp");
	assert_int_equal(classes[3].number, 1);
	assert_string_equal(classes[4].name, "sctp/7");
	assert_string_equal(classes[5].name, "icmp/8");
	for (uint32_t i = 0; i < 6; i++) {
		const struct clo_view view = {compiled->tables};

		assert_int_equal(
			clo_view_class(&view,
				       clo_judge_slot(classes[i].proto,
						      classes[i].number)),
			i);
	}
}

static void collisions_are_flaws(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_compiled *compiled = NULL;
	struct clo_interface_doc *interface;

	assert_int_equal(clo_flaws_new(&flaws), 0);
	interface =
		made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.0.2");
	interface->mac[5] = 2;
	assert_int_equal(clo_compile(&made->policy, NOW, &compiled, flaws),
			 -EINVAL);
	assert_null(compiled);
	assert_int_equal(clo_flaws_count(flaws), 1);

	interface->mac[5] = 1;
	made_get(made, "acme")->space = 9;
	assert_int_equal(clo_compile(&made->policy, NOW, &compiled, flaws),
			 -EINVAL);
	assert_int_equal(clo_flaws_count(flaws), 2);
	assert_non_null(strstr(clo_flaws_get(flaws, 1)->text, "space"));
}

static void too_many_classes_is_a_flaw(void **state)
{
	struct made *made = *state;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_service_spec *ports = calloc(20000, sizeof(*ports));
	struct clo_rule_doc *rule =
		made_rule(made, "acme", CLO_ENV_TEST, "web", "web", "any");
	struct clo_compiled *compiled = NULL;

	assert_non_null(ports);
	assert_int_equal(clo_flaws_new(&flaws), 0);
	for (uint16_t i = 0; i < 20000; i++)
		ports[i] = (struct clo_service_spec){
			.proto = IPPROTO_TCP, .first = i, .last = i};
	rule->ports = ports;
	rule->n_ports = 20000;
	assert_int_equal(clo_compile(&made->policy, NOW, &compiled, flaws),
			 -EINVAL);
	assert_null(compiled);
	assert_int_equal(clo_flaws_count(flaws), 1);
	rule->n_ports = CLO_CLASSES_MAX - 1;
	assert_int_equal(clo_compile(&made->policy, NOW, &compiled, flaws), 0);
	assert_int_equal(compiled->tables->gen.classes, CLO_CLASSES_MAX);
	clo_compiled_free(compiled);
	free(ports);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exceptions_bring_their_rules),
		TEST(exceptions_lift_their_own_control),
		TEST(classes_have_names),
		TEST(collisions_are_flaws),
		TEST(too_many_classes_is_a_flaw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
