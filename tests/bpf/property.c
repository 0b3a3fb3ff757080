/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/property.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "direct.h"

/*
 * Random policies in the kernel: the program that hangs on a tap judges the
 * first packet of a flow as the documents do. What else a frame must be is not
 * random here: see bpf.agree. The first policies are applied, which waits for
 * the kernel each time; the tables of all the others are written directly.
 */
#define APPLIED 200
#define POLICIES 100000
#define PACKETS 100 /* of an applied one */
#define PACKETS_DIRECT 12
#define TAPS 16 /* endpoints have the numbers from 1 */

static uint64_t n_run, n_passed;

struct bytes {
	uint8_t data[128];
	size_t n;
};

static void put8(struct bytes *bytes, unsigned int value)
{
	bytes->data[bytes->n++] = (uint8_t)value;
}

static void put16(struct bytes *bytes, unsigned int value)
{
	put8(bytes, value >> 8);
	put8(bytes, value & 0xff);
}

static void put(struct bytes *bytes, const void *data, size_t n)
{
	memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
}

static void put_zeros(struct bytes *bytes, size_t n)
{
	memset(bytes->data + bytes->n, 0, n);
	bytes->n += n;
}

/* What opens a flow of this protocol. */
static void put_transport(struct bytes *bytes,
			  const struct clo_oracle_packet *packet,
			  uint16_t source)
{
	switch (packet->proto) {
	case IPPROTO_TCP:
		put16(bytes, source);
		put16(bytes, packet->number);
		put16(bytes, 0);
		put16(bytes, source);
		put_zeros(bytes, 4);
		put16(bytes, 0x5002); /* SYN */
		put16(bytes, 65535);
		put_zeros(bytes, 4);
		break;
	case IPPROTO_UDP:
		put16(bytes, source);
		put16(bytes, packet->number);
		put16(bytes, 16);
		put_zeros(bytes, 10);
		break;
	case IPPROTO_SCTP:
		put16(bytes, source);
		put16(bytes, packet->number);
		put_zeros(bytes, 8);
		put16(bytes, 0x0100); /* INIT */
		put16(bytes, 20);
		put16(bytes, 0);
		put16(bytes, source);
		put16(bytes, 0);
		put16(bytes, 65535);
		put16(bytes, 1);
		put16(bytes, 1);
		put16(bytes, 0);
		put16(bytes, 1);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put8(bytes, packet->number);
		put8(bytes, 0);
		put16(bytes, 0);
		put16(bytes, source);
		put16(bytes, 1);
		put_zeros(bytes, 8);
		break;
	default:
		put_zeros(bytes, 16);
	}
}

static void put_ip(struct bytes *bytes, const struct clo_oracle_packet *packet,
		   const struct bytes *transport)
{
	if (packet->src.addr.family == 4) {
		put16(bytes, 0x4500);
		put16(bytes, (unsigned int)(20 + transport->n));
		put_zeros(bytes, 4);
		put8(bytes, 64);
		put8(bytes, packet->proto);
		put16(bytes, 0);
		put(bytes, packet->src.addr.addr, 4);
		put(bytes, packet->dst.addr.addr, 4);
		return;
	}
	put16(bytes, 0x6000);
	put16(bytes, 0);
	put16(bytes, (unsigned int)transport->n);
	put8(bytes, packet->proto);
	put8(bytes, 64);
	put(bytes, packet->src.addr.addr, 16);
	put(bytes, packet->dst.addr.addr, 16);
}

static void build(struct bytes *frame, const struct clo_oracle_packet *packet,
		  bool to_guest, uint16_t source)
{
	static const uint8_t router[] = {2, 0, 0, 0, 0, 1};
	const uint8_t *src = to_guest ? router : packet->src.interface->mac;
	const uint8_t *dst =
		packet->dst.interface ? packet->dst.interface->mac : router;
	struct bytes transport = {.n = 0};

	frame->n = 0;
	put(frame, dst, 6);
	put(frame, src, 6);
	put16(frame, packet->src.addr.family == 4 ? 0x0800 : 0x86dd);
	put_transport(&transport, packet, source);
	put_ip(frame, packet, &transport);
	put(frame, transport.data, transport.n);
}

