/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/measures.h"

#include <string.h>

#include "check.h"
#include "fixture_node.h"
#include "policy/controls.h"

#define NOW (FIXTURE_START - 1) /* no exception is in force */

static struct fixture f;
static json_t *report;

/* What this version measures; every mandatory control is among it. */
static const char *const measured[] = {
	"net.default-deny",       "net.cross-tenant-deny",
	"env.prod-nonprod-deny",  "net.flow-matrix",
	"net.no-bypass-path",     "env.label-integrity",
	"spoof.source-binding",   "spoof.arp-nd-dhcp",
	"agt.self-integrity",     "att.authentic-fresh",
	"drg.exception-hygiene",  "net.fail-closed",
	"res.tenant-data-egress",
};

/* And what it measures and needs where the policy has sandboxes. */
static const char *const sandboxed[] = {
	"sbx.guest-confinement",  "sbx.device-surface", "sbx.shared-resources",
	"sto.no-shared-residual", "env.no-shared-data",
};

static int set_up(void **state)
{
	(void)state;
	fixture_init(&f, NOW);
	f.audit.proof.forbidden[4] = 9; /* a class that lies abroad */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(report);
	report = NULL;
	fixture_done(&f);
	return 0;
}

static void measure(const char *scope)
{
	json_decref(report);
	report = clo_measures_report(&f.node, &f.audit, &f.occasion, scope);
	assert_int_equal(json_array_size(report), clo_controls_count);
}

static const json_t *finding(const char *id)
{
	const json_t *control;
	size_t i;

	json_array_foreach (report, i, control)
		if (strcmp(json_string_value(json_object_get(control, "id")),
			   id) == 0)
			return control;
	fail_msg("no finding of %s", id);
	return NULL;
}

static const char *text(const char *id, const char *member)
{
	const char *value =
		json_string_value(json_object_get(finding(id), member));

	assert_non_null(value);
	return value;
}

static void assert_finding(const char *id, const char *result, bool excepted,
			   const char *detail)
{
	assert_string_equal(text(id, "result"), result);
	assert_string_equal(text(id, "detail"), detail);
	assert_int_equal(json_is_true(json_object_get(finding(id), "excepted")),
			 excepted);
}

static bool listed(const char *const *ids, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static bool is_sandboxed(const char *id)
{
	return listed(sandboxed, CLO_ARRAY_LEN(sandboxed), id);
}

static bool is_measured(const char *id)
{
	return listed(measured, CLO_ARRAY_LEN(measured), id) ||
	       is_sandboxed(id);
}

static void test_every_control_once_in_order(void **state)
{
	(void)state;
	measure(NULL);
	for (size_t i = 0; i < clo_controls_count; i++) {
		const json_t *control = json_array_get(report, i);
		const char *id =
			json_string_value(json_object_get(control, "id"));

		assert_string_equal(id, clo_controls[i].id);
		assert_int_equal(
			json_is_true(json_object_get(control, "mandatory")),
			clo_controls[i].mandatory || is_sandboxed(id));
		assert_true(text(id, "method")[0] != '\0');
	}
}

static void test_without_problems_what_is_measured_passes(void **state)
{
	(void)state;
	measure(NULL);
	for (size_t i = 0; i < clo_controls_count; i++) {
		const char *id = clo_controls[i].id;

		if (is_measured(id) || strcmp(id, "fw.verified-boot") == 0) {
			assert_finding(id, "PASS", false, "");
			continue;
		}
		assert_finding(id, "NOT-ASSESSED", false, "");
		assert_false(clo_controls[i].mandatory);
	}
}

static void test_sandboxes_only_where_there_are(void **state)
{
	bool *present = &f.node.force->policy->node.sandbox.present;

	(void)state;
	*present = false;
	measure(NULL);
	*present = true;
	for (size_t i = 0; i < CLO_ARRAY_LEN(sandboxed); i++) {
		assert_finding(sandboxed[i], "NOT-ASSESSED", false, "");
		assert_false(json_is_true(
			json_object_get(finding(sandboxed[i]), "mandatory")));
	}
}

/* Each problem fails its own control, with its text, and no other. */
static void test_a_problem_fails_its_control(void **state)
{
	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(measured); i++) {
		assert_non_null(clo_problem_add(&f.audit.problems, measured[i],
						"what is wrong: %zu", i));
		measure(NULL);
		for (size_t c = 0; c < CLO_ARRAY_LEN(measured); c++) {
			char detail[32] = "";

			if (c <= i)
				(void)snprintf(detail, sizeof(detail),
					       "what is wrong: %zu", c);
			assert_finding(measured[c], c <= i ? "FAIL" : "PASS",
				       false, detail);
		}
	}
}

/* Where no tenant is of level 2, or nothing is abroad. */
static void test_egress_needs_a_subject(void **state)
{
	(void)state;
	f.audit.proof.forbidden[4] = 0;
	measure(NULL);
	assert_finding("res.tenant-data-egress", "NOT-ASSESSED", false, "");
	/* tables of which nothing can be proven */
	assert_non_null(clo_problem_add(&f.audit.problems,
					"res.tenant-data-egress", "broken"));
	measure(NULL);
	assert_finding("res.tenant-data-egress", "FAIL", false, "broken");
}

