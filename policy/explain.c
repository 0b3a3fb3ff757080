/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"

_Static_assert(CLO_PACKET_TEXT >= 2 * INET6_ADDRSTRLEN + CLO_SERVICE_TEXT + 8,
	       "room for two addresses and a service");

void clo_explain_packet(const struct clo_witness *witness,
			char ret_text[CLO_PACKET_TEXT])
{
	int family = witness->family == 4 ? AF_INET : AF_INET6;
	uint32_t slot = clo_judge_slot(witness->proto, witness->number);
	char src[INET6_ADDRSTRLEN] = "";
	char dst[INET6_ADDRSTRLEN] = "";
	char service[CLO_SERVICE_TEXT];

	(void)inet_ntop(family, witness->src, src, sizeof(src));
	(void)inet_ntop(family, witness->dst, dst, sizeof(dst));
	clo_service_text(slot, slot, service);
	(void)snprintf(ret_text, CLO_PACKET_TEXT, "%s > %s %s", src, dst,
		       service);
}

static void binding_text(const struct clo_witness *witness,
			 char text[CLO_PACKET_TEXT])
{
	char src[INET6_ADDRSTRLEN] = "no address";

	if (witness->family)
		(void)inet_ntop(witness->family == 4 ? AF_INET : AF_INET6,
				witness->src, src, sizeof(src));
	(void)snprintf(text, CLO_PACKET_TEXT, "%s bound to endpoint %u", src,
		       witness->src_endpoint);
}

json_t *clo_explain_breach(const struct clo_compiled *compiled,
			   const struct clo_breach *breach)
{
	const char *rule = clo_name_rule(compiled, breach->rule);
	const struct clo_rule_doc *doc =
		rule ? compiled->rules[breach->rule] : NULL;
	bool bound = breach->class == CLO_CLASS_NONE; /* or not, to whom */
	char packet[CLO_PACKET_TEXT];
	char from[CLO_NAME_MAX];
	char to[CLO_NAME_MAX];
	char service[CLO_NAME_MAX];

	if (bound)
		binding_text(&breach->witness, packet);
	else if (breach->witness.family)
		clo_explain_packet(&breach->witness, packet);
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:i, s:s?, s:b}",
		"invariant", breach->invariant->name, "control",
		breach->invariant->control, "from",
		clo_name_identity(compiled, breach->pair.src, from), "to",
		clo_name_identity(compiled, breach->pair.dst, to), "service",
		bound ? "address binding"
		      : clo_name_class(compiled, breach->class, service),
		"rule", rule, "file", doc ? doc->file : NULL, "line",
		doc ? doc->line : 0, "packet",
		bound || breach->witness.family ? packet : NULL, "excepted",
		doc && compiled->excepted[breach->rule]);
}

static void rule_text(const struct clo_compiled *compiled, uint32_t rule,
		      char *text, size_t size)
{
	const char *name = clo_name_rule(compiled, rule);

	(void)snprintf(text, size, "rule %s",
		       name        ? name
		       : rule == 0 ? "none"
				   : "that does not exist");
}

/* What a value says, for the line about its difference. */
static void value_text(const struct clo_compiled *compiled,
		       const struct clo_tables *tables,
		       const struct clo_difference *difference, char text[64])
{
	uint32_t word;
	int n;

	if (difference->table == CLO_TABLE_RULES) {
		const uint32_t *rule = clo_tables_find(
			tables, CLO_TABLE_RULES,
			clo_tables_key(compiled->tables, CLO_TABLE_RULES,
				       difference->index));

		rule_text(compiled, rule ? *rule : 0, text, 64);
		return;
	}
	if (difference->index >= tables->table[difference->table].n) {
		(void)snprintf(text, 64, "absent");
		return;
	}
	if (difference->table == CLO_TABLE_WORDS) {
		const uint64_t *bits = clo_tables_value(tables, CLO_TABLE_WORDS,
							difference->index);

		(void)snprintf(text, 64, "%s",
			       *bits >> (difference->class % 64) & 1
				       ? "allowed"
				       : "denied");
		return;
	}
	if (difference->table == CLO_TABLE_ROWS) {
		const struct clo_row *row = clo_tables_value(
			tables, CLO_TABLE_ROWS, difference->index);

		n = snprintf(text, 64, "set %u, %u and %u classes, ", row->set,
			     row->owned, row->others);
		rule_text(compiled, row->rule, text + n, 64 - (size_t)n);
		return;
	}
	memcpy(&word,
	       clo_tables_value(tables, difference->table, difference->index),
	       sizeof(word));
	(void)snprintf(text, 64, "%u...", word);
}

