/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/probe.h"

#include <string.h>

#include "bpf/view.h"
#include "check.h"

/*
 * The probes against the datapath's own decisions, on the host: each frame is
 * what its name says if it is dropped for just that reason.
 */
static struct world world;
static struct host_state host;
static struct clo_interface_doc interface;
static struct clo_segment_doc segment;
static struct clo_uplink_doc uplink_doc;
static struct clo_cidr addresses[2];
static struct clo_tap tap, uplink;
static struct clo_probe_run how;
static enum clo_probe_result results[CLO_PROBES_MAX];

/* What stands where the guard should, and what it said to each frame. */
static enum {
	GUARD,
	PASS_ALL,
	DROP_ALL,
	BROKEN
} attached;
static struct clo_port own; /* of the tap */
static const struct clo_port *port; /* of the interface that is probed */
static enum clo_drop drops[CLO_PROBES_MAX];
static size_t n_drops;

#define FROM 7U /* program ids */
#define TO 8U

int clo_bpf_probe(struct clo_bpf *bpf, uint32_t prog_id, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop)
{
	const struct clo_view view = {&world, &host};
	/* exactly as long as it is, so that ASan sees one byte too far */
	CLO_AUTO_MEM __u8 *data = malloc(len);
	struct clo_outcome outcome;
	bool passes;

	assert_null(bpf);
	assert_int_equal(ifindex, 20);
	assert_in_range(prog_id, FROM, TO);
	assert_non_null(data);
	assert_in_range(n_drops, 0, CLO_PROBES_MAX - 1);
	memcpy(data, frame, len);
	if (attached == BROKEN)
		return -ENOENT;
	if (attached == GUARD)
		drops[n_drops] =
			host_decide(&view, port, prog_id == TO, mark, data,
				    (__u32)len, 2, CLO_SECOND, &outcome);
	passes = attached == PASS_ALL || (port && port->mode == CLO_MODE_AUDIT);
	*ret_drop = attached == DROP_ALL || (drops[n_drops] && !passes);
	n_drops++;
	return 0;
}

static int set_up(void **state)
{
	const struct world_nic *nic = &world_nics[WEB];

	(void)state;
	world_build(0, &world);
	memset(&host, 0, sizeof(host));
	host.max_conns = HOST_CONNS;
	addresses[0] = (struct clo_cidr){.family = 6, .bits = 128};
	addresses[1] = (struct clo_cidr){.family = 4, .bits = 32};
	memcpy(addresses[0].addr, nic->ip6, 16);
	memcpy(addresses[1].addr, nic->ip4, 4);
	segment = (struct clo_segment_doc){.id = nic->port.segment};
	interface = (struct clo_interface_doc){
		.endpoint = nic->port.endpoint,
		.segment = &segment,
		.addresses = addresses,
		.n_addresses = 2,
	};
	memcpy(interface.mac, nic->port.mac, 6);
	tap = (struct clo_tap){.ifindex = 20, .interface = &interface};
	uplink_doc = (struct clo_uplink_doc){.segment = &segment};
	uplink = (struct clo_tap){.ifindex = 20, .uplink = &uplink_doc};
	how = (struct clo_probe_run){
		.from_guest = FROM, .to_guest = TO, .lawful = true};
	own = nic->port;
	port = &own;
	attached = GUARD;
	n_drops = 0;
	memset(drops, 0, sizeof(drops));
	memset(results, 0xff, sizeof(results));
	return 0;
}

static enum clo_probe_result result(const char *name)
{
	for (size_t i = 0; i < clo_probes_count; i++)
		if (strcmp(clo_probes[i].name, name) == 0)
			return results[i];
	fail_msg("no probe %s", name);
	return CLO_PROBE_ERROR;
}

static void run(void)
{
	n_drops = 0;
	clo_probe_tap(NULL, &tap, NULL, &how, results);
}

struct expected {
	const char *name;
	bool to_guest;
	enum clo_drop drop;
};

