/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/gateway/item.h"
#include "agent/gateway/route.h"

/* What one request looks at; a cursor goes on from there. */
#define ROWS_MAX 5000
#define DECODED_MAX 200

struct page {
	const struct clo_filter *filter;
	json_t *items;
	unsigned int n, rows, decoded;
	bool cut; /* there may be more */
	int64_t time, id; /* of the last row that was looked at */
};

/* 1: the row is for the page, 0: it is not. */
static int judge(struct clo_reader *reader, const struct clo_row *row,
		 struct page *page)
{
	json_auto_t *predicate = NULL;
	int r;

	if (!clo_filter_takes(page->filter, row->scope, row->kind, row->verdict,
			      row->time))
		return 0;
	if (!page->filter->control[0])
		return 1;
	page->decoded++;
	r = clo_item_predicate(reader, row->id, &predicate);
	if (r < 0)
		return r == -EBADMSG ? 0 : r; /* it says nothing of controls */
	return clo_filter_takes_controls(
		page->filter, json_object_get(predicate, "controls"));
}

static int take_row(struct clo_reader *reader, const struct clo_row *row,
		    void *userdata)
{
	struct page *page = userdata;
	int r = judge(reader, row, page);

	if (r < 0)
		return r;
	if (r > 0 && json_array_append_new(page->items, clo_item(row)) < 0)
		return -ENOMEM;
	page->n += r > 0;
	page->rows++;
	page->time = row->time;
	page->id = row->id;
	page->cut = page->n == page->filter->limit || page->rows == ROWS_MAX ||
		    page->decoded == DECODED_MAX;
	return page->cut;
}

static int read_page(const struct clo_call *call,
		     const struct clo_filter *filter, struct page *page)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct clo_span span = {
		.tenant = filter->tenant,
		.environment = filter->environment,
		.since = filter->since,
		.time = filter->until - 1,
		.id = INT64_MAX,
	};
	int r;

	if (filter->goes_on && filter->cursor.time <= span.time) {
		span.time = filter->cursor.time;
		span.id = filter->cursor.id;
	}
	r = clo_reader_open(call->gateway->options->log, &reader);
	return r < 0 ? r : clo_reader_list(reader, &span, take_row, page);
}

static json_t *next_of(const struct page *page)
{
	const struct clo_cursor cursor = {
		.filter = clo_filter_digest(page->filter),
		.time = page->time,
		.id = page->id,
	};
	char text[CLO_CURSOR_TEXT];

	if (!page->cut)
		return json_null();
	clo_cursor_format(&cursor, text);
	return json_string(text);
}

void clo_answer_list(const struct clo_call *call, struct clo_answer *answer)
{
	struct clo_filter filter;
	struct page page = {.filter = &filter};
	json_auto_t *items = NULL;
	const char *parameter;
	int r;

	r = clo_filter_make(&call->query, &call->who, &filter, &parameter);
	if (r == -EACCES) {
		clo_answer_problem(answer, 403, "another tenant's");
		return;
	}
	if (r < 0) {
		clo_answer_problem(answer, 400, "%s is not one", parameter);
		return;
	}
	items = json_array();
	page.items = items;
	r = read_page(call, &filter, &page);
	if (r < 0) {
		clo_answer_failure(answer, r, "the log cannot be read");
		return;
	}
	clo_answer_json(answer, json_pack("{s:O, s:o}", "items", items, "next",
					  next_of(&page)));
}
