/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>

#include "sandbox.h"

#define FAR 70000U /* an ifindex that the array of ports does not reach */

static const struct clo_bucket no_limits[CLO_BUCKET_COUNT];

static struct clo_port tap(uint32_t endpoint)
{
	return (struct clo_port){.endpoint = endpoint,
				 .space = 2,
				 .segment = 3,
				 .mac = {2, 0, 0, 0, 0, (uint8_t)endpoint},
				 .kind = CLO_PORT_TAP};
}

static void set_ok(struct sandbox *box, uint32_t ifindex,
		   const struct clo_port *port)
{
	assert_int_equal(clo_bpf_port_set(box->bpf, ifindex, port, no_limits),
			 0);
}

/* The port as it is read back; kind NONE: there is none. */
static struct clo_bpf_port get(struct sandbox *box, uint32_t ifindex)
{
	struct clo_bpf_port found = {0};
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n;

	assert_int_equal(clo_bpf_ports_read(box->bpf, &ports, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (ports[i].ifindex == ifindex) {
			assert_int_equal(found.ifindex, 0);
			found = ports[i];
		}
	return found;
}

static size_t count(struct sandbox *box)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n;

	assert_int_equal(clo_bpf_ports_read(box->bpf, &ports, &n), 0);
	return n;
}

static __u32 local(const struct sandbox *box, __u32 endpoint)
{
	CLO_AUTO_FD int fd = sandbox_pin(box, "map/clo_local");
	__u32 ifindex = 0;

	(void)bpf_map_lookup_elem(fd, &endpoint, &ifindex);
	return ifindex;
}

static void assert_port(struct sandbox *box, uint32_t ifindex,
			const struct clo_port *want)
{
	struct clo_port port = get(box, ifindex).port;

	assert_in_range(port.slot, 1, CLO_METERS - 1);
	port.slot = want->slot;
	assert_memory_equal(&port, want, sizeof(port));
}

static void test_set_and_del(void **state)
{
	static const uint32_t places[] = {5, CLO_PORTS_NEAR - 1, CLO_PORTS_NEAR,
					  FAR};
	struct sandbox *box = *state;
	struct clo_port port = tap(1);

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(count(box), 0);
	for (uint32_t i = 0; i < 4; i++) {
		port = tap(i + 1);
		set_ok(box, places[i], &port);
		assert_port(box, places[i], &port);
		assert_int_equal(local(box, i + 1), places[i]);
	}
	assert_int_equal(count(box), 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(clo_bpf_port_del(box->bpf, places[i]), 0);
		assert_int_equal(clo_bpf_port_del(box->bpf, places[i]), 0);
		assert_int_equal(get(box, places[i]).port.kind, CLO_PORT_NONE);
		assert_int_equal(local(box, i + 1), 0);
		assert_int_equal(count(box), 3 - i);
	}
}

static void test_bad_ports(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	assert_int_equal(clo_bpf_port_set(box->bpf, 0, &port, no_limits),
			 -EINVAL);
	assert_int_equal(
		clo_bpf_port_set(box->bpf, UINT32_MAX, &port, no_limits),
		-EINVAL);
	port.kind = CLO_PORT_NONE;
	assert_int_equal(clo_bpf_port_set(box->bpf, 5, &port, no_limits),
			 -EINVAL);
	port.kind = CLO_PORT_UPLINK + 1;
	assert_int_equal(clo_bpf_port_set(box->bpf, 5, &port, no_limits),
			 -EINVAL);
	assert_int_equal(count(box), 0);
}

/* What changes is seen, what stays is not made anew. */
static void test_update(void **state)
{
	static const uint32_t places[] = {5, FAR};
	struct sandbox *box = *state;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	for (size_t i = 0; i < 2; i++) {
		struct clo_port port = tap(1);
		__u32 slot;

		set_ok(box, places[i], &port);
		slot = get(box, places[i]).port.slot;
		port.mode = CLO_MODE_QUARANTINE;
		port.flags = CLO_PORT_LIMIT_TO | CLO_PORT_ANSWER;
		set_ok(box, places[i], &port);
		assert_port(box, places[i], &port);
		port = tap(9);
		set_ok(box, places[i], &port);
		assert_port(box, places[i], &port);
		assert_int_equal(local(box, 1), 0);
		assert_int_equal(local(box, 9), places[i]);
		assert_int_equal(get(box, places[i]).port.slot, slot);
		/* The same interface as an uplink: nobody is behind it. */
		port = (struct clo_port){.segment = 4, .kind = CLO_PORT_UPLINK};
		set_ok(box, places[i], &port);
		assert_port(box, places[i], &port);
		assert_int_equal(local(box, 9), 0);
		assert_int_equal(clo_bpf_port_del(box->bpf, places[i]), 0);
	}
}

/* A tap is made anew for the same endpoint before the old one is gone. */
static void test_endpoint_moves(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	set_ok(box, 5, &port);
	set_ok(box, 6, &port);
	assert_int_equal(local(box, 1), 6);
	assert_int_equal(clo_bpf_port_del(box->bpf, 5), 0);
	assert_int_equal(local(box, 1), 6);
	assert_int_equal(get(box, 6).port.endpoint, 1);
	assert_int_equal(clo_bpf_port_del(box->bpf, 6), 0);
	assert_int_equal(local(box, 1), 0);
}

struct watch {
	int ports;
	atomic_bool end;
	size_t mixed;
	size_t nobody; /* moments in which the port was nobody's */
};

static void *watch_port(void *arg)
{
	struct watch *watch = arg;
	__u32 ifindex = 5;

	while (!watch->end) {
		struct clo_port port;

		int r = bpf_map_lookup_elem(watch->ports, &ifindex, &port);

		if (r == 0 && port.kind == CLO_PORT_NONE)
			watch->nobody++;
		else if (r < 0 || port.mac[5] != port.endpoint)
			watch->mixed++;
	}
	return NULL;
}

/* A live port that becomes another's: first nobody's, for a while. */
static void test_change_of_identity(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);
	struct watch watch = {0};
	pthread_t thread;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	set_ok(box, 5, &port);
	watch.ports = sandbox_pin(box, "map/clo_ports");
	assert_int_equal(pthread_create(&thread, NULL, watch_port, &watch), 0);
	/* The same again is no change. */
	for (uint32_t i = 0; i < 100; i++)
		set_ok(box, 5, &port);
	assert_int_equal(watch.nobody, 0);
	for (uint32_t i = 2; i < 40; i++) {
		port = tap(i);
		set_ok(box, 5, &port);
	}
	watch.end = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(watch.ports);
	assert_int_equal(watch.mixed, 0);
	assert_true(watch.nobody > 0);
}