/* Unicast that runs over a network, by either IP version. */
static bool is_ordinary(const struct clo_cidr *addr)
{
	static const uint8_t zero[16];

	if (addr->family == 4)
		return addr->addr[0] != 0 && addr->addr[0] != 127 &&
		       addr->addr[0] < 224;
	return addr->addr[0] != 0xff && memcmp(addr->addr, zero, 15) != 0;
}

/* The rest is judged by more than the policy: DHCP, ND, errors, answers. */
static bool is_plain(const struct clo_oracle_packet *packet)
{
	uint8_t family = packet->src.addr.family;

	switch (packet->proto) {
	case IPPROTO_TCP:
	case IPPROTO_SCTP:
		return packet->number != 0;
	case IPPROTO_UDP:
		return packet->number != 0 && packet->number != 67 &&
		       packet->number != 68 && packet->number != 546 &&
		       packet->number != 547;
	case IPPROTO_ICMP:
		return family == 4 && packet->number == 8;
	case IPPROTO_ICMPV6:
		return family == 6 && packet->number == 128;
	default:
		return packet->proto != IPPROTO_IPV6;
	}
}

/* One end is an endpoint, the other as its space sees the address. */
static bool choose_ends(const struct subject *subject,
			struct clo_oracle_packet *packet, bool *ret_to_guest)
{
	struct clo_party *own = &packet->src;
	struct clo_party *other = &packet->dst;

	*ret_to_guest = !packet->src.interface;
	if (*ret_to_guest) {
		own = &packet->dst;
		other = &packet->src;
	}
	if (!own->interface || own->addr.family != other->addr.family ||
	    !is_ordinary(&own->addr) || !is_ordinary(&other->addr))
		return false;
	*other = clo_oracle_find(subject->policy,
				 own->interface->segment->space, &other->addr);
	/* From outside an endpoint's address is a lie; to itself none goes. */
	return own->interface != other->interface &&
	       !(*ret_to_guest && other->interface);
}

/* A tap of its own: one that changes hands waits for the kernel. */
static struct {
	uint32_t ifindex;
	uint32_t programs[2]; /* from the guest, to it */
} taps[TAPS];

static int flows[2]; /* maps of connections */
static int ports; /* map */

static void flush(void)
{
	uint8_t key[sizeof(struct clo_conn6_key)];

	for (size_t i = 0; i < 2; i++)
		while (bpf_map_get_next_key(flows[i], NULL, key) == 0)
			assert_int_equal(bpf_map_delete_elem(flows[i], key), 0);
}

/* As clo_bpf_port_set() has written it once, of another policy's endpoint. */
static void write_port(uint32_t ifindex, const struct clo_port *port)
{
	struct clo_port next = *port;
	struct clo_port was;

	assert_int_equal(bpf_map_lookup_elem(ports, &ifindex, &was), 0);
	assert_int_equal(was.endpoint, port->endpoint);
	next.slot = was.slot;
	assert_int_equal(bpf_map_update_elem(ports, &ifindex, &next, BPF_ANY),
			 0);
}

static void set_ports(const struct sandbox *box,
		      const struct clo_policy *policy, bool directly)
{
	static const struct clo_bucket limits[CLO_BUCKET_COUNT];

	for (size_t i = 0; i < policy->n_workloads; i++) {
		const struct clo_interface_doc *doc =
			policy->workloads[i].interfaces;
		struct clo_port port = {.endpoint = doc->endpoint,
					.space = doc->segment->space,
					.segment = doc->segment->id,
					.kind = CLO_PORT_TAP};
		uint32_t ifindex;

		assert_in_range(doc->endpoint, 1, TAPS - 1);
		ifindex = taps[doc->endpoint].ifindex;
		memcpy(port.mac, doc->mac, sizeof(port.mac));
		if (directly)
			write_port(ifindex, &port);
		else
			assert_int_equal(clo_bpf_port_set(box->bpf, ifindex,
							  &port, limits),
					 0);
	}
}

static bool run(const struct sandbox *box, const struct bytes *frame,
		const struct clo_interface_doc *doc, bool to_guest)
{
	bool drop = false;

	assert_int_equal(
		clo_bpf_probe(box->bpf, taps[doc->endpoint].programs[to_guest],
			      taps[doc->endpoint].ifindex, CLO_MARK_NONE,
			      frame->data, frame->n, &drop),
		0);
	return !drop;
}

