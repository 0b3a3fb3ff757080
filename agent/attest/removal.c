/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/removal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hex.h"

#define KIND "removed"

static const char *const reasons[] = {"retention", "space"};

static json_t *spans_member(const struct clo_removal *removal)
{
	json_t *list = json_array();

	for (size_t i = 0; i < removal->n; i++) {
		const struct clo_removed *span = &removal->spans[i];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:I, s:I}", "bootId",
					span->boot_id, "sequence",
					(json_int_t)span->sequence, "entry",
					(json_int_t)span->entry, "count",
					(json_int_t)span->count));
	}
	return list;
}

json_t *clo_removal_make(const struct clo_removal *removal)
{
	char digest[65];
	char from[21];
	char to[21];

	clo_time_format(removal->from, from);
	clo_time_format(removal->to, to);
	clo_hex_encode(removal->digest, sizeof(removal->digest), digest);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "kind", KIND,
			 "from", from, "to", to, "reason", removal->reason,
			 "count", (json_int_t)removal->count, "digest", digest,
			 "removed", spans_member(removal));
}

static const char *text_in(const json_t *json, const char *member)
{
	const char *text = json_string_value(json_object_get(json, member));

	return text ? text : "";
}

static int read_number(const json_t *json, const char *member, uint64_t least,
		       uint64_t most, uint64_t *ret_number)
{
	json_int_t number = json_integer_value(json_object_get(json, member));

	if (!json_is_integer(json_object_get(json, member)) || number < 0 ||
	    (uint64_t)number < least || (uint64_t)number > most)
		return -EBADMSG;
	*ret_number = (uint64_t)number;
	return 0;
}

static int read_span(const json_t *json, uint64_t from,
		     struct clo_removed *span)
{
	const uint64_t most = INT64_MAX - CLO_REMOVAL_MAX;
	const char *boot_id = text_in(json, "bootId");

	if (!boot_id[0] || strlen(boot_id) >= sizeof(span->boot_id) ||
	    read_number(json, "sequence", 0, most, &span->sequence) < 0 ||
	    read_number(json, "entry", from, most, &span->entry) < 0 ||
	    read_number(json, "count", 1, CLO_REMOVAL_MAX, &span->count) < 0)
		return -EBADMSG;
	(void)snprintf(span->boot_id, sizeof(span->boot_id), "%s", boot_id);
	return 0;
}

static int read_spans(const json_t *list, struct clo_removal *removal)
{
	uint64_t count = 0;
	uint64_t from = 0; /* in the log's order, none twice */
	int r;

	if (json_array_size(list) == 0 ||
	    json_array_size(list) > CLO_REMOVAL_SPANS)
		return -EBADMSG;
	for (; removal->n < json_array_size(list); removal->n++) {
		struct clo_removed *span = &removal->spans[removal->n];

		r = read_span(json_array_get(list, removal->n), from, span);
		if (r < 0)
			return r;
		from = span->entry + span->count;
		count += span->count;
	}
	return count == removal->count ? 0 : -EBADMSG;
}

static int read_reason(const json_t *gap, struct clo_removal *removal)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(reasons); i++)
		if (strcmp(text_in(gap, "reason"), reasons[i]) == 0)
			removal->reason = reasons[i];
	return removal->reason ? 0 : -EBADMSG;
}

int clo_removal_read(const json_t *gap, struct clo_removal **ret_removal)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	int r;

	if (strcmp(text_in(gap, "kind"), KIND) != 0)
		return -ENOMSG;
	removal = calloc(1, sizeof(*removal));
	if (!removal)
		return -ENOMEM;
	r = read_reason(gap, removal);
	if (r == 0)
		r = read_number(gap, "count", 1, CLO_REMOVAL_MAX,
				&removal->count);
	if (r == 0)
		r = read_spans(json_object_get(gap, "removed"), removal);
	if (r < 0 || clo_time_parse(text_in(gap, "from"), &removal->from) < 0 ||
	    clo_time_parse(text_in(gap, "to"), &removal->to) < 0 ||
	    clo_hex_decode(text_in(gap, "digest"), sizeof(removal->digest),
			   removal->digest) < 0)
		return -EBADMSG;

	*ret_removal = CLO_TAKE(removal);
	return 0;
}
