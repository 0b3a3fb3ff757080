/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/fence.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define DEADLINE_MS 10000

static const char *const bridges[] = {"br0", "br1"};
static const char *const uplinks[] = {"eth0.5"};
static const uint32_t ports[] = {3, 5};
static const uint32_t others[] = {9};
static const struct clo_fence whole = {
	.bridges = bridges,
	.n_bridges = 2,
	.uplinks = uplinks,
	.n_uplinks = 1,
	.ports = ports,
	.n_ports = 2,
	.others = others,
	.n_others = 1,
};

static void test_text(void **state)
{
	static const char expected[] =
		"table bridge cloison\n"
		"delete table bridge cloison\n"
		"table bridge cloison {\n"
		"  set bridges { type ifname; elements = { \"br0\", \"br1\" }"
		" }\n"
		"  set uplinks { type ifname; elements = { \"eth0.5\" } }\n"
		"  set ports { type iface_index; elements = { 3, 5 } }\n"
		"  chain from_port {\n"
		"    type filter hook prerouting priority -300; policy accept;\n"
		"    meta mark != 0 accept\n"
		"    iif @ports accept\n"
		"    iifname @uplinks accept\n"
		"    meta ibrname @bridges counter drop\n"
		"  }\n"
		"  chain from_port_to_node {\n"
		"    type filter hook input priority -300; policy accept;\n"
		"    meta mark != 0 accept\n"
		"    iif @ports accept\n"
		"    iifname @uplinks accept\n"
		"    meta ibrname @bridges counter drop\n"
		"  }\n"
		"  chain to_port {\n"
		"    type filter hook postrouting priority 300; policy accept;\n"
		"    oif @ports accept\n"
		"    oifname @uplinks accept\n"
		"    meta obrname @bridges counter drop\n"
		"  }\n"
		"  chain from_node_to_port {\n"
		"    type filter hook output priority 300; policy accept;\n"
		"    oif @ports accept\n"
		"    oifname @uplinks accept\n"
		"    meta obrname @bridges counter drop\n"
		"  }\n"
		"}\n";
	CLO_AUTO_MEM char *text = NULL;

	(void)state;
	assert_int_equal(clo_fence_text(&whole, false, &text), 0);
	assert_string_equal(text, expected);
}

static void test_around_all(void **state)
{
	static const struct clo_fence empty = {0};
	CLO_AUTO_MEM char *text = NULL;
	CLO_AUTO_MEM char *none = NULL;

	(void)state;
	assert_int_equal(clo_fence_text(&whole, true, &text), 0);
	assert_non_null(strstr(text, "elements = { 3, 5, 9 }"));
	assert_non_null(strstr(text, "    counter drop\n"));
	assert_null(strstr(text, "brname"));
	assert_int_equal(clo_fence_text(&empty, true, &none), 0);
	assert_null(strstr(none, "elements"));
	assert_non_null(strstr(none, "    counter drop\n"));
}

/* What a policy may name and nftables cannot be told opens nothing. */
static void test_names(void **state)
{
	static const char *const bad[] = {"br\"", "*", "br*", "b\\r"};
	CLO_AUTO_MEM char *text = NULL;
	struct clo_fence fence = whole;

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
		fence.bridges = &bad[i];
		fence.n_bridges = 1;
		assert_int_equal(clo_fence_text(&fence, false, &text),
				 -EOPNOTSUPP);
	}
	fence.uplinks = bad;
	fence.n_uplinks = CLO_ARRAY_LEN(bad);
	assert_int_equal(clo_fence_text(&fence, true, &text), 0);
	assert_non_null(strstr(text, "set uplinks { type ifname; }"));
}

/* -- in the kernel, in a network namespace of this test's own */

struct fixture {
	struct clo_nft *nft;
	struct clo_fence fence;
	struct clo_fence_state state;
	uint32_t ports[2];
};

