/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/oracle_compare.h"
#include "policy/parse.h"
#include "unit/property.h"

/* Every bit, not only those that packets met. */
void check_whole(const struct subject *subject)
{
	struct clo_oracle_report report;

	assert_int_equal(clo_oracle_compare(subject->compiled,
					    subject->compiled->tables,
					    subject->now, &report),
			 0);
	if (report.differences)
		subject_fail(subject, "%llu differences, first: %s",
			     (unsigned long long)report.differences,
			     report.first.text);
	assert_true(report.verdicts >= report.pairs);
}

/* One document a file. */
static struct clo_compiled *compile_documents(const struct subject *subject,
					      json_t *array,
					      struct clo_policy **ret_policy)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO_MEM struct clo_document *documents = NULL;
	CLO_AUTO_MEM char **texts = NULL;
	size_t n = json_array_size(array);
	struct clo_compiled *compiled = NULL;
	int r = clo_flaws_new(&flaws);

	documents = calloc(n, sizeof(*documents));
	texts = calloc(n, sizeof(char *));
	assert(r == 0 && documents && texts);
	for (size_t i = 0; i < n; i++) {
		texts[i] = json_dumps(json_array_get(array, i), JSON_COMPACT);
		assert(texts[i]);
		documents[i] = (struct clo_document){"random.json", texts[i],
						     strlen(texts[i])};
	}
	/* None of the exceptions has ended yet when they are read. */
	r = clo_policy_parse(documents, n, RANDOM_BEGIN, ret_policy, flaws);
	if (r == 0)
		r = clo_compile(*ret_policy, subject->now, &compiled, flaws);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	if (r < 0)
		subject_fail(subject, "refused: %s",
			     clo_flaws_kept(flaws)
				     ? clo_flaws_get(flaws, 0)->text
				     : strerror(-r));
	return compiled;
}

static void compare_tables(const struct subject *subject,
			   const struct clo_tables *a,
			   const struct clo_tables *b)
{
	if (a->gen.classes != b->gen.classes || a->gen.words != b->gen.words ||
	    a->gen.identities != b->gen.identities ||
	    a->gen.rules != b->gen.rules)
		subject_fail(subject, "another order, other numbers");
	for (int t = 0; t < CLO_TABLE_COUNT; t++) {
		size_t size = a->table[t].n * clo_table_types[t].entry_size;

		if (a->table[t].n != b->table[t].n ||
		    (size && memcmp(a->table[t].entries, b->table[t].entries,
				    size) != 0))
			subject_fail(subject, "another order, another table %s",
				     clo_table_types[t].name);
	}
}

/*
 * The same documents, their lists and their members in two orders give the same
 * tables byte by byte; and the parser's model is judged like one made by hand.
 */
void check_order(const struct subject *subject)
{
	struct dice dice = dice_new(subject->seed ^ 0x0bde7);
	json_t *straight = random_documents(subject->policy, NULL);
	json_t *shuffled = random_documents(subject->policy, &dice);
	struct clo_policy *policies[2] = {NULL, NULL};
	struct clo_compiled *compiled[2];
	struct subject parsed = *subject;

	compiled[0] = compile_documents(subject, straight, &policies[0]);
	compiled[1] = compile_documents(subject, shuffled, &policies[1]);
	compare_tables(subject, compiled[0]->tables, compiled[1]->tables);
	parsed.policy = policies[0];
	parsed.compiled = compiled[0];
	check_tables(&parsed, 16);
	for (int i = 0; i < 2; i++) {
		clo_compiled_free(compiled[i]);
		clo_policy_free(policies[i]);
	}
	json_decref(straight);
	json_decref(shuffled);
}

static bool take_address(struct clo_party *party, uint8_t family)
{
	const struct clo_interface_doc *doc = party->interface;

	if (!doc)
		return party->addr.family == family;
	for (size_t i = 0; i < doc->n_addresses; i++) {
		if (doc->addresses[i].family != family)
			continue;
		party->addr = doc->addresses[i];
		return true;
	}
	return false;
}

/* Trace chooses the family, and of an endpoint its first address. */
static bool choose_addresses(struct clo_oracle_packet *packet)
{
	if (!packet->src.workload && !packet->dst.workload)
		return false;
	for (uint8_t family = 4; family <= 6; family += 2) {
		if (packet->proto !=
			    (family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) &&
		    take_address(&packet->src, family) &&
		    take_address(&packet->dst, family))
			return true;
	}
	return false;
}

