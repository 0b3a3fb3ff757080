/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/controls.h"
#include "policy/parse_state.h"
#include "policy/quote.h"

enum {
	EXCEPTION_CONTROL = CLO_DOC_OWN,
	EXCEPTION_REASON,
	EXCEPTION_RISK,
	EXCEPTION_APPROVER,
	EXCEPTION_OWNER,
	EXCEPTION_NOT_BEFORE,
	EXCEPTION_NOT_AFTER,
	EXCEPTION_RULES,
	EXCEPTION_COUNT,
};

static const struct clo_member exception_members[EXCEPTION_COUNT] = {
	CLO_DOC_MEMBERS,
	[EXCEPTION_CONTROL] = {"control", JSON_STRING, true},
	[EXCEPTION_REASON] = {"reason", JSON_STRING, true},
	[EXCEPTION_RISK] = {"riskAnalysis", JSON_STRING, true},
	[EXCEPTION_APPROVER] = {"approver", JSON_STRING, true},
	[EXCEPTION_OWNER] = {"owner", JSON_STRING, true},
	[EXCEPTION_NOT_BEFORE] = {"notBefore", JSON_STRING, true},
	[EXCEPTION_NOT_AFTER] = {"notAfter", JSON_STRING, true},
	[EXCEPTION_RULES] = {"rules", JSON_ARRAY},
};

static void read_control(struct clo_parse *parse, const struct clo_place *place,
			 struct clo_exception_doc *exception)
{
	exception->control =
		clo_read_text(&parse->reader, place, &clo_format_control);
	if (clo_format_control.valid(exception->control) &&
	    !clo_control_find(exception->control))
		clo_flaw_at(&parse->reader, place,
			    "%s is no control of the catalogue: correct the id",
			    clo_quote(exception->control).text);
}

static void read_people(struct clo_parse *parse,
			const struct clo_place *members,
			struct clo_exception_doc *exception)
{
	exception->approver =
		clo_read_text(&parse->reader, &members[EXCEPTION_APPROVER],
			      &clo_format_prose);
	exception->owner = clo_read_text(
		&parse->reader, &members[EXCEPTION_OWNER], &clo_format_prose);
	if (*exception->owner &&
	    strcmp(exception->approver, exception->owner) == 0)
		clo_flaw_at(&parse->reader, &members[EXCEPTION_APPROVER],
			    "%s is also the owner: somebody else must approve "
			    "(separation of duties)",
			    clo_quote(exception->approver).text);
}

static void read_period(struct clo_parse *parse,
			const struct clo_place *members,
			struct clo_exception_doc *exception)
{
	const struct clo_place *before = &members[EXCEPTION_NOT_BEFORE];
	const struct clo_place *after = &members[EXCEPTION_NOT_AFTER];
	bool begins, ends;

	begins = clo_read_time(&parse->reader, before, &exception->not_before);
	ends = clo_read_time(&parse->reader, after, &exception->not_after);
	if (ends && begins && exception->not_before >= exception->not_after)
		clo_flaw_at(&parse->reader, after,
			    "%s is not after \"notBefore\": an exception must "
			    "end after it begins",
			    clo_quote(json_string_value(after->json)).text);
	else if (ends && exception->not_after <= parse->now)
		clo_flaw_at(&parse->reader, after,
			    "expired exception since %s: renew or delete the "
			    "document",
			    clo_quote(json_string_value(after->json)).text);
}

static void read_rules(struct clo_parse *parse, const struct clo_place *list,
		       struct clo_exception_doc *exception)
{
	struct clo_texts rules;

	rules = clo_read_texts(&parse->reader, list, &clo_format_rule);
	exception->rules = rules.items;
	exception->n_rules = rules.n;
	for (size_t i = 0; i < clo_place_items(list); i++) {
		struct clo_place item = clo_place_item(list, i);

		clo_resolve_rule(parse, &item);
	}
}

static void read_exception(struct clo_parse *parse,
			   const struct clo_source *source,
			   struct clo_exception_doc *exception)
{
	struct clo_reader *reader = &parse->reader;
	struct clo_place top = clo_place_top(source);
	struct clo_place members[EXCEPTION_COUNT];

	(void)clo_read_object(reader, &top, exception_members, EXCEPTION_COUNT,
			      members);
	exception->name =
		clo_read_text(reader, &members[CLO_DOC_NAME], &clo_format_name);
	read_control(parse, &members[EXCEPTION_CONTROL], exception);
	exception->reason = clo_read_text(reader, &members[EXCEPTION_REASON],
					  &clo_format_prose);
	exception->risk_analysis = clo_read_text(
		reader, &members[EXCEPTION_RISK], &clo_format_prose);
	read_people(parse, members, exception);
	read_period(parse, members, exception);
	read_rules(parse, &members[EXCEPTION_RULES], exception);
}

void clo_parse_exceptions(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	const struct clo_source *sources;
	size_t n;

	sources = clo_parse_kind(parse, "Exception", &n);
	policy->exceptions = clo_arena_array(parse->reader.keep, n,
					     sizeof(*policy->exceptions));
	if (!policy->exceptions)
		return;

	policy->n_exceptions = n;
	for (size_t i = 0; i < n; i++)
		read_exception(parse, &sources[i], &policy->exceptions[i]);
}
