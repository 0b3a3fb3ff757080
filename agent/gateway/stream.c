/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/gateway/item.h"
#include "agent/gateway/route.h"

#define LOOK_MS 250 /* between looks at the log */
#define EVENT_MAX 1600 /* bytes: every member of an item is bounded */
#define PENDING_MAX 16384
#define ROWS_MAX 2000 /* of one look */

struct clo_stream {
	struct clo_gateway *gateway;
	int place; /* of gateway->streams */
	struct clo_who who;
	struct clo_filter filter;
	time_t expires;
	struct clo_reader *reader;
	int64_t last; /* record that was looked at */
	unsigned int rows; /* of this look */
	double spoke; /* ms: when something was given */
	char pending[PENDING_MAX];
	size_t from, to;
};

void clo_stream_free(struct clo_stream *stream)
{
	if (!stream)
		return;

	clo_gateway_stream_end(stream->gateway, stream->place);
	clo_reader_free(stream->reader);
	free(stream);
}

static int put_event(struct clo_stream *stream, const struct clo_row *row)
{
	json_auto_t *item = clo_item(row);
	CLO_AUTO_MEM char *text = NULL;
	int n;

	text = item ? json_dumps(item, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	n = snprintf(stream->pending + stream->to, PENDING_MAX - stream->to,
		     "id: %lld\nevent: attestation\ndata: %s\n\n",
		     (long long)row->id, text);
	if (n < 0 || (size_t)n >= PENDING_MAX - stream->to)
		return -EMSGSIZE;
	stream->to += (size_t)n;
	stream->gateway->counters[CLO_COUNT_EVENTS]++;
	return 0;
}

static int take_row(struct clo_reader *reader, const struct clo_row *row,
		    void *userdata)
{
	struct clo_stream *stream = userdata;
	int r = 0;

	(void)reader;
	if (clo_who_sees(&stream->who, row->scope) &&
	    clo_filter_takes(&stream->filter, row->scope, row->kind,
			     row->verdict, row->time))
		r = put_event(stream, row);
	if (r < 0)
		return r;
	stream->last = row->id;
	return PENDING_MAX - stream->to < EVENT_MAX ||
	       ++stream->rows == ROWS_MAX;
}

static int look(struct clo_stream *stream)
{
	int r;

	stream->from = 0;
	stream->to = 0;
	stream->rows = 0;
	r = clo_reader_after(stream->reader, stream->last, take_row, stream);
	if (r < 0)
		return clo_log_errno(CLO_LOG_WARN, r, "a stream from the log");
	if (stream->to == 0 &&
	    clo_milliseconds() - stream->spoke > CLO_STREAM_IDLE_MS) {
		memcpy(stream->pending, ":\n\n", 3);
		stream->to = 3;
	}
	return 0;
}

/* False: it is time to end. */
static bool wait_a_little(const struct clo_stream *stream)
{
	struct pollfd stopping = {
		.fd = stream->gateway->stopping,
		.events = POLLIN,
	};

	return poll(&stopping, 1, LOOK_MS) == 0 && time(NULL) < stream->expires;
}

ssize_t clo_stream_next(struct clo_stream *stream, char *buffer, size_t size)
{
	size_t len;

	while (stream->from == stream->to) {
		if (look(stream) < 0)
			return 0;
		/* a full look goes on at once */
		if (stream->from == stream->to && stream->rows < ROWS_MAX &&
		    !wait_a_little(stream))
			return 0;
	}
	len = stream->to - stream->from;
	if (len > size)
		len = size;
	memcpy(buffer, stream->pending + stream->from, len);
	stream->from += len;
	stream->spoke = clo_milliseconds();
	return (ssize_t)len;
}

/* Where it begins: behind the event that came last, else now. */
static int begin_at(struct clo_stream *stream, const char *last_event_id)
{
	int64_t newest = 0;
	int r = clo_reader_last(stream->reader, &newest);

	if (r < 0)
		return r;
	stream->last = newest;
	/* a number that is still to come would be silence until then */
	if (last_event_id &&
	    !clo_query_number(last_event_id, 0, newest, &stream->last))
		return -EINVAL;
	stream->to = (size_t)snprintf(stream->pending, PENDING_MAX,
				      "retry: 2000\n\n");
	stream->spoke = clo_milliseconds();
	return 0;
}

static int begin(const struct clo_call *call, const struct clo_filter *filter,
		 struct clo_stream **ret_stream)
{
	struct clo_stream *stream;
	int place = clo_gateway_stream_begin(call->gateway, call->client);
	int r;

	if (place < 0)
		return place;
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		clo_gateway_stream_end(call->gateway, place);
		return -ENOMEM;
	}
	stream->gateway = call->gateway;
	stream->place = place;
	stream->who = call->who;
	stream->filter = *filter;
	stream->expires = call->expires;
	r = clo_reader_open(call->gateway->options->log, &stream->reader);
	if (r == 0)
		r = begin_at(stream, call->last_event_id);
	if (r < 0) {
		clo_stream_free(stream);
		return r;
	}

	*ret_stream = stream;
	return 0;
}

void clo_answer_stream(const struct clo_call *call, struct clo_answer *answer)
{
	struct clo_filter filter;
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
	r = begin(call, &filter, &answer->stream);
	if (r == -EINVAL) {
		clo_answer_problem(answer, 400, "no event has this id");
	} else if (r == -EUSERS) {
		clo_answer_problem(answer, 429, "too many streams");
		answer->retry_after = 10;
	} else if (r < 0) {
		clo_answer_failure(answer, r, "the log cannot be read");
	} else {
		answer->status = 200;
		answer->type = "text/event-stream";
	}
}
