/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "policy/contradiction.h"
#include "policy/witness_frame.h"
#include "unit/judged.h"

/* Witnesses as frames, and what the decision code makes of them. */

static const uint8_t macs[2][6] = {{0x52, 0x54, 0, 0, 0, 1},
				   {0x52, 0x54, 0, 0, 0, 2}};

struct fixture {
	struct made *made;
	struct clo_compiled *compiled;
	struct clo_breach breach;
	struct clo_witness_frame frame;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct made *made = made_new();

	assert_non_null(fixture);
	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 9);
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB,
		      "10.0.0.1,fd00::1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1,fd00::2");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.9.1");
	fixture->made = made;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	clo_compiled_free(fixture->compiled);
	made_free(fixture->made);
	free(fixture);
	return 0;
}

/* The first breach of the policy with one more rule, as a frame. */
static void breach_of(struct fixture *fixture, const char *to,
		      const char *ports)
{
	static struct clo_proof proof;
	char text[160];

	made_rule(fixture->made, "acme", CLO_ENV_PRODUCTION, "web", to, ports);
	clo_compiled_free(CLO_TAKE(fixture->compiled));
	fixture->compiled = compile_at(fixture->made, 0);
	made_get(fixture->made, "acme")->scopes[CLO_ENV_PRODUCTION].n_rules--;
	assert_int_equal(
		clo_prove(fixture->compiled->tables, NULL, 0, &proof, text), 0);
	assert_int_equal(proof.n_breaches, 1);
	fixture->breach = proof.breaches[0];
	clo_witness_build(&fixture->breach.witness, macs[0], macs[1],
			  &fixture->frame);
}

static enum clo_replay replay(const struct fixture *fixture)
{
	return clo_witness_replay(fixture->compiled->tables, &fixture->breach,
				  &fixture->frame);
}

/* As a receiver does it: one's complement over what is covered gives 0. */
static unsigned int sum_of(const uint8_t *bytes, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void check_sums(const struct clo_witness_frame *frame)
{
	const uint8_t *ip = frame->bytes + 14;
	bool v4 = ip[0] >> 4 == 4;
	const uint8_t *l4 = ip + (v4 ? 20 : 40);
	size_t len = frame->len - (size_t)(l4 - frame->bytes);
	uint8_t proto = v4 ? ip[9] : ip[6];
	uint32_t sum = 0;

	if (v4)
		assert_int_equal(sum_of(ip, 20, 0), 0xffff);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP &&
	    proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6)
		return;
	if (proto != IPPROTO_ICMP)
		sum = sum_of(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32,
			     proto + (uint32_t)len);
	assert_int_equal(sum_of(l4, len, sum), 0xffff);
}

static void each_service_has_a_frame(void **state)
{
	static const struct {
		const char *ports;
		uint8_t family, proto;
		uint16_t number;
	} cases[] = {
		{"tcp/80", 4, IPPROTO_TCP, 80},
		{"tcp", 4, IPPROTO_TCP, 1},
		{"udp/53", 4, IPPROTO_UDP, 53},
		{"udp/67", 4, IPPROTO_UDP, 67},
		{"udp/67-69", 4, IPPROTO_UDP, 67},
		{"sctp/5", 4, IPPROTO_SCTP, 5},
		{"icmp", 4, IPPROTO_ICMP, 8},
		{"icmp/8", 4, IPPROTO_ICMP, 8},
		{"icmpv6", 6, IPPROTO_ICMPV6, 128},
		{"icmpv6/128", 6, IPPROTO_ICMPV6, 128},
		{"gre", 4, IPPROTO_GRE, 0},
		{"proto/89", 4, 89, 0},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		const struct clo_witness *witness = &fixture->breach.witness;

		breach_of(fixture, "acme/test/web", cases[i].ports);
		assert_int_equal(witness->family, cases[i].family);
		assert_int_equal(witness->proto, cases[i].proto);
		assert_int_equal(witness->number, cases[i].number);
		check_sums(&fixture->frame);
		assert_int_equal(replay(fixture), CLO_REPLAY_PASSES);
	}
}

static void what_opens_nothing_is_not_reached(void **state)
{
	struct fixture *fixture = *state;

	breach_of(fixture, "acme/test/web", "udp/68");
	assert_int_equal(replay(fixture), CLO_REPLAY_UNREACHED);
	breach_of(fixture, "acme/test/web", "tcp/0");
	assert_int_equal(replay(fixture), CLO_REPLAY_UNREACHED);
}

/* In acme's space bolt's address is nobody's: the bit is wrong all the same. */
static void spaces_never_meet(void **state)
{
	struct fixture *fixture = *state;

	breach_of(fixture, "bolt/production/web", "tcp/80");
	assert_int_equal(fixture->breach.invariant->number, 1);
	assert_int_equal(replay(fixture), CLO_REPLAY_UNREACHED);
}

