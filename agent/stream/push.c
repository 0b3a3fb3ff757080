/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/push.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/stream/names.h"
#include "agent/stream/place.h"

#define BATCH_BYTES (32U << 20)

/* One batch on its way. */
struct batch {
	struct clo_push *push;
	struct clo_broker_message messages[CLO_BROKER_BATCH];

	struct item {
		char subject[CLO_STREAM_SUBJECT_MAX];
		char id[CLO_STREAM_ID_MAX];
		char *envelope;
		int64_t row;
	} items[CLO_BROKER_BATCH];

	size_t n, bytes;
};

static void batch_freep(struct batch **batch)
{
	if (!*batch)
		return;
	for (size_t i = 0; i < (*batch)->n; i++)
		free((*batch)->items[i].envelope);
	free(*batch);
}

void clo_push_begin(struct clo_push *push, struct clo_reader *reader,
		    const char *node, const char *state)
{
	*push = (struct clo_push){
		.reader = reader,
		.node = node,
		.state = state,
		.sent = clo_place_load(reader, node, state),
	};
}

/* The later one of the last attestation and the last event. */
static int last_of(struct clo_push *push, struct clo_broker *broker,
		   int64_t *ret_row)
{
	static const char *const branches[] = {"att", "evt"};

	*ret_row = 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(branches); i++) {
		char subject[CLO_STREAM_SUBJECT_MAX];
		char id[CLO_BROKER_ID_MAX];
		int64_t row = 0;
		int r;

		clo_stream_wildcard(branches[i], push->node, subject);
		r = clo_broker_last(broker, subject, id);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = clo_place_row(push->reader, push->node, id, &row);
		if (r < 0)
			return r;
		*ret_row = row > *ret_row ? row : *ret_row;
	}
	return 0;
}

int clo_push_reconcile(struct clo_push *push, struct clo_broker *broker)
{
	int64_t last;
	int r = last_of(push, broker, &last);

	if (r == -EPROTO) {
		clo_log(CLO_LOG_WARN,
			"the stream's last record of this node is not in its "
			"log: sending all of it");
		push->sent = 0;
		return 0;
	}
	if (r < 0)
		return r;
	if (push->sent == 0 || last < push->sent)
		push->sent = last;
	return 0;
}

static int add_row(struct clo_reader *reader, const struct clo_row *row,
		   void *userdata)
{
	struct batch *batch = userdata;
	struct item *item = &batch->items[batch->n];
	int r;

	if (batch->n == CLO_BROKER_BATCH || batch->bytes >= BATCH_BYTES)
		return 1;
	*item = (struct item){.row = row->id};
	r = clo_stream_subject(row->kind, row->scope, batch->push->node,
			       item->subject);
	if (r == 0)
		r = clo_stream_id(batch->push->node, row->boot_id,
				  row->sequence, item->id);
	if (r == 0)
		r = clo_reader_envelope(reader, row->id, &item->envelope);
	if (r < 0)
		return r;
	batch->messages[batch->n] = (struct clo_broker_message){
		.subject = item->subject,
		.id = item->id,
		.data = item->envelope,
		.len = strlen(item->envelope),
	};
	batch->bytes += batch->messages[batch->n++].len;
	return 0;
}

int clo_push_round(struct clo_push *push, struct clo_broker *broker,
		   size_t *ret_n)
{
	__attribute__((cleanup(batch_freep))) struct batch *batch = NULL;
	size_t acked = 0;
	int r;

	*ret_n = 0;
	batch = calloc(1, sizeof(*batch));
	if (!batch)
		return -ENOMEM;
	batch->push = push;
	r = clo_reader_after(push->reader, push->sent, add_row, batch);
	if (r < 0 || batch->n == 0)
		return r;
	r = clo_broker_publish(broker, batch->messages, batch->n, &acked);
	if (acked > 0) {
		push->sent = batch->items[acked - 1].row;
		clo_place_save(push->state, batch->items[acked - 1].id);
	}
	*ret_n = acked;
	return r;
}