static void run(const char *command)
{
	/* Fixed text of this file, in a namespace of our own. */
	/* NOLINTNEXTLINE(cert-env33-c) */
	assert_int_equal(system(command), 0);
}

/* t3 has another's number for a name, or has its own again. */
static void disguise(uint32_t index, bool on)
{
	char text[64];

	(void)snprintf(text, sizeof(text),
		       on ? "ip link set t3 name %u" : "ip link set %u name t3",
		       index);
	run(text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || unshare(CLONE_NEWNET) < 0)
		return -1;
	run("ip link add t1 type veth peer name p1 && "
	    "ip link add t2 type veth peer name p2 && "
	    "ip link add t3 type veth peer name p3");
	f->ports[0] = if_nametoindex("t1");
	f->ports[1] = if_nametoindex("t2");
	f->fence = (struct clo_fence){
		.bridges = bridges,
		.n_bridges = 2,
		.ports = f->ports,
		.n_ports = 2,
	};
	assert_int_equal(clo_nft_new(&f->nft), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	clo_fence_state_done(&f->state);
	clo_nft_free(f->nft);
	free(f);
	return 0;
}

static void apply(struct fixture *f)
{
	assert_int_equal(clo_fence_apply(f->nft, &f->fence, &f->state), 0);
}

/* The check finds this one thing; NULL: nothing. */
static void assert_found(struct fixture *f, const char *text)
{
	struct clo_findings findings = {0};

	assert_int_equal(clo_fence_check(f->nft, &f->state, &findings), 0);
	assert_int_equal(findings.n, text ? 1 : 0);
	if (text) {
		assert_string_equal(findings.list[0].control,
				    "net.fail-closed");
		if (!strstr(findings.list[0].text, text))
			fail_msg("%s", findings.list[0].text);
	}
	clo_findings_done(&findings);
}

static void test_apply(void **state)
{
	struct fixture *f = *state;

	assert_found(f, "is not there");
	apply(f);
	assert_found(f, NULL);
	apply(f);
	f->fence.n_ports = 1;
	apply(f);
	assert_found(f, NULL);
	f->fence.n_ports = 2;
	f->fence.others = f->ports; /* both lists may have one */
	f->fence.n_others = 2;
	apply(f);
	assert_found(f, NULL);
	run("ip link set t2 name t9");
	assert_found(f, NULL);
	run("ip link del t9");
	assert_found(f, NULL);
	assert_int_equal(clo_fence_remove(f->nft), 0);
	assert_found(f, "is gone");
	f->fence.n_ports = 1;
	f->fence.n_others = 0;
	/* not put up again behind the audit's back */
	assert_int_equal(clo_fence_apply(f->nft, &f->fence, &f->state),
			 -ENOENT);
	clo_fence_state_done(&f->state);
	apply(f);
	assert_found(f, NULL);
	assert_int_equal(clo_fence_remove(f->nft), 0);
	assert_int_equal(clo_fence_remove(f->nft), -ENOENT);
}

static void test_planted(void **state)
{
	static const struct {
		const char *command, *text;
	} planted[] = {
		{"nft delete element bridge cloison ports { t1 }",
		 "cuts t1 off"},
		{"nft add element bridge cloison ports { t3 }",
		 "lets t3 through"},
		{"nft 'add element bridge cloison ports { t3 comment \"x\" }'",
		 "lets t3 through"},
		{"nft insert rule bridge cloison from_port accept",
		 "other rules"},
		{"nft flush chain bridge cloison from_node_to_port",
		 "other rules"},
		{"nft 'add chain bridge cloison from_port { policy drop; }'",
		 "other rules"},
		{"nft 'add set bridge cloison more { type ifname; }'",
		 "other rules"},
		{"nft 'add element bridge cloison uplinks { \"t3\" }'",
		 "other rules"},
		{"nft flush ruleset", "is gone"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(planted); i++) {
		clo_fence_state_done(&f->state);
		apply(f);
		assert_found(f, NULL);
		run(planted[i].command);
		assert_found(f, planted[i].text);
	}
}

/* An interface whose name is another one's number is not let through. */
static void test_number_as_name(void **state)
{
	struct fixture *f = *state;
	CLO_AUTO_MEM char *listing = NULL;

	disguise(f->ports[0], true);
	apply(f);
	assert_int_equal(
		clo_nft_list(f->nft, "list set bridge cloison ports", &listing),
		0);
	assert_non_null(strstr(listing, "\"elem\": [\"t2\"]"));
	assert_found(f, "cuts t1 off");

	disguise(f->ports[0], false);
	clo_fence_state_done(&f->state);
	apply(f);
	assert_found(f, NULL);
	disguise(f->ports[0], true); /* too late */
	assert_found(f, NULL);
	f->fence.n_ports = 1;
	apply(f);
	assert_found(f, "cuts t1 off");
}

static void test_odd_bridge(void **state)
{
	static const char *const odd[] = {"br*\""};
	struct fixture *f = *state;

	f->fence.bridges = odd;
	f->fence.n_bridges = 1;
	apply(f);
	assert_true(f->state.around_all);
	assert_found(f, NULL);
}

static void test_begin(void **state)
{
	struct fixture *f = *state;
	struct clo_fence none = f->fence;

	none.n_ports = 0;
	apply(f);
	run("nft flush chain bridge cloison from_port");
	assert_int_equal(clo_fence_begin(f->nft, &none), 0);
	/* the same rules but for their handles, and the ports that were there */
	assert_int_equal(clo_fence_apply(f->nft, &f->fence, &f->state), 0);
	clo_fence_state_done(&f->state);
	run("nft list chain bridge cloison from_port | grep -q 'iif @ports'");
	run("nft list set bridge cloison ports | grep -q '\"t1\", \"t2\"'");

	run("nft flush ruleset; nft add table bridge cloison");
	assert_int_equal(clo_fence_begin(f->nft, &none), 0);
	run("nft list chain bridge cloison from_port | grep -q drop");
	run("! nft list set bridge cloison ports | grep -q elements");
}

static bool hears(int fd)
{
	struct pollfd event = {fd, POLLIN, 0};

	assert_int_equal(poll(&event, 1, DEADLINE_MS), 1);
	return clo_nft_changed(fd);
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	CLO_AUTO_FD int fd = clo_nft_watch();

	assert_true(fd >= 0);
	assert_false(clo_nft_changed(fd));
	run("nft add table ip other");
	assert_false(hears(fd));
	apply(f);
	assert_true(hears(fd));
	run("nft add element bridge cloison ports { t3 }");
	assert_true(hears(fd));
	run("nft flush ruleset");
	assert_true(hears(fd));
	assert_false(clo_nft_changed(fd));
}

/* A frame of a port without a guard is dropped, and counted. */
static void test_dropped(void **state)
{
	struct fixture *f = *state;

	apply(f);
	assert_found(f, NULL);
	assert_int_equal(f->state.dropped, 0);
	run("ip link add br0 type bridge mcast_snooping 0 && "
	    "ip link set br0 up && ip link set p3 up && "
	    "ip link set t3 master br0 up && "
	    "ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:01 dev p3 && "
	    "ip addr add 10.9.9.1/24 dev p3 && "
	    "! ping -c 1 -W 1 -I p3 10.9.9.9 >/dev/null");
	assert_found(f, NULL); /* counts are no change of the rules */
	assert_true(f->state.dropped > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_around_all),
		cmocka_unit_test(test_names),
	};
	const struct CMUnitTest kernel[] = {
		cmocka_unit_test_setup_teardown(test_apply, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_planted, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_number_as_name, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_odd_bridge, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_begin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dropped, set_up,
						tear_down),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (failed)
		return failed;
	if (geteuid() != 0)
		return skip_all("root");
	return cmocka_run_group_tests(kernel, NULL, NULL);
}
