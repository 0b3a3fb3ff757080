/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/auto.h"

/*
 * NATS JetStream, as far as a node needs it: only broker.c includes nats.h.
 * https://docs.nats.io/nats-concepts/jetstream
 *
 * A connection that breaks is not mended: who uses it opens a new one, and asks
 * there what the stream holds. All calls block, for DEADLINE seconds at most.
 */
struct clo_broker;

struct clo_broker_config {
	const char *urls; /* comma-separated: "tls://a:4222,tls://b:4222" */
	const char *stream;
	const char *node; /* connection name, and inbox "_INBOX.<node>" */
	/* PEM files for mTLS; NULL, all of them: none. */
	const char *ca, *certificate, *key;
};

#define CLO_BROKER_BATCH 256
#define CLO_BROKER_ID_MAX 192

struct clo_broker_message {
	const char *subject;
	const char *id; /* by which the stream knows duplicates */
	const void *data;
	size_t len;
};

/* -ENOTCONN: nobody there, or refused; -EACCES: not authorized; -EINVAL. */
int clo_broker_open(const struct clo_broker_config *config,
		    struct clo_broker **ret_broker);
void clo_broker_free(struct clo_broker *broker);
CLO_DEFINE_FREEP(clo_broker)

/*
 * The id of the last message on a subject, which may have wildcards. -ENOENT:
 * the stream has none there; -ENOTCONN: nobody answered, or there is no such
 * stream; -EPROTO: the last one has no id.
 */
int clo_broker_last(struct clo_broker *broker, const char *subject,
		    char ret_id[CLO_BROKER_ID_MAX]);

/*
 * The value of a key of a KV bucket, asked of whichever server has it (ADR-31:
 * one subject for each key, so that a permission can name it); caller frees.
 * -ENOENT: there is none, or no such bucket; -EACCES: no answer, as where it
 * is not permitted; -EMSGSIZE: it is longer than `max`.
 */
int clo_broker_get(struct clo_broker *broker, const char *bucket,
		   const char *key, size_t max, char **ret_value,
		   size_t *ret_len);
/*
 * From now on each change of that key is counted on an eventfd, which outlives
 * the broker. A hint: some may be missed.
 */
int clo_broker_watch(struct clo_broker *broker, const char *bucket,
		     const char *key, int *eventfd);

/*
 * Publish up to CLO_BROKER_BATCH, in order. *ret_acked: how many from the first
 * on the stream has acknowledged without a hole; what is behind them may be
 * there, too. 0: all of them; -EMSGSIZE: the next one is too large for the
 * broker; -ENOTCONN: refused, or not answered in time.
 */
int clo_broker_publish(struct clo_broker *broker,
		       const struct clo_broker_message *messages, size_t n,
		       size_t *ret_acked);