static void what_does_not_reproduce_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct clo_breach kept;
	struct clo_witness_frame frame;

	breach_of(fixture, "acme/test/web", "tcp/80");
	kept = fixture->breach;
	frame = fixture->frame;

	fixture->breach.rule++;
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->breach = kept;
	fixture->breach.class = !kept.class;
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->breach = kept;
	fixture->breach.witness.number = 81;
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->breach = kept;
	fixture->breach.pair.dst = kept.pair.src;
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->breach = kept;
	fixture->breach.witness.dst_endpoint = 77;
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->breach = kept;
	fixture->frame.bytes[33]++; /* last byte of the destination */
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->frame = frame;
	fixture->frame.bytes[37]++; /* of its port */
	assert_int_equal(replay(fixture), CLO_REPLAY_DIFFERS);
	fixture->frame = frame;
	assert_int_equal(replay(fixture), CLO_REPLAY_PASSES);
}

/* The check value of CRC-32C is behind an INIT as it goes over the wire. */
static void sctp_has_its_checksum(void **state)
{
	struct fixture *fixture = *state;
	uint8_t *sctp = fixture->frame.bytes + 34;
	uint32_t crc = ~0U;
	uint32_t sent;

	breach_of(fixture, "acme/test/web", "sctp/5");
	memcpy(&sent, sctp + 8, 4);
	memset(sctp + 8, 0, 4);
	for (size_t i = 0; i < (size_t)32 * 8; i++) {
		uint32_t bit = sctp[i / 8] >> (i % 8) & 1;

		crc = (crc ^ bit) & 1 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
	}
	assert_int_equal(sent, ~crc);
}

/* A contradiction is about a class, or about one slot of it. */
static void what_the_kernel_says_is_a_packet(void **state)
{
	struct fixture *fixture = *state;
	struct clo_contradiction c = {.slot = CLO_SLOT_UDP + 77};
	struct clo_witness_frame frame;
	struct clo_witness witness;
	const struct clo_tables *tables;

	breach_of(fixture, "acme/test/web", "tcp/80");
	tables = fixture->compiled->tables;
	c.pair = fixture->breach.pair;
	c.class = fixture->breach.class;
	assert_int_equal(clo_contradiction_witness(tables, &c, &witness), 0);
	assert_int_equal(witness.proto, IPPROTO_UDP);
	assert_int_equal(witness.number, 77);
	c.slot = CLO_SLOTS;
	assert_int_equal(clo_contradiction_witness(tables, &c, &witness), 0);
	assert_int_equal(witness.proto, IPPROTO_TCP);
	assert_int_equal(witness.number, 80);
	clo_witness_build(&witness, macs[0], macs[1], &frame);
	assert_true(clo_witness_reaches(tables, c.pair, &frame));
	frame.bytes[33]++; /* last byte of the destination */
	assert_false(clo_witness_reaches(tables, c.pair, &frame));

	/* one that IPv6 alone has, and one that no packet has */
	c.slot = CLO_SLOT_ICMPV6 + 128;
	assert_int_equal(clo_contradiction_witness(tables, &c, &witness), 0);
	assert_int_equal(witness.family, 6);
	c.slot = CLO_SLOT_OTHER + IPPROTO_TCP;
	assert_int_equal(clo_contradiction_witness(tables, &c, &witness),
			 -ENOENT);
}

/* What an endpoint sends to itself meets no tap. */
static void nobody_meets_himself(void **state)
{
	struct fixture *fixture = *state;
	struct clo_contradiction c = {.slot = CLO_SLOT_TCP + 80};
	struct clo_witness witness;

	breach_of(fixture, "acme/test/web", "tcp/80");
	c.pair.src = c.pair.dst = fixture->breach.pair.src;
	assert_int_equal(clo_contradiction_witness(fixture->compiled->tables,
						   &c, &witness),
			 -ENOENT);
	made_endpoint(fixture->made, "acme", CLO_ENV_PRODUCTION, 0, WEB,
		      "10.0.0.2");
	breach_of(fixture, "acme/test/web", "tcp/80");
	c.pair.src = c.pair.dst = fixture->breach.pair.src;
	assert_int_equal(clo_contradiction_witness(fixture->compiled->tables,
						   &c, &witness),
			 0);
	assert_int_not_equal(witness.src_endpoint, witness.dst_endpoint);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_service_has_a_frame),
		TEST(what_opens_nothing_is_not_reached),
		TEST(spaces_never_meet),
		TEST(what_does_not_reproduce_is_seen),
		TEST(sctp_has_its_checksum),
		TEST(what_the_kernel_says_is_a_packet),
		TEST(nobody_meets_himself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