static void how_text(const struct clo_compiled *compiled,
		     const struct clo_tables *observed,
		     const struct clo_difference *difference, char text[192])
{
	char expected[64];
	char found[64];
	bool indexed =
		difference->table < CLO_TABLE_COUNT &&
		clo_table_types[difference->table].kind == CLO_TABLE_ARRAY;

	if (difference->how == CLO_DIFF_CHANGED &&
	    (indexed || difference->table == CLO_TABLE_RULES)) {
		value_text(compiled, compiled->tables, difference, expected);
		value_text(compiled, observed, difference, found);
		(void)snprintf(text, 192, "is %s, expected %s", found,
			       expected);
		return;
	}
	(void)snprintf(text, 192, "%s",
		       difference->how == CLO_DIFF_MISSING ? "is missing"
		       : difference->how == CLO_DIFF_EXTRA
			       ? "is there and should not be"
			       : "differs from the policy's");
}

json_t *clo_explain_difference(const struct clo_compiled *compiled,
			       const struct clo_tables *observed,
			       const struct clo_difference *difference)
{
	static const char *const words[] = {"missing", "extra", "changed"};
	const char *table = difference->table < CLO_TABLE_COUNT
				    ? clo_table_types[difference->table].name
				    : "gen";
	bool has_class =
		difference->has_pair && difference->class != CLO_CLASS_NONE;
	CLO_AUTO_MEM char *text = NULL;
	char buffers[3][CLO_NAME_MAX];
	char how[192];
	const char *from = NULL;
	const char *to = NULL;
	const char *service = NULL;
	int n;

	how_text(compiled, observed, difference, how);
	if (difference->has_pair) {
		from = clo_name_identity(compiled, difference->pair.src,
					 buffers[0]);
		to = clo_name_identity(compiled, difference->pair.dst,
				       buffers[1]);
	}
	if (has_class)
		service =
			clo_name_class(compiled, difference->class, buffers[2]);
	n = asprintf(&text, "table %s, entry %zu %s%s%s%s%s%s%s", table,
		     difference->index, how, from ? ": " : "", from ? from : "",
		     to ? " > " : "", to ? to : "", service ? " " : "",
		     service ? service : "");
	if (n < 0) {
		text = NULL;
		return NULL;
	}
	return json_pack("{s:s, s:s, s:I, s:s?, s:s?, s:s?, s:s}", "table",
			 table, "how", words[difference->how], "index",
			 (json_int_t)difference->index, "from", from, "to", to,
			 "service", service, "text", text);
}

static json_t *invariants(const struct clo_proof *proof)
{
	json_auto_t *all = json_array();

	for (size_t i = 0; i < clo_invariants_count; i++) {
		const struct clo_invariant *invariant = &clo_invariants[i];
		enum clo_proven proven = clo_proof_verdict(proof, i);
		json_t *one = json_pack(
			"{s:i, s:s, s:s, s:s, s:I, s:I, s:s?}", "number",
			invariant->number, "name", invariant->name, "control",
			invariant->control, "verdict", clo_proven_text(proven),
			"forbidden", (json_int_t)proof->forbidden[i], "broken",
			(json_int_t)proof->broken[i], "gap",
			proven == CLO_NOT_COVERED ? invariant->gap : NULL);

		if (json_array_append_new(all, one) < 0)
			return NULL;
	}
	return json_incref(all);
}

static json_t *breaches(const struct clo_compiled *compiled,
			const struct clo_proof *proof)
{
	json_auto_t *all = json_array();

	for (size_t i = 0; i < proof->n_breaches; i++) {
		if (json_array_append_new(
			    all, clo_explain_breach(compiled,
						    &proof->breaches[i])) < 0)
			return NULL;
	}
	return json_incref(all);
}

json_t *clo_explain_proof(const struct clo_compiled *compiled,
			  const struct clo_proof *proof)
{
	/* "o" takes the lists, also where packing fails. */
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "identities",
		(json_int_t)proof->identities, "pairs",
		(json_int_t)proof->pairs, "classes", (json_int_t)proof->classes,
		"verdicts", (json_int_t)proof->verdicts, "allowed",
		(json_int_t)proof->allowed, "breached",
		(json_int_t)proof->breached, "excepted",
		(json_int_t)proof->excepted, "invariants", invariants(proof),
		"breaches", breaches(compiled, proof));
}