static void test_limits(void **state)
{
	struct clo_bucket limits[CLO_BUCKET_COUNT] = {{0}};
	struct sandbox *box = *state;
	struct clo_port port = tap(1);
	struct clo_bpf_port found;
	struct clo_meter meter;
	CLO_AUTO_FD int fd = -1;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	limits[CLO_BUCKET_FLOWS] = (struct clo_bucket){77, 5, 6};
	assert_int_equal(clo_bpf_port_set(box->bpf, 5, &port, limits), 0);
	found = get(box, 5);
	assert_int_equal(found.meter.bucket[CLO_BUCKET_FLOWS].cost, 5);
	assert_int_equal(found.meter.bucket[CLO_BUCKET_FLOWS].burst, 6);
	assert_int_equal(found.meter.bucket[CLO_BUCKET_FLOWS].paid, 0);

	/* What the guards count stays when a limit changes. */
	fd = sandbox_pin(box, "map/clo_meters");
	meter = found.meter;
	meter.bucket[CLO_BUCKET_FLOWS].paid = 1234;
	meter.unsent = 8;
	assert_int_equal(
		bpf_map_update_elem(fd, &found.port.slot, &meter, BPF_ANY), 0);
	limits[CLO_BUCKET_FLOWS].cost = 50;
	assert_int_equal(clo_bpf_port_set(box->bpf, 5, &port, limits), 0);
	found = get(box, 5);
	assert_int_equal(found.meter.bucket[CLO_BUCKET_FLOWS].cost, 50);
	assert_int_equal(found.meter.bucket[CLO_BUCKET_FLOWS].paid, 1234);
	assert_int_equal(found.meter.unsent, 8);

	/* The next port with that meter starts with nothing. */
	assert_int_equal(clo_bpf_port_del(box->bpf, 5), 0);
	port = tap(2);
	set_ok(box, 6, &port);
	assert_int_equal(get(box, 6).port.slot, found.port.slot);
	assert_int_equal(get(box, 6).meter.bucket[CLO_BUCKET_FLOWS].paid, 0);
	assert_int_equal(get(box, 6).meter.unsent, 0);
}

