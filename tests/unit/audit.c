/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/audit.h"

#include <string.h>

#include "agent/core/audit_impl.h"
#include "check.h"
#include "fixture_node.h"

/*
 * The steps of an audit that read ports, accounts, hooks and bridges, against
 * a kernel of this file. It begins as the policy wants it.
 */
#define N_ACCOUNTS 64

static struct fixture f;
static struct clo_interface_doc acme; /* the one of TAP_ACME, to be changed */
static struct clo_audit *audit;

static struct {
	struct clo_bpf_port ports[N_TAPS + 1];
	size_t n_ports;
	struct clo_bpf_account accounts[N_ACCOUNTS];
	size_t n_accounts;
	struct clo_bpf_guard guard; /* of every tap */
	size_t queries;
	bool passes; /* the programs let everything through */
	struct clo_link links[N_TAPS];
	struct clo_fdb fixed[N_TAPS];
	size_t n_fixed;
	int error;
} kernel;

/* Give out a copy, as those do. */
static int copy(const void *from, size_t n, size_t size, void *ret,
		size_t *ret_n)
{
	void *made = calloc(n + 1, size);

	assert_non_null(made);
	if (kernel.error) {
		free(made);
		return kernel.error;
	}
	memcpy(made, from, n * size);
	memcpy(ret, &made, sizeof(made));
	*ret_n = n;
	return 0;
}

int clo_bpf_ports_read(struct clo_bpf *bpf, struct clo_bpf_port **ret_ports,
		       size_t *ret_n)
{
	(void)bpf;
	return copy(kernel.ports, kernel.n_ports, sizeof(kernel.ports[0]),
		    ret_ports, ret_n);
}

int clo_bpf_accounts_read(struct clo_bpf *bpf,
			  struct clo_bpf_account **ret_accounts, size_t *ret_n)
{
	(void)bpf;
	return copy(kernel.accounts, kernel.n_accounts,
		    sizeof(kernel.accounts[0]), ret_accounts, ret_n);
}

int clo_bpf_guard_query(struct clo_bpf *bpf, uint32_t ifindex,
			struct clo_bpf_guard *ret_guard)
{
	(void)bpf;
	(void)ifindex;
	kernel.queries++;
	*ret_guard = kernel.guard;
	return kernel.error;
}

int clo_rtnl_list(struct clo_rtnl *rtnl, struct clo_link **ret_links,
		  size_t *ret_n)
{
	(void)rtnl;
	return copy(kernel.links, N_TAPS, sizeof(kernel.links[0]), ret_links,
		    ret_n);
}

int clo_rtnl_fdb_list(struct clo_fdb **ret_entries, size_t *ret_n)
{
	return copy(kernel.fixed, kernel.n_fixed, sizeof(kernel.fixed[0]),
		    ret_entries, ret_n);
}

/* Drops all but the lawful probe: ARP for the sender's own address. */
static int probe(uint32_t prog_id, const uint8_t *frame, bool *ret_drop)
{
	bool lawful = frame[12] == 8 && frame[13] == 6 &&
		      memcmp(frame + 28, frame + 38, 4) == 0;

	assert_in_range(prog_id, 100, 101); /* as the query told */
	*ret_drop = !kernel.passes && !(lawful && prog_id == 100);
	return 0;
}

static void build_kernel(void)
{
	const struct clo_force *force = f.node.force;

	memset(&kernel, 0, sizeof(kernel));
	for (size_t i = 0; i < TAP_UNDECLARED; i++) {
		struct clo_bpf_port *port = &kernel.ports[kernel.n_ports++];
		struct clo_setting setting;

		clo_setting_make(&f.taps[i], &setting);
		*port = (struct clo_bpf_port){
			f.taps[i].ifindex, setting.port, {{{0}}, 0}};
		port->port.slot = 1 + (uint32_t)i;
		memcpy(port->meter.bucket, setting.limits,
		       sizeof(setting.limits));
		kernel.fixed[kernel.n_fixed].ifindex = f.taps[i].ifindex;
		memcpy(kernel.fixed[kernel.n_fixed++].mac,
		       f.taps[i].interface->mac, 6);
	}
	for (size_t i = 0; i < N_TAPS; i++) {
		f.taps[i].master = 10;
		kernel.links[i] = (struct clo_link){
			.ifindex = f.taps[i].ifindex, .group_flood = true};
	}
	assert_in_range(force->n_quotas, 1, N_ACCOUNTS - 1);
	for (size_t i = 0; i < force->n_quotas; i++)
		kernel.accounts[kernel.n_accounts++] = (struct clo_bpf_account){
			force->quotas[i].key,
			{force->quotas[i].parent, force->quotas[i].limit, 5, 0,
			 0}};
	kernel.guard.from_guest =
		(struct clo_bpf_hook){.ours = true, .prog_id = 100};
	kernel.guard.to_guest =
		(struct clo_bpf_hook){.ours = true, .prog_id = 101};
}

/* Not clo_audit_free(): it would bring in the rest of the datapath. */
static void forget(void)
{
	if (audit) {
		clo_problems_done(&audit->problems);
		free(audit->taps);
		free(audit);
	}
	audit = NULL;
}