static void test_more_problems_are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(clo_problem_add(
			&f.audit.problems, "net.flow-matrix", "bit %d", i));
	measure(NULL);
	assert_finding("net.flow-matrix", "FAIL", false, "bit 0 (and 2 more)");
}

/* An exception in force is a breach: never PASS for whom it concerns. */
static void test_an_exception_fails_its_control(void **state)
{
	(void)state;
	f.occasion.now = FIXTURE_START;
	measure(NULL);
	assert_finding("env.prod-nonprod-deny", "FAIL", true,
		       "exception late-migration is in force");
	assert_finding("net.cross-tenant-deny", "PASS", false, "");
	measure(ACME); /* its name is not for everybody */
	assert_finding("env.prod-nonprod-deny", "FAIL", true,
		       "an exception is in force");
	measure(GLOBEX); /* none of its rules */
	assert_finding("env.prod-nonprod-deny", "PASS", false, "");
}

/* It excuses what it admits and nothing else. */
static void test_an_exception_excuses_only_its_own(void **state)
{
	struct clo_problem *found;

	(void)state;
	f.occasion.now = FIXTURE_START;
	found = clo_problem_add(&f.audit.problems, "env.prod-nonprod-deny",
				"admitted");
	assert_non_null(found);
	found->excepted = true;
	measure(NULL);
	assert_finding("env.prod-nonprod-deny", "FAIL", true, "admitted");

	assert_non_null(clo_problem_add(&f.audit.problems,
					"env.prod-nonprod-deny", "as seen"));
	measure(NULL);
	assert_finding("env.prod-nonprod-deny", "FAIL", false,
		       "as seen (and 1 more)");

	f.occasion.now = FIXTURE_END;
	measure(NULL);
	assert_finding("env.prod-nonprod-deny", "FAIL", false,
		       "as seen (and 1 more)");
}

static void test_a_scope_reads_what_concerns_it(void **state)
{
	struct clo_problem *found;

	(void)state;
	found = clo_problem_add(&f.audit.problems, "net.flow-matrix",
				"the node's text");
	assert_int_equal(clo_problem_scoped(found, ACME, NULL, "acme's text"),
			 0);
	found = clo_problem_add(&f.audit.problems, "agt.self-integrity",
				"a program");
	assert_int_equal(clo_problem_everyone(found), 0);
	found = clo_problem_add(&f.audit.problems, "net.default-deny",
				"vnet-u (undeclared)");
	assert_non_null(found);

	measure(NULL);
	assert_finding("net.flow-matrix", "FAIL", false, "the node's text");
	assert_finding("agt.self-integrity", "FAIL", false, "a program");
	assert_finding("net.default-deny", "FAIL", false,
		       "vnet-u (undeclared)");
	measure(ACME);
	assert_finding("net.flow-matrix", "FAIL", false, "acme's text");
	assert_finding("agt.self-integrity", "FAIL", false, "a program");
	assert_finding("net.default-deny", "PASS", false, "");
	measure(GLOBEX);
	assert_finding("net.flow-matrix", "PASS", false, "");
	assert_finding("agt.self-integrity", "FAIL", false, "a program");
}

/* Nothing reads PASS on a node whose tables nobody has read. */
static void test_no_policy_no_pass(void **state)
{
	struct clo_force *force = f.node.force;

	(void)state;
	f.audit.observed = NULL;
	measure(NULL);
	for (size_t i = 0; i < CLO_ARRAY_LEN(measured); i++)
		assert_finding(measured[i], "FAIL", false,
			       "no policy is in force");
	f.node.force = NULL;
	measure(NULL);
	f.node.force = force;
	for (size_t i = 0; i < CLO_ARRAY_LEN(measured); i++)
		assert_finding(measured[i], "INCONCLUSIVE", false,
			       "no policy is in force");
}