/* The probes that ran, in order, each with its reason. */
static void assert_drops(const struct expected *expected, size_t n)
{
	size_t at = 0;

	assert_int_equal(n_drops, n);
	for (size_t i = 0; i < clo_probes_count; i++) {
		if (results[i] == CLO_PROBE_NOT_RUN)
			continue;
		assert_in_range(at, 0, n - 1);
		assert_string_equal(clo_probes[i].name, expected[at].name);
		assert_int_equal(clo_probes[i].to_guest, expected[at].to_guest);
		if (drops[at] != expected[at].drop)
			fail_msg("%s: drop reason %d, not %d",
				 expected[at].name, drops[at],
				 expected[at].drop);
		assert_int_equal(results[i], CLO_PROBE_RIGHT);
		at++;
	}
	assert_int_equal(at, n);
	for (size_t i = clo_probes_count; i < CLO_PROBES_MAX; i++)
		assert_int_equal(results[i], CLO_PROBE_NOT_RUN);
}

static const struct expected tap_drops[] = {
	{"unknown ethertype", false, CLO_DROP_ETHERTYPE},
	{"LLC frame", false, CLO_DROP_LLC},
	{"fragment without a first", false, CLO_DROP_FRAGMENT},
	{"source route", false, CLO_DROP_SOURCE_ROUTE},
	{"spoofed MAC", false, CLO_DROP_SPOOFED_MAC},
	{"spoofed address", false, CLO_DROP_SPOOFED_ADDRESS},
	{"spoofed ARP", false, CLO_DROP_SPOOFED_ARP},
	{"DHCP server reply", false, CLO_DROP_DHCP},
	{"router advertisement", false, CLO_DROP_ND_KIND},
	{"frame for another endpoint", true, CLO_DROP_NOT_FOR_ENDPOINT},
	{"frame for another segment's group", true, CLO_DROP_NOT_FOR_ENDPOINT},
	{"frame for the outside", true, CLO_DROP_NOT_FOR_ENDPOINT},
	{"own ARP passes", false, CLO_DROP_NONE},
};
#define N_TAP CLO_ARRAY_LEN(tap_drops)

/* Each is judged by what it is named after, not by some other fault. */
static void test_frames_are_what_their_names_say(void **state)
{
	(void)state;
	run();
	assert_drops(tap_drops, N_TAP);
}

static void test_frames_to_and_from_the_wire(void **state)
{
	static const struct expected expected[] = {
		{"VLAN tag from the wire", false, CLO_DROP_VLAN},
		{"local address from the wire", false,
		 CLO_DROP_SPOOFED_ADDRESS},
		{"unapproved frame to the wire", true,
		 CLO_DROP_NOT_FOR_SEGMENT},
	};
	const struct clo_port wire = {
		.space = own.space,
		.segment = own.segment,
		.kind = CLO_PORT_UPLINK,
	};

	(void)state;
	port = &wire;
	host.ports[2] = &own; /* the endpoint is on this node */
	clo_probe_tap(NULL, &uplink, &tap, &how, results);
	assert_drops(expected, CLO_ARRAY_LEN(expected));

	/* no endpoint of the segment here: nobody's address to claim */
	n_drops = 0;
	clo_probe_tap(NULL, &uplink, NULL, &how, results);
	assert_int_equal(n_drops, 2);
	assert_int_equal(result("local address from the wire"),
			 CLO_PROBE_NOT_RUN);
}

static void test_a_program_that_passes_all_is_caught(void **state)
{
	(void)state;
	attached = PASS_ALL;
	run();
	for (size_t i = 0; i < N_TAP; i++)
		assert_int_equal(results[i], clo_probes[i].drop
						     ? CLO_PROBE_WRONG
						     : CLO_PROBE_RIGHT);
}

static void test_a_program_that_drops_all_is_caught(void **state)
{
	(void)state;
	attached = DROP_ALL;
	run();
	for (size_t i = 0; i < N_TAP; i++)
		assert_int_equal(results[i], clo_probes[i].drop
						     ? CLO_PROBE_RIGHT
						     : CLO_PROBE_WRONG);
}

static void test_what_cannot_run_is_no_success(void **state)
{
	(void)state;
	attached = BROKEN;
	run();
	for (size_t i = 0; i < N_TAP; i++)
		assert_int_equal(results[i], CLO_PROBE_ERROR);
}

