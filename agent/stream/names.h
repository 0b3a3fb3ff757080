/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * What records are called in the stream.
 *
 * Subject: att.v1.<tenant>.<environment>.<node>, of what is about the whole
 * node att.v1._._.<node>; of violations and gaps evt.v1 instead of att.v1. A
 * node may publish to its own subjects only (docs/nats.conf). Message id:
 * <node>/<boot>/<sequence>, by which the stream knows duplicates.
 */
#define CLO_STREAM_SUBJECT_MAX 384
#define CLO_STREAM_ID_MAX 192
#define CLO_STREAM_NODE_MAX 64

/*
 * A node's name as one token: letters, digits, '-' and '_' stay, all else is
 * "=" and two hex digits. -EINVAL: empty or too long.
 */
int clo_stream_token(const char *name, char ret_token[CLO_STREAM_NODE_MAX]);

/* -EINVAL: a scope that is not "tenant/environment", or too long. */
int clo_stream_subject(const char *kind, const char *scope, const char *node,
		       char ret_subject[CLO_STREAM_SUBJECT_MAX]);
/* `branch`: "att" or "evt"; everything there of one node. */
void clo_stream_wildcard(const char *branch, const char *node,
			 char ret_subject[CLO_STREAM_SUBJECT_MAX]);

int clo_stream_id(const char *node, const char *boot, int64_t sequence,
		  char ret_id[CLO_STREAM_ID_MAX]);
/* -EINVAL: not an id of this node. */
int clo_stream_id_parse(const char *id, const char *node, char ret_boot[64],
			int64_t *ret_sequence);
