/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_fleet.h"

#include "policy/address.h"
#include "policy/explain.h"
#include "policy/explain_name.h"

static json_t *rule_json(const struct clo_fleet_member *member, uint32_t rule)
{
	const struct clo_rule_doc *doc = member->compiled->rules[rule];

	return json_pack("{s:s, s:s, s:s?, s:i}", "node", member->name, "rule",
			 doc->full, "file", doc->file, "line", doc->line);
}

static json_t *end_json(const struct clo_fleet_member *member,
			const struct clo_interface_doc *interface)
{
	return json_pack("{s:s, s:s}", "node", member->name, "endpoint",
			 interface->name);
}

static json_t *breach_json(const struct clo_fleet_member *members,
			   const struct clo_fleet_breach *breach)
{
	char packet[CLO_PACKET_TEXT];

	clo_explain_packet(&breach->witness, packet);
	return json_pack("{s:s, s:s, s:o, s:o, s:s?, s:s, s:[o, o], s:b}",
			 "invariant", breach->invariant->name, "control",
			 breach->invariant->control, "from",
			 end_json(&members[breach->from], breach->src), "to",
			 end_json(&members[breach->to], breach->dst), "wire",
			 breach->wire, "packet", packet, "rules",
			 rule_json(&members[breach->from], breach->rules[0]),
			 rule_json(&members[breach->to], breach->rules[1]),
			 "excepted", breach->excepted);
}

static json_t *conflict_json(const struct clo_fleet_member *members,
			     const struct clo_fleet_conflict *conflict)
{
	static const char *const kinds[] = {
		[CLO_FLEET_ADDRESS] = "address",
		[CLO_FLEET_LABEL] = "label",
		[CLO_FLEET_WIRE] = "wire",
	};
	bool address = conflict->kind == CLO_FLEET_ADDRESS;
	char text[CLO_CIDR_TEXT];
	json_t *sides = json_array();

	for (int i = 0; i < 2; i++) {
		const char *environment =
			address ? NULL
				: clo_environment_name(
					  conflict->environments[i]);

		(void)json_array_append_new(
			sides, json_pack("{s:s, s:s, s:s?}", "node",
					 members[conflict->members[i]].name,
					 "owner", conflict->owners[i],
					 "environment", environment));
	}
	if (address)
		clo_cidr_format(&conflict->address, text);
	return json_pack("{s:s, s:s, s:o}", "kind", kinds[conflict->kind],
			 "what", address ? text : conflict->what, "sides",
			 sides);
}

json_t *clo_explain_fleet(const struct clo_fleet_member *members,
			  const struct clo_fleet_proof *proof)
{
	json_t *breaches = json_array();
	json_t *conflicts = json_array();

	for (size_t i = 0; i < proof->n_breaches; i++)
		(void)json_array_append_new(
			breaches, breach_json(members, &proof->breaches[i]));
	for (size_t i = 0; i < proof->n_conflicts; i++)
		(void)json_array_append_new(
			conflicts, conflict_json(members, &proof->kept[i]));
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"views", (json_int_t)proof->views, "addresses",
		(json_int_t)proof->addresses, "pairs", (json_int_t)proof->pairs,
		"disagreements", (json_int_t)proof->disagreements, "flows",
		(json_int_t)proof->flows, "forbidden",
		(json_int_t)proof->forbidden, "breached",
		(json_int_t)proof->breached, "excepted",
		(json_int_t)proof->excepted, "conflicted",
		(json_int_t)proof->conflicts[CLO_FLEET_ADDRESS] +
			(json_int_t)proof->conflicts[CLO_FLEET_LABEL],
		"wires", (json_int_t)proof->conflicts[CLO_FLEET_WIRE],
		"breaches", breaches, "conflicts", conflicts);
}