static void judge(const struct sandbox *box, const struct subject *subject,
		  struct dice *dice)
{
	struct clo_oracle_packet packet;
	char text[PACKET_TEXT];
	struct bytes frame;
	bool to_guest, passes;
	uint32_t rule;

	random_packet(subject->policy, dice, &packet);
	if (!choose_ends(subject, &packet, &to_guest) || !is_plain(&packet))
		return;
	build(&frame, &packet, to_guest, (uint16_t)(1024 + roll(dice, 60000)));
	rule = subject_meant(subject, &packet);
	passes = run(box, &frame,
		     to_guest ? packet.dst.interface : packet.src.interface,
		     to_guest);
	n_run++;
	n_passed += passes;
	if (passes == (rule != 0)) {
		flush(); /* the next one finds no flow to belong to */
		return;
	}
	packet_text(&packet, text);
	for (size_t i = 0; i < frame.n; i++)
		(void)fprintf(stderr, "%02x", frame.data[i]);
	subject_fail(subject, ": %s: rule %u by the documents, the program %s",
		     text, rule, passes ? "passes it" : "drops it");
}

static void add_tap(const struct sandbox *box, uint32_t endpoint)
{
	struct clo_bpf_guard guard;
	char command[80], name[16];

	(void)snprintf(name, sizeof(name), "guest%u", endpoint);
	(void)snprintf(command, sizeof(command),
		       "ip link add %s type veth peer name peer-%s", name,
		       name);
	sandbox_run(command);
	taps[endpoint].ifindex = if_nametoindex(name);
	assert_int_equal(clo_bpf_guard_attach(box->bpf, taps[endpoint].ifindex),
			 0);
	assert_int_equal(
		clo_bpf_guard_query(box->bpf, taps[endpoint].ifindex, &guard),
		0);
	taps[endpoint].programs[0] = guard.from_guest.prog_id;
	taps[endpoint].programs[1] = guard.to_guest.prog_id;
	assert_int_equal(clo_bpf_account_set(box->bpf, endpoint, 0, 0x7fffffff),
			 0);
}

/* direct NULL: the policy is applied. */
static void check_policy(const struct sandbox *box, struct direct *direct,
			 uint64_t seed, int packets)
{
	struct dice dice = dice_new(seed ^ 0xbbf);
	struct subject subject;
	uint64_t epoch;

	subject_init(&subject, seed, false);
	if (direct)
		direct_write(direct, subject.compiled->tables);
	else
		assert_int_equal(clo_bpf_tables_write(box->bpf,
						      subject.compiled->tables,
						      &epoch),
				 0);
	set_ports(box, subject.policy, direct != NULL);
	for (int i = 0; i < packets; i++)
		judge(box, &subject, &dice);
	subject_done(&subject);
}

static void the_program_judges_as_the_documents_say(void **state)
{
	struct sandbox *box = *state;
	struct direct direct;

	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	flows[0] = sandbox_pin(box, "map/clo_conn4");
	flows[1] = sandbox_pin(box, "map/clo_conn6");
	ports = sandbox_pin(box, "map/clo_ports");
	for (uint32_t i = 1; i < TAPS; i++)
		add_tap(box, i);
	for (uint64_t seed = 1; seed <= APPLIED; seed++)
		check_policy(box, NULL, seed, PACKETS);
	direct_open(box, &direct);
	for (uint64_t seed = APPLIED + 1; seed <= POLICIES; seed++)
		check_policy(box, &direct, seed, PACKETS_DIRECT);
	direct_close(&direct);
	(void)close(flows[0]);
	(void)close(flows[1]);
	(void)close(ports);
	/* They were worth running. */
	print_message("%llu packets, %llu passed\n", (unsigned long long)n_run,
		      (unsigned long long)n_passed);
	assert_in_range(n_run, (uint64_t)POLICIES, UINT64_MAX);
	assert_in_range(n_passed, POLICIES / 10, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SANDBOX_TEST(the_program_judges_as_the_documents_say),
	};

	if (!sandbox_enter())
		return skip_all("root");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