/* Judged only: said so, and a drop there would be another program's. */
static void test_audit_mode_passes_what_it_would_drop(void **state)
{
	(void)state;
	own.mode = CLO_MODE_AUDIT;
	how.mode = CLO_MODE_AUDIT;
	run();
	for (size_t i = 0; i < N_TAP; i++) {
		assert_int_equal(drops[i], tap_drops[i].drop);
		assert_int_equal(results[i], clo_probes[i].drop
						     ? CLO_PROBE_PASSED
						     : CLO_PROBE_RIGHT);
	}

	attached = DROP_ALL;
	run();
	for (size_t i = 0; i < N_TAP; i++)
		assert_int_equal(results[i], CLO_PROBE_WRONG);
}

/* In quarantine an endpoint still answers for itself. */
static void test_quarantine(void **state)
{
	(void)state;
	own.mode = CLO_MODE_QUARANTINE;
	how.mode = CLO_MODE_QUARANTINE;
	run();
	for (size_t i = 0; i < N_TAP; i++)
		assert_int_equal(results[i], CLO_PROBE_RIGHT);
}

/* A guest that has used up its limit is no broken guard. */
static void test_a_used_limit_is_no_failure(void **state)
{
	(void)state;
	own.flags = CLO_PORT_LIMIT_FROM;
	host.meter.bucket[CLO_BUCKET_PACKETS_FROM] = (struct clo_bucket){
		.paid = 1000 * CLO_SECOND, .cost = 1, .burst = 1};
	run();
	assert_int_equal(result("own ARP passes"), CLO_PROBE_WRONG);
	how.limited = true;
	run();
	assert_int_equal(result("own ARP passes"), CLO_PROBE_NOT_RUN);
	assert_int_equal(result("spoofed MAC"), CLO_PROBE_RIGHT);

	/* and its broadcasts' limit does not concern the lawful frame */
	(void)set_up(NULL);
	host.meter.bucket[CLO_BUCKET_MULTICAST] = (struct clo_bucket){
		.paid = 1000 * CLO_SECOND, .cost = 1, .burst = 1};
	run();
	assert_int_equal(result("own ARP passes"), CLO_PROBE_RIGHT);
}

/* The port of somebody else on this tap: its lawful frame shows it. */
static void test_a_foreign_port_is_caught(void **state)
{
	(void)state;
	port = &world_nics[DB].port;
	run();
	assert_int_equal(result("own ARP passes"), CLO_PROBE_WRONG);
	assert_int_equal(result("spoofed MAC"), CLO_PROBE_RIGHT);
}

/* The positive control runs only where it must pass. */
static void test_lawful_frames_need_an_endpoint_and_a_policy(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)set_up(NULL);
		if (i == 0)
			tap.interface = NULL;
		else if (i == 1)
			interface.n_addresses = 1; /* IPv6 alone */
		if (i == 0)
			port = NULL;
		how.lawful = i != 2;
		run();
		assert_int_equal(n_drops, N_TAP - 1);
		assert_int_equal(result("own ARP passes"), CLO_PROBE_NOT_RUN);
		assert_int_equal(result("unknown ethertype"), CLO_PROBE_RIGHT);
		assert_int_equal(result("frame for another endpoint"),
				 CLO_PROBE_RIGHT);
	}
}

/* Others' marks, even where this one's is the last there is. */
static void test_a_foreign_mark_is_never_its_own(void **state)
{
	(void)state;
	own.endpoint = interface.endpoint = CLO_ENDPOINT_MAX;
	own.segment = segment.id = CLO_SEGMENT_MAX;
	run();
	assert_int_equal(result("frame for another endpoint"), CLO_PROBE_RIGHT);
	assert_int_equal(result("frame for another segment's group"),
			 CLO_PROBE_RIGHT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames_are_what_their_names_say),
		TEST(test_frames_to_and_from_the_wire),
		TEST(test_a_program_that_passes_all_is_caught),
		TEST(test_a_program_that_drops_all_is_caught),
		TEST(test_what_cannot_run_is_no_success),
		TEST(test_audit_mode_passes_what_it_would_drop),
		TEST(test_quarantine),
		TEST(test_a_used_limit_is_no_failure),
		TEST(test_a_foreign_port_is_caught),
		TEST(test_lawful_frames_need_an_endpoint_and_a_policy),
		TEST(test_a_foreign_mark_is_never_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
