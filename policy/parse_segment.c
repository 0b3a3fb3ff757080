/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/parse_state.h"
#include "policy/quote.h"

/* The segments of a tenant, and which environments need their own space. */

enum {
	SEGMENT_NAME,
	SEGMENT_CIDRS,
	SEGMENT_MULTICAST,
	SEGMENT_ANSWER,
	SEGMENT_COUNT,
};

static const struct clo_member segment_members[SEGMENT_COUNT] = {
	[SEGMENT_NAME] = {"name", JSON_STRING, true},
	[SEGMENT_CIDRS] = {"cidrs", JSON_ARRAY, true, true},
	[SEGMENT_MULTICAST] = {"multicast", JSON_ARRAY},
	[SEGMENT_ANSWER] = {"answerNeighbours", JSON_TRUE},
};

/* A CIDR of a segment and where it stands, to find overlaps. */
struct clo_span {
	struct clo_cidr cidr;
	enum clo_environment environment;
	size_t segment, index; /* in the document */
	const char *name; /* of the segment */
};

/* Equal blocks in document order, so that the later one has the flaw. */
static int compare_spans(const void *a, const void *b)
{
	const struct clo_span *x = a, *y = b;
	int r = clo_cidr_compare(&x->cidr, &y->cidr);

	if (r == 0)
		r = (int)x->environment - (int)y->environment;
	if (r == 0)
		r = (x->segment > y->segment) - (x->segment < y->segment);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void report_overlap(struct clo_parse *parse,
			   const struct clo_place *environments,
			   const struct clo_span *outer,
			   const struct clo_span *inner)
{
	const char *env_name = clo_environment_name(inner->environment);
	struct clo_place env = clo_place_member(environments, env_name);
	struct clo_place segments = clo_place_member(&env, "segments");
	struct clo_place segment = clo_place_item(&segments, inner->segment);
	struct clo_place cidrs = clo_place_member(&segment, "cidrs");
	struct clo_place place = clo_place_item(&cidrs, inner->index);
	char text[2][CLO_CIDR_TEXT];

	clo_cidr_format(&inner->cidr, text[0]);
	clo_cidr_format(&outer->cidr, text[1]);
	clo_flaw_at(&parse->reader, &place,
		    "%s overlaps %s of segment %s in %s: the segments of one "
		    "environment share one address space, so give each its "
		    "own addresses",
		    text[0], text[1], clo_quote(outer->name).text, env_name);
}

/*
 * Sorted, a block is followed by all that it contains: enough to look at the
 * last block of each environment that is in no other of it.
 */
void clo_spans_check(struct clo_parse *parse,
		     const struct clo_place *environments,
		     struct clo_spans *spans, struct clo_scope_state *scopes)
{
	const struct clo_span *outer[4] = {NULL};

	clo_sort(spans->items, spans->n, sizeof(*spans->items), compare_spans);
	for (size_t i = 0; i < spans->n; i++) {
		const struct clo_span *span = &spans->items[i];
		enum clo_environment own = span->environment;

		for (enum clo_environment e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++) {
			if (e == own || !outer[e] ||
			    !clo_cidr_contains(&outer[e]->cidr, &span->cidr))
				continue;
			scopes[e].own_space = true;
			scopes[own].own_space = true;
		}
		if (outer[own] &&
		    clo_cidr_contains(&outer[own]->cidr, &span->cidr))
			report_overlap(parse, environments, outer[own], span);
		else
			outer[own] = span;
	}
}

static bool overlap_itself(const struct clo_segment_doc *segment)
{
	for (size_t i = 1; i < segment->n_cidrs; i++)
		if (clo_cidr_contains(&segment->cidrs[i - 1],
				      &segment->cidrs[i]))
			return true;
	return false;
}

/* One address written in two ways is one group. */
static void drop_twins(struct clo_segment_doc *segment)
{
	struct clo_cidr *groups = segment->multicast;
	size_t n = 0;

	for (size_t i = 0; i < segment->n_multicast; i++)
		if (n == 0 || clo_cidr_compare(&groups[n - 1], &groups[i]) != 0)
			groups[n++] = groups[i];
	segment->n_multicast = n;
}

static void read_multicast(struct clo_parse *parse,
			   const struct clo_place *list,
			   struct clo_segment_doc *segment)
{
	size_t n = clo_place_items(list);

	clo_check_repeats(&parse->reader, list, NULL);
	segment->multicast = clo_arena_array(parse->reader.keep, n,
					     sizeof(*segment->multicast));
	if (!segment->multicast)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);
		const char *text = clo_read_string(&parse->reader, &item);
		struct clo_cidr *group =
			&segment->multicast[segment->n_multicast];
		const char *wrong = "no address";

		if (!text)
			continue;
		if (clo_cidr_parse(text, CLO_FORM_ADDRESS, group) == 0)
			wrong = clo_group_refuse(group);
		if (!wrong)
			segment->n_multicast++;
		else
			clo_flaw_at(&parse->reader, &item,
				    "%s is %s: expected a multicast address "
				    "like \"239.1.2.3\" or \"ff05::1234\"",
				    clo_quote(text).text, wrong);
	}
	clo_sort(segment->multicast, segment->n_multicast,
		 sizeof(*segment->multicast), clo_compare_cidrs);
	drop_twins(segment);
}

