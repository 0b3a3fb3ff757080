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
static struct clo_cidr addresses[2];
static struct clo_tap tap;
static enum clo_probe_result results[CLO_PROBES_MAX];

/* What stands where the guard should, and what it said to each frame. */
static enum {
	GUARD,
	PASS_ALL,
	DROP_ALL,
	BROKEN
} attached;
static const struct clo_port *port; /* of the tap */
static enum clo_drop drops[CLO_PROBES_MAX];
static size_t n_drops;

int clo_bpf_probe(struct clo_bpf *bpf, bool to_guest, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop)
{
	const struct clo_view view = {&world, &host};
	const struct clo_hook hook = {
		.view = &view, .port = port, .epoch = 2, .now = CLO_SECOND};
	/* exactly as long as it is, so that ASan sees one byte too far */
	CLO_AUTO_MEM __u8 *data = malloc(len);
	const struct clo_packet packet = {data, data + len, (__u32)len, 0};
	__u32 marked = 0;

	assert_null(bpf);
	assert_int_equal(ifindex, 20);
	assert_non_null(data);
	assert_in_range(n_drops, 0, CLO_PROBES_MAX - 1);
	memcpy(data, frame, len);
	if (attached == BROKEN)
		return -ENOENT;
	if (attached == GUARD)
		drops[n_drops] =
			to_guest ? clo_decide_to_guest(&hook, &packet, mark)
				 : clo_decide_from_guest(&hook, &packet,
							 &marked);
	*ret_drop = attached == DROP_ALL || drops[n_drops];
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
	interface = (struct clo_interface_doc){
		.endpoint = nic->port.endpoint,
		.addresses = addresses,
		.n_addresses = 2,
	};
	memcpy(interface.mac, nic->port.mac, 6);
	tap = (struct clo_tap){.ifindex = 20, .interface = &interface};
	port = &nic->port;
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

/* Each is judged by what it is named after, not by some other fault. */
static void test_frames_are_what_their_names_say(void **state)
{
	static const struct {
		const char *name;
		bool to_guest;
		enum clo_drop drop;
	} expected[] = {
		{"unknown ethertype", false, CLO_DROP_ETHERTYPE},
		{"spoofed MAC", false, CLO_DROP_SPOOFED_MAC},
		{"spoofed address", false, CLO_DROP_SPOOFED_ADDRESS},
		{"spoofed ARP", false, CLO_DROP_SPOOFED_ARP},
		{"router advertisement", false, CLO_DROP_ND_KIND},
		{"frame for another endpoint", true, CLO_DROP_NOT_FOR_ENDPOINT},
		{"frame for the outside", true, CLO_DROP_NOT_FOR_ENDPOINT},
		{"own ARP passes", false, CLO_DROP_NONE},
	};

	(void)state;
	assert_int_equal(clo_probes_count, CLO_ARRAY_LEN(expected));
	clo_probe_tap(NULL, &tap, true, results);
	assert_int_equal(n_drops, CLO_ARRAY_LEN(expected));
	for (size_t i = 0; i < CLO_ARRAY_LEN(expected); i++) {
		assert_string_equal(clo_probes[i].name, expected[i].name);
		assert_int_equal(clo_probes[i].to_guest, expected[i].to_guest);
		if (drops[i] != expected[i].drop)
			fail_msg("%s: drop reason %d, not %d", expected[i].name,
				 drops[i], expected[i].drop);
		assert_int_equal(results[i], CLO_PROBE_RIGHT);
	}
	for (size_t i = clo_probes_count; i < CLO_PROBES_MAX; i++)
		assert_int_equal(results[i], CLO_PROBE_NOT_RUN);
}

static void test_a_program_that_passes_all_is_caught(void **state)
{
	(void)state;
	attached = PASS_ALL;
	clo_probe_tap(NULL, &tap, true, results);
	for (size_t i = 0; i < clo_probes_count; i++)
		assert_int_equal(results[i], clo_probes[i].drop
						     ? CLO_PROBE_WRONG
						     : CLO_PROBE_RIGHT);
}

static void test_a_program_that_drops_all_is_caught(void **state)
{
	(void)state;
	attached = DROP_ALL;
	clo_probe_tap(NULL, &tap, true, results);
	for (size_t i = 0; i < clo_probes_count; i++)
		assert_int_equal(results[i], clo_probes[i].drop
						     ? CLO_PROBE_RIGHT
						     : CLO_PROBE_WRONG);
}

static void test_what_cannot_run_is_no_success(void **state)
{
	(void)state;
	attached = BROKEN;
	clo_probe_tap(NULL, &tap, true, results);
	for (size_t i = 0; i < clo_probes_count; i++)
		assert_int_equal(results[i], CLO_PROBE_ERROR);
}

/* The port of somebody else on this tap: its lawful frame shows it. */
static void test_a_foreign_port_is_caught(void **state)
{
	(void)state;
	port = &world_nics[DB].port;
	clo_probe_tap(NULL, &tap, true, results);
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
		clo_probe_tap(NULL, &tap, i != 2, results);
		assert_int_equal(n_drops, clo_probes_count - 1);
		assert_int_equal(result("own ARP passes"), CLO_PROBE_NOT_RUN);
		assert_int_equal(result("unknown ethertype"), CLO_PROBE_RIGHT);
		assert_int_equal(result("frame for another endpoint"),
				 CLO_PROBE_RIGHT);
	}
}

/* Another endpoint's mark, even where this one's is the last there is. */
static void test_the_foreign_mark_is_never_its_own(void **state)
{
	struct clo_port last = world_nics[WEB].port;

	(void)state;
	last.endpoint = CLO_ENDPOINT_MAX;
	interface.endpoint = CLO_ENDPOINT_MAX;
	port = &last;
	clo_probe_tap(NULL, &tap, true, results);
	assert_int_equal(result("frame for another endpoint"), CLO_PROBE_RIGHT);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames_are_what_their_names_say),
		TEST(test_a_program_that_passes_all_is_caught),
		TEST(test_a_program_that_drops_all_is_caught),
		TEST(test_what_cannot_run_is_no_success),
		TEST(test_a_foreign_port_is_caught),
		TEST(test_lawful_frames_need_an_endpoint_and_a_policy),
		TEST(test_the_foreign_mark_is_never_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