/* Two ports never share a meter, also after a restart. */
static void test_meters(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	for (uint32_t i = 1; i <= 130; i++) {
		port = tap(i);
		set_ok(box, i, &port);
		assert_int_equal(get(box, i).port.slot, i);
	}
	assert_int_equal(clo_bpf_port_del(box->bpf, 70), 0);
	sandbox_close(box);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	assert_int_equal(count(box), 129);
	port = tap(200);
	set_ok(box, FAR, &port);
	assert_int_equal(get(box, FAR).port.slot, 70);
	set_ok(box, 300, &port);
	assert_int_equal(get(box, 300).port.slot, 131);
}

/* An entry that another hand pointed at a neighbour's meter gets its own. */
static void test_stolen_meter(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);
	CLO_AUTO_FD int fd = -1;
	__u32 key = 2;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	set_ok(box, 1, &port);
	port = tap(2);
	set_ok(box, 2, &port);
	port.slot = 1;
	fd = sandbox_pin(box, "map/clo_ports");
	assert_int_equal(bpf_map_update_elem(fd, &key, &port, BPF_ANY), 0);
	assert_int_equal(get(box, 2).port.slot, 1);
	set_ok(box, 2, &port);
	assert_int_equal(get(box, 2).port.slot, 2);
	assert_int_equal(get(box, 1).port.slot, 1);

	/* the same for an agent that finds them so */
	assert_int_equal(bpf_map_update_elem(fd, &key, &port, BPF_ANY), 0);
	sandbox_close(box);
	assert_true(sandbox_open(box, CLO_ATTACH_AUTO));
	set_ok(box, 2, &port);
	assert_int_equal(get(box, 2).port.slot, 2);
	assert_int_equal(clo_bpf_port_del(box->bpf, 2), 0);
	port = tap(3);
	set_ok(box, 3, &port);
	assert_int_equal(get(box, 3).port.slot, 2);
}

static void test_no_meter_left(void **state)
{
	struct sandbox *box = *state;
	struct clo_port port = tap(1);

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	for (uint32_t i = 1; i < CLO_METERS; i++)
		set_ok(box, i, &port);
	assert_int_equal(
		clo_bpf_port_set(box->bpf, CLO_METERS, &port, no_limits),
		-ENOSPC);
	assert_int_equal(get(box, CLO_METERS).port.kind, CLO_PORT_NONE);
	set_ok(box, 4711, &port); /* it has one */
	assert_int_equal(clo_bpf_port_del(box->bpf, 4711), 0);
	set_ok(box, CLO_METERS, &port);
	assert_int_equal(get(box, CLO_METERS).port.slot, 4711);
}

/* A guard on an interface whose number is beyond the array. */
static void test_far_interface(void **state)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
			     0,    0,    0,    0,    1,    0x08, 0x06};
	struct sandbox *box = *state;
	struct clo_port port = tap(1);
	struct clo_bpf_guard guard;
	bool dropped = false;

	sandbox_run("ip link add far0 index 70000 type veth peer name "
		    "far1 && ip link set far0 up");
	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	set_ok(box, FAR, &port);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, FAR), 0);
	assert_int_equal(clo_bpf_guard_query(box->bpf, FAR, &guard), 0);
	assert_true(guard.from_guest.ours && guard.to_guest.ours);
	assert_int_equal(clo_bpf_probe(box->bpf, guard.from_guest.prog_id, FAR,
				       0, frame, sizeof(frame), &dropped),
			 0);
	assert_true(dropped);
	assert_int_equal(clo_bpf_guard_detach(box->bpf, FAR), 0);
	sandbox_run("ip link del far0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(test_set_and_del),
		SANDBOX_TEST(test_bad_ports),
		SANDBOX_TEST(test_update),
		SANDBOX_TEST(test_endpoint_moves),
		SANDBOX_TEST(test_change_of_identity),
		SANDBOX_TEST(test_limits),
		SANDBOX_TEST(test_meters),
		SANDBOX_TEST(test_stolen_meter),
		SANDBOX_TEST(test_no_meter_left),
		SANDBOX_TEST(test_far_interface),
	};

	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	return cmocka_run_group_tests(tests, NULL, NULL);
}
