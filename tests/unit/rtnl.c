/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"

#define DEADLINE_MS 10000

struct seen {
	struct clo_link last[64];
	bool gone[64];
	size_t n;
};

static void on_change(const struct clo_link *link, bool gone, void *userdata)
{
	struct seen *seen = userdata;

	if (seen->n == 64)
		return;
	seen->last[seen->n] = *link;
	seen->gone[seen->n++] = gone;
}

static void run(const char *command)
{
	/* Fixed text of this file, in a namespace of our own. */
	/* NOLINTNEXTLINE(cert-env33-c) */
	assert_int_equal(system(command), 0);
}

static const struct clo_link *wait_for(struct clo_rtnl *rtnl, struct seen *seen,
				       const char *name, bool gone)
{
	struct pollfd fd = {clo_rtnl_fd(rtnl), POLLIN, 0};

	for (size_t i = 0;; i++) {
		while (i == seen->n) {
			assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
			assert_int_equal(clo_rtnl_dispatch(rtnl), 0);
		}
		if (seen->gone[i] == gone &&
		    strcmp(seen->last[i].name, name) == 0)
			return &seen->last[i];
	}
}

static const struct clo_link *find(const struct clo_link *links, size_t n,
				   const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(links[i].name, name) == 0)
			return &links[i];

	return NULL;
}

static void test_list(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	CLO_AUTO(clo_rtnl) struct clo_rtnl *rtnl = NULL;
	CLO_AUTO_MEM struct clo_link *links = NULL;
	const struct clo_link *bridge;
	const struct clo_link *port;
	struct seen seen = {0};
	size_t n;

	(void)state;
	run("ip link add br7 type bridge && ip link add p7 address "
	    "02:00:00:00:00:07 type veth peer name q7 && "
	    "ip link set p7 master br7 up && ip tuntap add t7 mode tap");
	assert_int_equal(clo_rtnl_new(on_change, &seen, &rtnl), 0);
	assert_int_equal(clo_rtnl_list(rtnl, &links, &n), 0);
	assert_int_equal(n, 5);
	bridge = find(links, n, "br7");
	port = find(links, n, "p7");
	assert_non_null(bridge);
	assert_non_null(port);
	assert_true(bridge->bridge);
	assert_string_equal(bridge->kind, "bridge");
	assert_int_equal(bridge->master, 0);
	assert_int_equal(port->master, bridge->ifindex);
	assert_int_equal(port->ifindex, if_nametoindex("p7"));
	assert_memory_equal(port->mac, mac, sizeof(mac));
	assert_true(port->up);
	assert_string_equal(port->kind, "veth");
	assert_false(find(links, n, "q7")->up);
	assert_string_equal(find(links, n, "t7")->kind, "tun");
	assert_string_equal(find(links, n, "lo")->kind, "");
	run("ip link del br7 && ip link del p7 && ip link del t7");
}

static void test_events(void **state)
{
	CLO_AUTO(clo_rtnl) struct clo_rtnl *rtnl = NULL;
	struct seen seen = {0};
	uint32_t ifindex;

	(void)state;
	assert_int_equal(clo_rtnl_new(on_change, &seen, &rtnl), 0);
	assert_int_equal(clo_rtnl_dispatch(rtnl), 0); /* does not block */
	assert_int_equal(seen.n, 0);

	run("ip link add e8 type veth peer name f8");
	ifindex = if_nametoindex("e8");
	assert_int_equal(wait_for(rtnl, &seen, "e8", false)->ifindex, ifindex);
	run("ip link add br8 type bridge");
	(void)wait_for(rtnl, &seen, "br8", false);

	/* Leaving a bridge is a change of the port, not its end. */
	seen.n = 0;
	run("ip link set e8 master br8 && ip link set e8 nomaster && "
	    "ip link set e8 alias marker && ip link del br8");
	(void)wait_for(rtnl, &seen, "br8", true);
	for (size_t i = 0; i < seen.n; i++)
		assert_false(seen.gone[i] && seen.last[i].ifindex == ifindex);
	run("ip link del e8");
	assert_int_equal(wait_for(rtnl, &seen, "e8", true)->ifindex, ifindex);
}

static void test_overflow_is_reported(void **state)
{
	CLO_AUTO(clo_rtnl) struct clo_rtnl *rtnl = NULL;
	CLO_AUTO_MEM struct clo_link *links = NULL;
	struct seen seen = {0};
	int bytes = 1;
	size_t n;
	int r;

	(void)state;
	assert_int_equal(clo_rtnl_new(on_change, &seen, &rtnl), 0);
	assert_int_equal(setsockopt(clo_rtnl_fd(rtnl), SOL_SOCKET, SO_RCVBUF,
				    &bytes, sizeof(bytes)),
			 0);
	for (int i = 0; i < 20; i++)
		run("ip link add g9 type veth peer name h9 && ip link del g9");
	do
		r = clo_rtnl_dispatch(rtnl);
	while (r == 0 && seen.n > 0);
	assert_int_equal(r, -ENOBUFS);
	/* And it goes on: the state is listed anew. */
	assert_int_equal(clo_rtnl_list(rtnl, &links, &n), 0);
	assert_int_equal(n, 1);
}

