/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/attest/siem.h"
#include "agent/attest/store_reader.h"
#include "agent/sys/syslog_tls.h"

/*
 * The events of the node's log to a syslog receiver, in the order of the log,
 * each at least once.
 *
 * Syslog acknowledges nothing. What the receiver's host has had for
 * CLO_FEED_SETTLE_MS, on a connection that stands, counts as received; all that
 * is younger when a connection breaks is sent again, by the same identities.
 */
#define CLO_FEED_SETTLE_MS 5000

struct clo_feed {
	struct clo_reader *reader;
	enum clo_siem_format format;
	const char *state; /* a file for `kept`; "": none */
	int64_t sent; /* record: on this connection */
	int64_t mark; /* what was sent at `marked`, in milliseconds */
	int64_t kept; /* counts as received */
	double marked;
};

/* What is known from an earlier start. */
void clo_feed_begin(struct clo_feed *feed, struct clo_reader *reader,
		    enum clo_siem_format format, const char *state);
/* A new connection: from what counts as received. */
void clo_feed_connected(struct clo_feed *feed);
/* Some of what is not sent yet; *ret_n: how many records, 0: no more now. */
int clo_feed_round(struct clo_feed *feed, struct clo_syslog *syslog,
		   size_t *ret_n);
/* What may count as received by now does. -ENOTCONN: the connection broke. */
int clo_feed_settle(struct clo_feed *feed, struct clo_syslog *syslog);
/* The end: all of it counts, if the receiver says that it has read it. */
void clo_feed_end(struct clo_feed *feed, struct clo_syslog *syslog);
