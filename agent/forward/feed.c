/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/forward/feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/base/log.h"
#include "agent/stream/names.h"
#include "agent/stream/place.h"

#define ROUND 64 /* records */
#define WHO "syslog" /* in the ids of the state file */

struct round {
	struct clo_feed *feed;
	struct clo_syslog *syslog;
	size_t n;
};

void clo_feed_begin(struct clo_feed *feed, struct clo_reader *reader,
		    enum clo_siem_format format, const char *state)
{
	*feed = (struct clo_feed){
		.reader = reader,
		.format = format,
		.state = state,
		.kept = clo_place_load(reader, WHO, state),
	};
	clo_feed_connected(feed);
}

void clo_feed_connected(struct clo_feed *feed)
{
	feed->sent = feed->mark = feed->kept;
	feed->marked = clo_milliseconds();
}

static int put_event(const char *line, void *userdata)
{
	return clo_syslog_send(userdata, line);
}

/* The log is the daemon's: its signatures are for who reads it elsewhere. */
static int put_statement(const struct round *round, const struct clo_row *row,
			 const char *envelope)
{
	CLO_AUTO_MEM char *payload = NULL;
	json_auto_t *statement = NULL;
	char digest[65];
	size_t len;
	int r;

	r = clo_dsse_peek(envelope, strlen(envelope), &payload, &len);
	if (r < 0)
		return r;
	statement = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
	if (!statement)
		return -EBADMSG;
	clo_hex_encode(row->digest, 32, digest);
	return clo_siem_syslog(statement, digest, round->feed->format,
			       put_event, round->syslog);
}

static int put_row(struct clo_reader *reader, const struct clo_row *row,
		   void *userdata)
{
	struct round *round = userdata;
	CLO_AUTO_MEM char *envelope = NULL;
	int r = 0;

	if (round->n == ROUND)
		return 1;
	if (clo_siem_takes(row->kind)) {
		r = clo_reader_envelope(reader, row->id, &envelope);
		if (r == 0)
			r = put_statement(round, row, envelope);
	}
	if (r == -EBADMSG) { /* it would be the same next time */
		clo_log(CLO_LOG_WARN, "record %lld is no statement: passed",
			(long long)row->id);
		r = 0;
	}
	if (r < 0)
		return r;
	round->feed->sent = row->id;
	round->n++;
	return 0;
}

int clo_feed_round(struct clo_feed *feed, struct clo_syslog *syslog,
		   size_t *ret_n)
{
	struct round round = {.feed = feed, .syslog = syslog};
	int r = clo_reader_after(feed->reader, feed->sent, put_row, &round);

	*ret_n = round.n;
	return r;
}

static int take_id(struct clo_reader *reader, const struct clo_row *row,
		   void *userdata)
{
	(void)reader;
	return clo_stream_id(WHO, row->boot_id, row->sequence, userdata) < 0
		       ? -EINVAL
		       : 1;
}

static void keep(struct clo_feed *feed, int64_t row)
{
	char id[CLO_STREAM_ID_MAX] = "";

	if (row == feed->kept)
		return;
	feed->kept = row;
	if (clo_reader_after(feed->reader, row - 1, take_id, id) == 0 && *id)
		clo_place_save(feed->state, id);
}

int clo_feed_settle(struct clo_feed *feed, struct clo_syslog *syslog)
{
	int r = clo_syslog_settled(syslog);

	if (r == -EAGAIN)
		return 0;
	if (r < 0 || clo_milliseconds() - feed->marked < CLO_FEED_SETTLE_MS)
		return r;
	keep(feed, feed->mark);
	feed->mark = feed->sent;
	feed->marked = clo_milliseconds();
	return 0;
}

void clo_feed_end(struct clo_feed *feed, struct clo_syslog *syslog)
{
	if (clo_syslog_close(syslog) == 0)
		keep(feed, feed->sent);
}