static void read_segment(struct clo_parse *parse, const struct clo_place *place,
			 enum clo_environment environment,
			 struct clo_segment_doc *segment,
			 struct clo_spans *spans)
{
	struct clo_place members[SEGMENT_COUNT];
	size_t n;

	(void)clo_read_object(&parse->reader, place, segment_members,
			      SEGMENT_COUNT, members);
	segment->name = clo_read_text(&parse->reader, &members[SEGMENT_NAME],
				      &clo_format_name);
	read_multicast(parse, &members[SEGMENT_MULTICAST], segment);
	segment->answer = json_is_true(members[SEGMENT_ANSWER].json);
	n = clo_place_items(&members[SEGMENT_CIDRS]);
	segment->cidrs =
		clo_arena_array(parse->reader.keep, n, sizeof(*segment->cidrs));
	if (!segment->cidrs)
		return;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item =
			clo_place_item(&members[SEGMENT_CIDRS], i);
		struct clo_cidr *cidr = &segment->cidrs[segment->n_cidrs];

		if (!clo_read_cidr(&parse->reader, &item, CLO_FORM_CIDR,
				   CLO_USE_GUEST, cidr))
			continue;
		segment->n_cidrs++;
		spans->items[spans->n++] = (struct clo_span){
			.cidr = *cidr,
			.environment = environment,
			.segment = place->index,
			.index = i,
			.name = segment->name,
		};
	}
	clo_sort(segment->cidrs, segment->n_cidrs, sizeof(*segment->cidrs),
		 clo_compare_cidrs);
	/* Not all is known: no address can be said to be outside. */
	if (segment->n_cidrs < n || overlap_itself(segment))
		segment->n_cidrs = 0;
}

bool clo_read_segments(struct clo_parse *parse, const struct clo_place *list,
		       struct clo_scope_doc *scope, struct clo_spans *spans)
{
	size_t n = clo_place_items(list);
	bool unsure = false;

	scope->segments = clo_arena_array(parse->reader.keep, n,
					  sizeof(*scope->segments));
	if (!scope->segments)
		return true;

	for (size_t i = 0; i < n; i++) {
		struct clo_place item = clo_place_item(list, i);

		read_segment(parse, &item, scope->environment,
			     &scope->segments[i], spans);
		unsure |= !*scope->segments[i].name;
	}
	scope->n_segments = n;
	clo_check_repeats(&parse->reader, list, "name");
	clo_sort(scope->segments, n, sizeof(*scope->segments),
		 clo_compare_text);
	return unsure;
}

/* How many CIDRs the segments may have in all environments. */
static size_t count_cidrs(const struct clo_place *environments)
{
	size_t n = 0;
	const char *key;
	json_t *env;

	json_object_foreach (environments->json, key, env) {
		json_t *segments = json_object_get(env, "segments");

		for (size_t i = 0; i < json_array_size(segments); i++)
			n += json_array_size(json_object_get(
				json_array_get(segments, i), "cidrs"));
	}
	return n;
}

bool clo_spans_init(struct clo_parse *parse,
		    const struct clo_place *environments,
		    struct clo_spans *spans)
{
	*spans = (struct clo_spans){0};
	spans->items = clo_arena_array(parse->reader.scratch,
				       count_cidrs(environments),
				       sizeof(*spans->items));
	return spans->items != NULL;
}