/* What it finds on a hook is tested with the guards. */
static void test_no_filters(void **state)
{
	struct clo_filter filter;
	size_t n = 77;

	(void)state;
	assert_int_equal(clo_rtnl_filters(12345, false, &filter, 1, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(clo_rtnl_filters(1, true, &filter, 1, &n), 0);
	assert_int_equal(n, 0);
}

/* A port's flags as listed, asked fresh. */
static struct clo_link port_of(const char *name)
{
	CLO_AUTO(clo_rtnl) struct clo_rtnl *rtnl = NULL;
	CLO_AUTO_MEM struct clo_link *links = NULL;
	const struct clo_link *link;
	struct seen seen = {0};
	size_t n;

	assert_int_equal(clo_rtnl_new(on_change, &seen, &rtnl), 0);
	assert_int_equal(clo_rtnl_list(rtnl, &links, &n), 0);
	link = find(links, n, name);
	assert_non_null(link);
	return *link;
}

static void test_flooding(void **state)
{
	(void)state;
	run("ip link add br7 type bridge && "
	    "ip link add p7 type veth peer name q7 && "
	    "ip link set p7 master br7");
	assert_true(port_of("p7").unicast_flood);
	assert_true(port_of("p7").group_flood);
	assert_false(port_of("q7").unicast_flood); /* no port of a bridge */

	assert_int_equal(clo_rtnl_flood_set(if_nametoindex("p7"), false), 0);
	assert_false(port_of("p7").unicast_flood);
	assert_true(port_of("p7").group_flood);
	run("ip link set p7 type bridge_slave mcast_flood off");
	assert_false(port_of("p7").group_flood);
	run("ip link set p7 type bridge_slave mcast_flood on bcast_flood off");
	assert_false(port_of("p7").group_flood);
	assert_int_equal(clo_rtnl_flood_set(if_nametoindex("p7"), true), 0);
	assert_true(port_of("p7").unicast_flood);
	assert_true(port_of("p7").group_flood);

	assert_int_equal(clo_rtnl_flood_set(if_nametoindex("q7"), false),
			 -EOPNOTSUPP);
	assert_int_equal(clo_rtnl_flood_set(12345, false), -ENODEV);
	run("ip link del br7 && ip link del p7");
}

/* How many entries fix the MAC to the interface. */
static size_t fixed(const char *name, const uint8_t mac[6])
{
	CLO_AUTO_MEM struct clo_fdb *entries = NULL;
	uint32_t ifindex = if_nametoindex(name);
	size_t found = 0;
	size_t n;

	assert_int_equal(clo_rtnl_fdb_list(&entries, &n), 0);
	for (size_t i = 0; i < n; i++)
		found += entries[i].ifindex == ifindex &&
			 memcmp(entries[i].mac, mac, 6) == 0;
	return found;
}

static void test_fixed_macs(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	(void)state;
	run("ip link add br7 type bridge && "
	    "ip link add p7 type veth peer name q7 && "
	    "ip link add p8 type veth peer name q8 && "
	    "ip link set p7 master br7 && ip link set p8 master br7");
	assert_int_equal(fixed("p7", mac), 0);
	/* one that may be learnt away, or that is the bridge's, is not fixed */
	run("bridge fdb add 02:00:00:00:00:09 dev p7 master static");
	assert_int_equal(fixed("p7", mac), 0);
	run("bridge fdb replace 02:00:00:00:00:09 dev p7 master permanent");
	assert_int_equal(fixed("p7", mac), 0);

	assert_int_equal(clo_rtnl_fdb_add(if_nametoindex("p7"), mac), 0);
	assert_true(fixed("p7", mac) > 0);
	assert_int_equal(clo_rtnl_fdb_add(if_nametoindex("p7"), mac), 0);
	assert_int_equal(clo_rtnl_fdb_add(if_nametoindex("p8"), mac), 0);
	assert_true(fixed("p8", mac) > 0);
	assert_int_equal(fixed("p7", mac), 0); /* a MAC is on one port */
	assert_int_equal(clo_rtnl_fdb_del(if_nametoindex("p8"), mac), 0);
	assert_int_equal(fixed("p8", mac), 0);
	assert_int_equal(clo_rtnl_fdb_del(if_nametoindex("p8"), mac), -ENOENT);

	assert_int_equal(clo_rtnl_fdb_add(if_nametoindex("q8"), mac),
			 -EOPNOTSUPP);
	assert_int_equal(clo_rtnl_fdb_add(12345, mac), -ENODEV);
	run("ip link del br7 && ip link del p7 && ip link del p8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_overflow_is_reported),
		cmocka_unit_test(test_no_filters),
		cmocka_unit_test(test_flooding),
		cmocka_unit_test(test_fixed_macs),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return skip_all("root, and a network namespace");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
