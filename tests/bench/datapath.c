/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the guard costs per packet: the real programs and tables in the kernel,
 * run by BPF_PROG_TEST_RUN, net of an empty program in the same rounds. Tables
 * with 10 allowed (pair, class) bits, and with 1,000,000 and the addresses of
 * 100,000 endpoints. Every run is checked: verdict and drop counter. Caches
 * are warm. Packets that cannot be repeated (those that begin a flow,
 * fragments) are run once each.
 * usage: datapath [--quick]
 */

#include <linux/pkt_cls.h>
#include <netinet/in.h>

#include <bpf/libbpf.h>

#include "bench/bench.h"
#include "bench/fixture.h"
#include "skel/empty.skel.h"

enum {
	SIZES = 2,
	ROUNDS_MAX = 21,
	ETH = 14,
	IP4 = 20,
	IP6 = 40,
	FIRST_LEN = 512, /* of a datagram, in its first fragment */
};

static const struct fixture_size sizes[SIZES] = {
	{"10", 10, 0, 0},
	{"1000000", 1000000, 100000, 0},
};

enum once { /* what makes each run's frame another packet */
	REPEATED,
	EACH_PORT, /* source port */
	EACH_ID, /* IPv4 identification */
};

struct packet {
	const char *what;
	enum fixture_iface iface;
	enum fixture_iface then; /* its second hook, if `both` */
	bool to_guest; /* the second hook alone */
	bool both;
	bool limits;
	bool later; /* its first fragment goes before, unmeasured */
	uint32_t mark; /* on the second hook */
	enum clo_drop drop;
	enum once once;
	struct frame_spec frame;
};

static const struct frame_extra router_alert = {
	.len = 4,
	.bytes = {148, 4},
};

#define FOR_DB (CLO_MARK_ENDPOINT | 102)
#define FOR_WIRE (CLO_MARK_OUTSIDE | 11)

/* Opens the flows that the measured packets belong to. */
static const struct packet openers[] = {
	{"SYN", .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}},
	{"SYN/ACK", IFACE_DB, .frame = {TCP(4, DB, WEB, 5432, 1, SYN | ACK)}},
	{"SYN", .frame = {TCP(6, WEB, DB, 1, 5432, SYN)}},
	{"SYN/ACK", IFACE_DB, .frame = {TCP(6, DB, WEB, 5432, 1, SYN | ACK)}},
	{"SYN", IFACE_WIRE, .frame = {TCP(4, NET, WEB, 1, 80, SYN)}},
	{"SYN/ACK", .frame = {TCP(4, WEB, NET, 80, 1, SYN | ACK)}},
};

#define FRAGMENT                                                               \
	UDP(4, WEB, PARTNER, 7, 5000), .fragment = 1, .payload = FIRST_LEN - 16