static int set_up(void **state)
{
	(void)state;
	fixture_init(&f, FIXTURE_START - 1);
	fixture_probe = probe;
	acme = *f.taps[TAP_ACME].interface;
	f.taps[TAP_ACME].interface = &acme;
	build_kernel();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	forget();
	fixture_done(&f);
	return 0;
}

static void run(void)
{
	static int (*const steps[])(struct clo_node * node,
				    struct clo_audit * result) = {
		clo_audit_ports,
		clo_audit_quotas,
		clo_audit_taps,
		clo_audit_bridges,
	};

	forget();
	audit = calloc(1, sizeof(*audit));
	assert_non_null(audit);
	kernel.queries = 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(steps); i++)
		assert_int_equal(steps[i](&f.node, audit), 0);
}

/* One problem, of that control; told to that scope alone, or to all (NULL). */
static void assert_one(const char *control, const char *text, const char *scope,
		       unsigned int repair)
{
	const struct clo_problem *p;

	run();
	if (audit->problems.n != 1)
		fail_msg("%zu problems, want \"%s\"", audit->problems.n, text);
	p = &audit->problems.list[0];
	assert_string_equal(p->control, control);
	if (!strstr(p->text, text))
		fail_msg("\"%s\", not \"%s\"", p->text, text);
	assert_int_equal(clo_problem_concerns(p, ACME),
			 !scope || strcmp(scope, ACME) == 0);
	assert_int_equal(clo_problem_concerns(p, GLOBEX),
			 !scope || strcmp(scope, GLOBEX) == 0);
	assert_int_equal(audit->repair, repair);
}

static void test_nothing_is_wrong(void **state)
{
	(void)state;
	run();
	for (size_t i = 0; i < audit->problems.n; i++)
		fail_msg("%s", audit->problems.list[i].text);
	assert_int_equal(audit->repair, 0);
	assert_int_equal(audit->n_guarded, N_TAPS);
	assert_int_equal(kernel.queries, N_TAPS); /* each hook once */
	assert_true(audit->taps[TAP_ACME].has_port);
	assert_false(audit->taps[TAP_UNDECLARED].has_port);
}

static void test_a_port_that_differs(void **state)
{
	struct clo_bpf_port *port = &kernel.ports[TAP_ACME];

	(void)state;
	port->port.segment++;
	assert_one("env.label-integrity", "vnet-a", ACME, CLO_REPAIR_PORTS);
	build_kernel();
	port->port.mode = CLO_MODE_QUARANTINE;
	assert_one("net.default-deny", "another mode", ACME, CLO_REPAIR_PORTS);
	build_kernel();
	port->meter.bucket[CLO_BUCKET_FLOWS].cost++;
	assert_one("net.flow-matrix", "its limits", ACME, CLO_REPAIR_PORTS);
	build_kernel();
	port->port.slot = kernel.ports[TAP_GLOBEX].port.slot;
	assert_one("net.flow-matrix", "share meter 2", NULL, CLO_REPAIR_PORTS);
}

static void test_a_port_too_few_or_too_many(void **state)
{
	(void)state;
	kernel.n_ports = 1;
	assert_one("env.label-integrity", "vnet-g", GLOBEX, CLO_REPAIR_PORTS);
	build_kernel();
	kernel.ports[kernel.n_ports++] =
		(struct clo_bpf_port){.ifindex = 4711, .port = {.kind = 1}};
	assert_one("env.label-integrity", "4711", NULL, CLO_REPAIR_PORTS);
	build_kernel();
	kernel.ports[kernel.n_ports++] = (struct clo_bpf_port){
		.ifindex = f.taps[TAP_UNDECLARED].ifindex,
		.port = {.endpoint = 9, .kind = CLO_PORT_TAP, .slot = 9}};
	assert_one("env.label-integrity", "undeclared", "nobody",
		   CLO_REPAIR_PORTS);
	/* while libvirt is mute nobody can say whose it is */
	f.inventory.domains_known = false;
	run();
	assert_int_equal(audit->problems.n, 0);
}

static bool is_failed(const char *control, const char *text)
{
	for (size_t i = 0; i < audit->problems.n; i++) {
		const struct clo_problem *p = &audit->problems.list[i];

		if (strcmp(p->control, control) == 0 && strstr(p->text, text) &&
		    clo_problem_concerns(p, ACME) &&
		    !clo_problem_concerns(p, GLOBEX))
			return true;
	}
	return false;
}

/* Wanted or not: what only counts is never good news. */
static void test_audit_mode_is_no_pass(void **state)
{
	static const char *const controls[] = {
		"net.default-deny",     "net.cross-tenant-deny",
		"net.no-bypass-path",   "env.prod-nonprod-deny",
		"spoof.source-binding", "spoof.arp-nd-dhcp",
	};

	(void)state;
	acme.mode = CLO_MODE_AUDIT;
	build_kernel();
	kernel.passes = true;
	f.inventory.n_taps = 1;
	kernel.n_ports = 1;
	run();
	assert_int_equal(audit->problems.n, CLO_ARRAY_LEN(controls));
	for (size_t i = 0; i < CLO_ARRAY_LEN(controls); i++)
		assert_true(is_failed(controls[i], "audit mode"));
	assert_int_equal(audit->repair, 0);
	assert_int_equal(audit->taps[0].port.mode, CLO_MODE_AUDIT);
	assert_int_equal(audit->taps[0].probes[0], CLO_PROBE_PASSED);

	/* a program that drops what audit mode should pass is noticed */
	kernel.passes = false;
	run();
	assert_true(audit->problems.n > CLO_ARRAY_LEN(controls));
	assert_true(is_failed("net.default-deny", "was dropped"));
}

