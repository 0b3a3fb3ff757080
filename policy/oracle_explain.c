/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>

#include "policy/explain_service.h"
#include "policy/oracle_state.h"

static json_t *packet_json(const struct clo_witness *witness)
{
	int family = witness->family == 4 ? AF_INET : AF_INET6;
	uint32_t slot = clo_judge_slot(witness->proto, witness->number);
	char src[INET6_ADDRSTRLEN] = "";
	char dst[INET6_ADDRSTRLEN] = "";
	char service[CLO_SERVICE_TEXT];

	(void)inet_ntop(family, witness->src, src, sizeof(src));
	(void)inet_ntop(family, witness->dst, dst, sizeof(dst));
	clo_service_text(slot, slot, service);
	return json_sprintf("%s > %s %s", src, dst, service);
}

static const char *verdict(const struct clo_oracle_difference *difference,
			   bool allowed)
{
	if (!difference->has_packet)
		return NULL;
	return allowed ? "allow" : "deny";
}

static const char *name(const struct clo_rule_doc *rule)
{
	return rule ? rule->full : NULL;
}

static json_t *difference_json(const struct clo_oracle_difference *difference)
{
	return json_pack("{s:s, s:o, s:s?, s:s?, s:s?, s:s?}", "text",
			 difference->text, "packet",
			 difference->has_packet
				 ? packet_json(&difference->packet)
				 : json_null(),
			 "documents", verdict(difference, difference->meant),
			 "tables", verdict(difference, difference->allowed),
			 "documentsRule", name(difference->meant_by),
			 "tablesRule", name(difference->allowed_by));
}

json_t *clo_oracle_explain(const struct clo_oracle_report *report)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "rules", (json_int_t)report->rules, "parties",
			 (json_int_t)report->parties, "ranges",
			 (json_int_t)report->ranges, "identities",
			 (json_int_t)report->identities, "classes",
			 (json_int_t)report->classes, "pairs",
			 (json_int_t)report->pairs, "verdicts",
			 (json_int_t)report->verdicts, "allowed",
			 (json_int_t)report->allowed, "differences",
			 (json_int_t)report->differences, "first",
			 report->differences ? difference_json(&report->first)
					     : json_null());
}