static void test_verified_boot(void **state)
{
	static const struct {
		enum clo_fact_state secure_boot, lockdown;
		const char *result, *detail;
	} cases[] = {
		{CLO_FACT_VERIFIED, CLO_FACT_VERIFIED, "PASS", ""},
		{CLO_FACT_NOT_OBSERVABLE, CLO_FACT_VERIFIED, "INCONCLUSIVE",
		 "secure-boot is not verified"},
		{CLO_FACT_VERIFIED, CLO_FACT_NOT_OBSERVABLE, "INCONCLUSIVE",
		 "kernel-lockdown is not verified"},
		{CLO_FACT_CONTRADICTED, CLO_FACT_NOT_OBSERVABLE, "FAIL",
		 "secure-boot is not verified"},
		{CLO_FACT_NOT_OBSERVABLE, CLO_FACT_CONTRADICTED, "FAIL",
		 "kernel-lockdown is not verified"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		f.facts.facts[0].state = cases[i].secure_boot;
		f.facts.facts[1].state = cases[i].lockdown;
		measure(NULL);
		assert_finding("fw.verified-boot", cases[i].result, false,
			       cases[i].detail);
	}
	f.facts.n = 0; /* what was not looked at is not verified */
	measure(NULL);
	assert_string_equal(text("fw.verified-boot", "result"), "INCONCLUSIVE");
}

static const json_t *evidence(const char *id)
{
	return json_object_get(finding(id), "evidence");
}

static void test_taps_as_evidence(void **state)
{
	const json_t *tap;

	(void)state;
	f.results[TAP_ACME].guard.from_guest.prog_id = 100;
	f.results[TAP_ACME].guard.to_guest.prog_id = 101;
	for (size_t i = 0; i < clo_probes_count; i++)
		if (strcmp(clo_probes[i].name, "spoofed MAC") == 0)
			f.results[TAP_ACME].probes[i] = CLO_PROBE_WRONG;
		else if (strcmp(clo_probes[i].name, "spoofed address") == 0)
			f.results[TAP_ACME].probes[i] = CLO_PROBE_ERROR;
		else if (strcmp(clo_probes[i].name, "own ARP passes") == 0)
			f.results[TAP_ACME].probes[i] = CLO_PROBE_NOT_RUN;

	measure(NULL);
	assert_int_equal(json_array_size(evidence("net.default-deny")), N_TAPS);
	tap = json_array_get(evidence("spoof.source-binding"), TAP_UNDECLARED);
	assert_true(json_is_null(json_object_get(tap, "endpoint")));

	measure(ACME);
	assert_int_equal(json_array_size(evidence("spoof.source-binding")), 1);
	tap = json_array_get(evidence("spoof.source-binding"), 0);
	assert_string_equal(
		json_string_value(json_object_get(tap, "interface")), "vnet-a");
	assert_string_equal(json_string_value(json_object_get(tap, "endpoint")),
			    "acme/production/shop/0");
	assert_int_equal(json_integer_value(json_object_get(tap, "fromGuest")),
			 100);
	assert_int_equal(json_integer_value(json_object_get(tap, "toGuest")),
			 101);
	tap = json_object_get(tap, "probes");
	assert_int_equal(json_object_size(tap), 2); /* not other controls' */
	assert_string_equal(
		json_string_value(json_object_get(tap, "spoofed MAC")),
		"WRONG");
	assert_string_equal(
		json_string_value(json_object_get(tap, "spoofed address")),
		"error");
}

static const char *mode_shown(size_t tap)
{
	const char *mode = json_string_value(json_object_get(
		json_array_get(evidence("net.default-deny"), tap), "mode"));

	assert_non_null(mode);
	return mode;
}

/* As the kernel's port says it, and what the probes of such a port say. */
static void test_modes_as_evidence(void **state)
{
	const json_t *probes;

	(void)state;
	f.results[TAP_ACME].port.mode = CLO_MODE_AUDIT;
	f.results[TAP_GLOBEX].port.mode = CLO_MODE_QUARANTINE;
	f.results[TAP_UNDECLARED].port.mode = CLO_MODE_AUDIT; /* no port */
	for (size_t i = 0; i < clo_probes_count; i++)
		f.results[TAP_ACME].probes[i] = CLO_PROBE_PASSED;
	measure(NULL);
	assert_string_equal(mode_shown(TAP_ACME), "audit");
	assert_string_equal(mode_shown(TAP_GLOBEX), "quarantine");
	assert_string_equal(mode_shown(TAP_UNDECLARED), "enforce");
	probes = json_object_get(
		json_array_get(evidence("spoof.source-binding"), TAP_ACME),
		"probes");
	assert_string_equal(
		json_string_value(json_object_get(probes, "spoofed MAC")),
		"passed in audit mode");
	measure(GLOBEX); /* and of nobody else's */
	assert_int_equal(json_array_size(evidence("net.default-deny")), 1);
	assert_string_equal(mode_shown(0), "quarantine");
}

static void test_bindings_as_evidence(void **state)
{
	const json_t *one;

	(void)state;
	f.node.n_domains = 1; /* of blog's, nothing is known */
	measure(NULL);
	one = evidence("env.label-integrity");
	assert_int_equal(json_array_size(one), 2);
	assert_true(json_is_null(
		json_object_get(json_array_get(one, TAP_GLOBEX), "domain")));
	one = json_array_get(one, TAP_ACME);
	assert_string_equal(json_string_value(json_object_get(one, "domain")),
			    f.domains[0].uuid);
	assert_memory_equal(
		json_string_value(json_object_get(one, "xmlDigest")), "aaaa",
		4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_control_once_in_order),
		TEST(test_without_problems_what_is_measured_passes),
		TEST(test_sandboxes_only_where_there_are),
		TEST(test_a_problem_fails_its_control),
		TEST(test_egress_needs_a_subject),
		TEST(test_more_problems_are_counted),
		TEST(test_an_exception_fails_its_control),
		TEST(test_an_exception_excuses_only_its_own),
		TEST(test_a_scope_reads_what_concerns_it),
		TEST(test_no_policy_no_pass),
		TEST(test_verified_boot),
		TEST(test_taps_as_evidence),
		TEST(test_modes_as_evidence),
		TEST(test_bindings_as_evidence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