static const struct packet packets[] = {
	{"IPv4 TCP established, 1st hook",
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"IPv4 TCP established, both hooks", .then = IFACE_DB, .both = true,
	 .mark = FOR_DB, .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"... and every limit set", .then = IFACE_DB, .both = true,
	 .limits = true, .mark = FOR_DB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"IPv6 TCP established, both hooks", .then = IFACE_DB, .both = true,
	 .mark = FOR_DB, .frame = {TCP(6, WEB, DB, 1, 5432, ACK)}},
	{"... and every limit set", .then = IFACE_DB, .both = true,
	 .limits = true, .mark = FOR_DB,
	 .frame = {TCP(6, WEB, DB, 1, 5432, ACK)}},
	{"IPv4 approved, 2nd hook", IFACE_DB, .to_guest = true, .mark = FOR_DB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"IPv4 from the wire, uplink", IFACE_WIRE,
	 .frame = {TCP(4, NET, WEB, 1, 80, ACK)}},
	{"IPv4 to the wire, uplink", IFACE_WIRE, .to_guest = true,
	 .mark = FOR_WIRE, .frame = {TCP(4, WEB, NET, 80, 1, ACK)}},
	{"IPv4 from outside, no uplink", .to_guest = true,
	 .frame = {TCP(4, NET, WEB, 1, 80, ACK)}},
	{"IPv4 with an option",
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK), .extra = &router_alert}},
	{"IPv4 first fragment", .once = EACH_ID,
	 .frame = {FRAGMENT, .more = 1}},
	{"IPv4 later fragment", .once = EACH_ID, .later = true,
	 .frame = {FRAGMENT, .offset = FIRST_LEN / 8,
		   .patch = {{33, 10}}} /* to another address */},
	{"IPv4 UDP new flow, allowed", .once = EACH_PORT,
	 .frame = {UDP(4, WEB, PARTNER, 1, 5000)}},
	{"IPv4 TCP new flow, allowed", .once = EACH_PORT,
	 .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}},
	{"IPv6 TCP new flow, allowed", .once = EACH_PORT,
	 .frame = {TCP(6, WEB, DB, 1, 5432, SYN)}},
	{"IPv4 new flow, denied", .drop = CLO_DROP_POLICY,
	 .frame = {TCP(4, WEB, DB, 1, 22, SYN)}},
	{"IPv6 new flow, denied", .drop = CLO_DROP_POLICY,
	 .frame = {TCP(6, WEB, DB, 1, 22, SYN)}},
	{"IPv4 spoofed source", .drop = CLO_DROP_SPOOFED_ADDRESS,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK), .patch = {{29, 99}}}},
	{"ARP request", .frame = {ARP(WEB, DB, 1)}},
	{"DHCP discover", .frame = {DHCP_ASK(4, WEB, NET, 1, 1)}},
};

enum {
	PACKETS = sizeof(packets) / sizeof(packets[0])
};

static uint32_t repeat = 20000, singles = 2000;
static size_t rounds = 21;

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Makes it packet number i of its kind. */
static void vary(const struct packet *packet, uint32_t i, struct frame *frame)
{
	size_t ip = packet->frame.family == 4 ? IP4 : IP6;

	if (packet->once == EACH_PORT)
		put16(frame->data + ETH + ip, 1024 + i);
	else if (packet->once == EACH_ID)
		put16(frame->data + ETH + 4, 1 + i);
}

static bool passed(uint32_t verdict)
{
	return verdict == TC_ACT_OK || verdict == TC_ACT_REDIRECT;
}

static void check(const struct packet *packet, uint32_t verdict)
{
	if (passed(verdict) == !packet->drop)
		return;
	(void)fprintf(stderr, "%s: wrong verdict %u\n", packet->what, verdict);
	exit(1);
}

static double run_one(int program, const struct packet *packet, uint32_t i,
		      bool checked)
{
	struct frame frame;
	uint32_t verdict;
	double ns;

	frame_build(&packet->frame, &frame);
	vary(packet, i, &frame);
	ns = fixture_run(program, packet->iface, 0, &frame, 1, &verdict);
	if (checked)
		check(packet, verdict);
	return ns;
}

static double run_many(const int programs[2], const struct packet *packet,
		       uint32_t n, bool checked)
{
	struct frame frame;
	uint32_t verdict;
	double ns = 0;

	frame_build(&packet->frame, &frame);
	if (!packet->to_guest) {
		ns = fixture_run(programs[0], packet->iface, 0, &frame, n,
				 &verdict);
		if (checked)
			check(packet, verdict);
	}
	if (packet->to_guest || packet->both) {
		ns += fixture_run(programs[1],
				  packet->both ? packet->then : packet->iface,
				  packet->mark, &frame, n, &verdict);
		if (checked)
			check(packet, verdict);
	}
	return ns;
}

/* Packets that each node sees once; the programs take turns. */
static void run_each(const struct fixture nodes[SIZES], int empty,
		     const struct packet *packet, uint32_t first,
		     double ret_ns[1 + SIZES])
{
	struct packet leader = *packet;

	leader.frame.offset = 0;
	leader.frame.more = 1;
	for (uint32_t i = first; i < first + singles; i++) {
		ret_ns[0] += run_one(empty, packet, i, false) / singles;
		for (size_t s = 0; s < SIZES; s++) {
			int program = nodes[s].programs[0];

			if (packet->later)
				(void)run_one(program, &leader, i, true);
			ret_ns[1 + s] +=
				run_one(program, packet, i, true) / singles;
		}
	}
}

