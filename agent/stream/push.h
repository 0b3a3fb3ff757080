/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "agent/attest/store_reader.h"
#include "agent/sys/broker.h"

/*
 * The node's log into the stream, in the order of the log, without loss.
 *
 * What the broker acknowledged once may be gone from it later (a store that was
 * rolled back, a stream made anew), so nothing is believed for good: on each
 * connection, and every now and then, the stream is asked for the last record
 * of this node. Has it less than we know, the log is sent from there; has it
 * more, still from what we know to be without a hole: it knows by their ids what
 * it has already.
 *
 * `state`: a file that holds how far the stream has it without a hole, for the
 * next start; "" keeps it in memory alone.
 */
struct clo_push {
	struct clo_reader *reader;
	const char *node; /* a token: names.h */
	const char *state;
	int64_t sent; /* id of the last record without a hole; 0: none */
};

/* What is known from an earlier start. */
void clo_push_begin(struct clo_push *push, struct clo_reader *reader,
		    const char *node, const char *state);
/*
 * Go back to what the stream really has. -ENOTCONN: it does not say; -EPROTO:
 * what it has of this node is not in the log (sent from the beginning then,
 * and told).
 */
int clo_push_reconcile(struct clo_push *push, struct clo_broker *broker);
/*
 * Send one batch. *ret_n: how many records; 0: there is no more now. -EMSGSIZE
 * where the broker takes no record of that size: it stays before that one.
 */
int clo_push_round(struct clo_push *push, struct clo_broker *broker,
		   size_t *ret_n);