static void test_quarantine_is_shown(void **state)
{
	(void)state;
	acme.mode = CLO_MODE_QUARANTINE;
	build_kernel();
	run();
	assert_int_equal(audit->problems.n, 0);
	assert_int_equal(audit->taps[TAP_ACME].port.mode, CLO_MODE_QUARANTINE);
}

static void test_accounts(void **state)
{
	(void)state;
	kernel.accounts[0].account.limit++;
	assert_one("net.flow-matrix", "is not as the policy says", NULL,
		   CLO_REPAIR_QUOTAS);
	build_kernel();
	kernel.accounts[1].account.parent++;
	assert_one("net.flow-matrix", "is not as the policy says", NULL,
		   CLO_REPAIR_QUOTAS);
	build_kernel();
	kernel.n_accounts -= 2;
	assert_one("net.flow-matrix", "2 accounts are missing", NULL,
		   CLO_REPAIR_QUOTAS);
	build_kernel(); /* of an endpoint that is gone, with flows left */
	kernel.accounts[kernel.n_accounts++] =
		(struct clo_bpf_account){.key = 12345, .account = {.used = 1}};
	run();
	assert_int_equal(audit->problems.n, 0);
}

static void test_hooks_and_probes(void **state)
{
	(void)state;
	f.inventory.n_taps = 1;
	kernel.n_ports = 1;
	kernel.guard.to_guest.ours = false;
	assert_one("net.default-deny", "to_guest is not attached", ACME,
		   CLO_REPAIR_GUARDS);
	assert_int_equal(audit->n_guarded, 0);
	assert_int_equal(audit->taps[0].probes[0], CLO_PROBE_NOT_RUN);

	build_kernel();
	kernel.n_ports = 1;
	kernel.guard.from_guest.others = 2;
	assert_one("net.no-bypass-path", "2 foreign programs", ACME, 0);

	build_kernel();
	kernel.n_ports = 1;
	kernel.passes = true;
	run();
	assert_true(is_failed("net.default-deny", "was let through"));
	assert_true(is_failed("spoof.source-binding", "was let through"));
	assert_true(is_failed("spoof.arp-nd-dhcp", "was let through"));
	assert_true(is_failed("net.no-bypass-path", "was let through"));
}

static void test_bridges(void **state)
{
	(void)state;
	kernel.links[TAP_GLOBEX].unicast_flood = true;
	assert_one("net.default-deny", "vnet-g", GLOBEX, CLO_REPAIR_BRIDGES);
	build_kernel();
	kernel.links[TAP_UNDECLARED].unicast_flood = true;
	assert_one("net.default-deny", "vnet-u", "nobody", CLO_REPAIR_BRIDGES);
	build_kernel();
	kernel.links[TAP_ACME].group_flood = false;
	assert_one("net.default-deny", "broadcast", ACME, CLO_REPAIR_BRIDGES);
	build_kernel();
	kernel.n_fixed = 1;
	assert_one("net.no-bypass-path", "is not fixed", GLOBEX,
		   CLO_REPAIR_BRIDGES);
	build_kernel();
	kernel.n_fixed = 0;
	f.taps[TAP_GLOBEX].master = 0; /* on no governed bridge */
	kernel.links[TAP_GLOBEX].unicast_flood = true;
	assert_one("net.no-bypass-path", "vnet-a", ACME, CLO_REPAIR_BRIDGES);
	build_kernel();
	kernel.fixed[kernel.n_fixed] = kernel.fixed[TAP_GLOBEX];
	kernel.fixed[kernel.n_fixed++].ifindex = f.taps[TAP_ACME].ifindex;
	assert_one("net.no-bypass-path", "another's MAC", ACME,
		   CLO_REPAIR_BRIDGES);
}

/* What cannot be read is no success. */
static void test_what_cannot_be_read(void **state)
{
	static const char *const texts[] = {
		"ports cannot be read", "accounts cannot be read",
		"hooks cannot be read", "bridges cannot be read"};

	(void)state;
	kernel.error = -EIO;
	run();
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		bool found = false;

		for (size_t k = 0; k < audit->problems.n; k++)
			found |= strstr(audit->problems.list[k].text,
					texts[i]) != NULL;
		assert_true(found);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_wrong),
		TEST(test_a_port_that_differs),
		TEST(test_a_port_too_few_or_too_many),
		TEST(test_audit_mode_is_no_pass),
		TEST(test_quarantine_is_shown),
		TEST(test_accounts),
		TEST(test_hooks_and_probes),
		TEST(test_bridges),
		TEST(test_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