static double guarded(const struct fixture *node, const struct packet *packet)
{
	uint64_t before = fixture_dropped(node, packet->drop, packet->to_guest);
	double ns = run_many(node->programs, packet, repeat, true);

	if (packet->drop &&
	    fixture_dropped(node, packet->drop, packet->to_guest) !=
		    before + repeat) {
		(void)fprintf(stderr, "%s: not counted\n", packet->what);
		exit(1);
	}
	return ns;
}

/* Nanoseconds of the empty program and of each node. */
static void run_round(struct fixture nodes[SIZES], int empty,
		      const struct packet *packet, size_t round,
		      double ret_ns[1 + SIZES])
{
	const int both[2] = {empty, empty};

	memset(ret_ns, 0, (1 + SIZES) * sizeof(*ret_ns));
	for (size_t s = 0; s < SIZES; s++) {
		fixture_port(&nodes[s], packet->iface, packet->limits);
		if (packet->both)
			fixture_port(&nodes[s], packet->then, packet->limits);
	}
	if (packet->once) {
		run_each(nodes, empty, packet, (uint32_t)round * singles,
			 ret_ns);
		return;
	}
	ret_ns[0] = run_many(both, packet, repeat, false);
	for (size_t s = 0; s < SIZES; s++)
		ret_ns[1 + s] = guarded(&nodes[s], packet);
}

static void show(const char *what, double base[], double *cost[SIZES])
{
	double growth[ROUNDS_MAX], median[SIZES];

	for (size_t i = 0; i < rounds; i++)
		growth[i] = cost[1][i] / cost[0][i];
	for (size_t s = 0; s < SIZES; s++) /* sorts */
		median[s] = bench_median(cost[s], rounds);
	printf("%-36s %7.1f | %7.1f [%5.0f-%6.0f] | %7.1f [%5.0f-%6.0f] | "
	       "%.2fx\n",
	       what, bench_median(base, rounds), median[0], cost[0][0],
	       cost[0][rounds - 1], median[1], cost[1][0], cost[1][rounds - 1],
	       bench_median(growth, rounds));
}

static void measure(struct fixture nodes[SIZES], int empty)
{
	static double cost[PACKETS][SIZES][ROUNDS_MAX];
	static double base[PACKETS][ROUNDS_MAX];

	for (size_t round = 0; round < rounds; round++)
		for (size_t p = 0; p < PACKETS; p++) {
			double ns[1 + SIZES];

			run_round(nodes, empty, &packets[p], round, ns);
			base[p][round] = ns[0];
			for (size_t s = 0; s < SIZES; s++)
				cost[p][s][round] = ns[1 + s] - ns[0];
		}

	printf("CPU ns per packet, net of an empty program; median [min-max] "
	       "of %zu rounds\nof %u runs, of %u where each packet is another\n"
	       "%-36s %7s | %-22s | %-22s | %s\n",
	       rounds, repeat, singles, "packet", "empty", "10 bits",
	       "1,000,000 bits", "growth");
	for (size_t p = 0; p < PACKETS; p++)
		show(packets[p].what, base[p],
		     (double *[SIZES]){cost[p][0], cost[p][1]});
}

int main(int argc, char **argv)
{
	static struct fixture nodes[SIZES];
	struct empty *skel;

	fixture_enter();
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		repeat = 100; /* shows that it works, no more */
		singles = 10;
		rounds = 1;
	}
	skel = empty__open_and_load();
	bench_check(skel ? 0 : -errno, "empty program");
	for (size_t s = 0; s < SIZES; s++) {
		fixture_open(&nodes[s], &sizes[s]);
		for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]);
		     i++)
			(void)run_many(nodes[s].programs, &openers[i], 1, true);
	}
	measure(nodes, bpf_program__fd(skel->progs.empty));

	empty__destroy(skel);
	for (size_t s = 0; s < SIZES; s++)
		fixture_close(&nodes[s]);
	fixture_leave();
	return 0;
}
