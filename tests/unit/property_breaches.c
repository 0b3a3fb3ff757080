/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain_service.h"
#include "policy/prove.h"
#include "unit/property.h"

/*
 * The proof's breaches are the flows that the documents allow and that the
 * design forbids between two scopes, or between an endpoint and the node.
 */
#define NUMBERS 5 /* of the invariants; 4 is of no pair */
#define ENDPOINTS 3 /* 1 to 3: endpoints, and the node */

/* The number of the invariant, as the design has it; 0: none. */
static int forbidden(const struct subject *subject, const struct clo_party *src,
		     const struct clo_party *dst)
{
	const struct clo_workload_doc *a = src->workload;
	const struct clo_workload_doc *b = dst->workload;
	uint8_t flags;

	if (!a && !b)
		return 0;
	if (!a || !b) {
		if (clo_oracle_kind(subject->policy, a ? dst : src, &flags) ==
		    CLO_IDENTITY_NODE)
			return 3;
		return a && a->tenant->qualification == 2 &&
				       !(flags & CLO_IDENTITY_NATIONAL)
			       ? 5
			       : 0;
	}
	/* Between two spaces the parser takes no rule, whosever they are. */
	if (a->tenant != b->tenant ||
	    src->interface->segment->space != dst->interface->segment->space)
		return 1;
	if (a->environment == b->environment)
		return 0;
	return a->environment == CLO_ENV_PRODUCTION ||
			       b->environment == CLO_ENV_PRODUCTION ||
			       !a->tenant->test_dev
		       ? 2
		       : 0;
}

struct breaches {
	struct clo_proof proof;
	bool found[64][NUMBERS + 1]; /* by rule */
};

static struct breaches *prove(const struct subject *subject)
{
	const struct clo_compiled *compiled = subject->compiled;
	uint32_t n_rules = compiled->tables->gen.rules;
	struct breaches *breaches = calloc(1, sizeof(*breaches));
	bool excepted[64] = {false};
	char text[160] = "";

	assert(breaches && n_rules <= 64);
	for (uint32_t i = 1; i < n_rules; i++)
		excepted[i] = compiled->excepted[i] != NULL;
	if (clo_prove(compiled->tables, excepted, n_rules, &breaches->proof,
		      text) < 0)
		subject_fail(subject, "prove: %s", text);
	for (size_t i = 0; i < breaches->proof.n_breaches; i++) {
		const struct clo_breach *breach = &breaches->proof.breaches[i];

		breaches->found[breach->rule][breach->invariant->number] = true;
	}
	return breaches;
}

static struct clo_party party_of(const struct subject *subject, uint8_t family,
				 const uint8_t addr[16], uint32_t endpoint)
{
	struct clo_party party = {0};

	party.addr.family = family;
	party.addr.bits = family == 4 ? 32 : 128;
	memcpy(party.addr.addr, addr, family == 4 ? 4 : 16);
	for (size_t w = 0; w < subject->policy->n_workloads; w++) {
		const struct clo_workload_doc *workload =
			&subject->policy->workloads[w];

		if (endpoint == 0 ||
		    workload->interfaces[0].endpoint != endpoint)
			continue;
		party.workload = workload;
		party.interface = workload->interfaces;
	}
	return party;
}

/* The packet that the proof shows is allowed by its rule, and forbidden. */
static void check_witness(const struct subject *subject,
			  const struct clo_breach *breach)
{
	const struct clo_witness *witness = &breach->witness;
	struct clo_oracle_packet packet = {.proto = witness->proto,
					   .number = witness->number};
	char text[PACKET_TEXT];

	if (!witness->family || breach->class == CLO_CLASS_NONE)
		return;
	packet.src = party_of(subject, witness->family, witness->src,
			      witness->src_endpoint);
	packet.dst = party_of(subject, witness->family, witness->dst,
			      witness->dst_endpoint);
	packet_text(&packet, text);
	if (subject_meant(subject, &packet) != breach->rule)
		subject_fail(subject, "%s: not allowed by rule %u", text,
			     breach->rule);
	if (forbidden(subject, &packet.src, &packet.dst) !=
	    breach->invariant->number)
		subject_fail(subject, "%s: not forbidden by invariant %d", text,
			     breach->invariant->number);
}

static void expect(const struct subject *subject,
		   const struct breaches *breaches,
		   const struct clo_oracle_packet *packet, int number,
		   uint32_t rule)
{
	char text[PACKET_TEXT];

	if (breaches->found[rule][number])
		return;
	packet_text(packet, text);
	subject_fail(subject,
		     "%s: allowed by rule %u, forbidden by invariant %d, and "
		     "no breach of the proof",
		     text, rule, number);
}

void check_breaches(const struct subject *subject, int packets)
{
	struct dice dice = dice_new(subject->seed ^ 0xb7eac4);
	struct breaches *breaches = prove(subject);

	for (size_t i = 0; i < breaches->proof.n_breaches; i++)
		check_witness(subject, &breaches->proof.breaches[i]);
	for (int i = 0; i < packets; i++) {
		struct clo_oracle_packet packet;
		uint32_t rule;
		int number;

		random_packet(subject->policy, &dice, &packet);
		number = forbidden(subject, &packet.src, &packet.dst);
		rule = number ? subject_meant(subject, &packet) : 0;
		if (rule)
			expect(subject, breaches, &packet, number, rule);
	}
	free(breaches);
}

/* Endpoints by every address, then the node by its own. */
static size_t list_parties(const struct subject *subject,
			   struct clo_party *parties)
{
	const struct clo_policy *policy = subject->policy;
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];
		const struct clo_interface_doc *doc = workload->interfaces;

		for (size_t i = 0; i <= doc->n_addresses; i++) {
			struct clo_party party = {workload, doc,
						  clo_oracle_link_local(doc)};

			if (i < doc->n_addresses)
				party.addr = doc->addresses[i];
			assert(n < 60);
			parties[n++] = party;
		}
	}
	for (size_t i = 0; i < policy->node.n_addresses; i++)
		parties[n++] =
			(struct clo_party){.addr = policy->node.addresses[i]};
	return n;
}

void check_all_breaches(const struct subject *subject)
{
	struct breaches *breaches = prove(subject);
	struct clo_party parties[64];
	bool meant[64][NUMBERS + 1] = {{false}};
	size_t n = list_parties(subject, parties);
	struct clo_ranges ranges;

	assert_int_equal(clo_ranges_init(&ranges, subject->compiled->tables),
			 0);
	for (size_t i = 0; i < n * n; i++) {
		struct clo_oracle_packet packet = {parties[i / n],
						   parties[i % n], 0, 0};
		int number = forbidden(subject, &packet.src, &packet.dst);

		for (size_t r = 0; number && r < ranges.n; r++) {
			uint32_t rule;

			clo_slot_decode(ranges.ranges[r].first, &packet.proto,
					&packet.number);
			rule = subject_meant(subject, &packet);
			if (rule)
				expect(subject, breaches, &packet, number,
				       rule);
			meant[rule][number] = true;
		}
	}
	for (size_t rule = 1; rule < 64; rule++) {
		for (size_t number = 1; number <= ENDPOINTS; number++) {
			if (breaches->found[rule][number] &&
			    !meant[rule][number])
				subject_fail(subject,
					     "rule %zu breaks invariant %zu by "
					     "the proof alone",
					     rule, number);
		}
	}
	clo_ranges_done(&ranges);
	free(breaches);
}