static void name_party(const struct clo_party *party, char ret_name[100])
{
	if (party->interface)
		(void)snprintf(ret_name, 100, "%s", party->interface->name);
	else
		clo_cidr_format(&party->addr, ret_name);
}

/*
 * What trace says: the source's space, or the destination's, tells who has
 * which address; what is not delivered to whom the name means is dropped.
 */
static uint32_t expect_trace(const struct subject *subject,
			     const struct clo_oracle_packet *packet)
{
	const struct clo_interface_doc *at =
		packet->src.interface ? packet->src.interface : packet->dst.interface;
	struct clo_oracle_packet seen = *packet;

	seen.src = clo_oracle_find(subject->policy, at->segment->space,
				   &packet->src.addr);
	seen.dst = clo_oracle_find(subject->policy, at->segment->space,
				   &packet->dst.addr);
	if (packet->dst.interface &&
	    seen.dst.interface != packet->dst.interface)
		return 0;
	return subject_meant(subject, &seen);
}

static void compare_trace(const struct subject *subject,
			  const struct clo_oracle_packet *packet,
			  const char *from, const char *to)
{
	const uint32_t rule = expect_trace(subject, packet);
	const char *name = rule ? subject->compiled->rules[rule]->full : NULL;
	char proto[8], error[160] = "", text[PACKET_TEXT];
	const char *verdict, *by;
	json_t *trace;

	(void)snprintf(proto, sizeof(proto), "%u", packet->proto);
	trace = clo_explain_trace(subject->compiled, subject->compiled->tables,
				  from, to, proto, packet->number, error);
	packet_text(packet, text);
	if (!trace)
		subject_fail(subject, "%s: trace: %s", text, error);
	verdict = json_string_value(json_object_get(trace, "verdict"));
	by = json_string_value(json_object_get(trace, "rule"));
	if (strcmp(verdict, rule ? "allow" : "drop") != 0 || !by != !name ||
	    (name && strcmp(name, by) != 0))
		subject_fail(
			subject, "%s: trace says %s (%s) by %s, not by %s",
			text, verdict,
			json_string_value(json_object_get(trace, "reason")),
			by ? by : "none", name ? name : "none");
	json_decref(trace);
}

static bool is_unicast(const struct clo_cidr *addr)
{
	static const uint8_t none[15];

	if (addr->family == 4)
		return addr->addr[0] != 0 && addr->addr[0] != 127 &&
		       addr->addr[0] < 224;
	/* nor :: and ::1 */
	return addr->addr[0] != 0xff &&
	       memcmp(addr->addr, none, sizeof(none)) != 0;
}

/* From outside, in the name of an endpoint of the receiver's space. */
static bool is_spoofed(const struct subject *subject,
		       const struct clo_oracle_packet *packet)
{
	struct clo_party seen;

	if (packet->src.interface)
		return false;
	seen = clo_oracle_find(subject->policy,
			       packet->dst.interface->segment->space,
			       &packet->src.addr);
	return seen.interface != NULL;
}

/* Trace runs the whole decision: a frame that opens no flow asks no table. */
static bool opens_a_flow(const struct clo_oracle_packet *packet)
{
	switch (packet->proto) {
	case IPPROTO_TCP:
	case IPPROTO_SCTP:
		return packet->number != 0;
	case IPPROTO_UDP: /* DHCP has rules of its own */
		return packet->number != 0 && packet->number != 67 &&
		       packet->number != 68 && packet->number != 546 &&
		       packet->number != 547;
	case IPPROTO_ICMP:
		return packet->number == 8;
	case IPPROTO_ICMPV6:
		return packet->number == 128;
	default:
		return packet->proto == IPPROTO_GRE || packet->proto == 89;
	}
}

void check_trace(const struct subject *subject, int packets)
{
	struct dice dice = dice_new(subject->seed ^ 0x72ace);

	for (int i = 0; i < packets; i++) {
		struct clo_oracle_packet packet;
		char from[100], to[100];

		random_packet(subject->policy, &dice, &packet);
		if (!choose_addresses(&packet) || !opens_a_flow(&packet) ||
		    !is_unicast(&packet.src.addr) ||
		    !is_unicast(&packet.dst.addr) ||
		    is_spoofed(subject, &packet))
			continue;
		name_party(&packet.src, from);
		name_party(&packet.dst, to);
		compare_trace(subject, &packet, from, to);
	}
}
