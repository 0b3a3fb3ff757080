/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Server-sent events: each new attestation that the role and the filter let
 * through, in the order of the log. The id of an event is the record's; who
 * comes back with it as Last-Event-ID misses and repeats nothing.
 */
struct clo_stream;

void clo_stream_free(struct clo_stream *stream);
/*
 * Wait until there is something to send and give it: at least a comment every
 * CLO_STREAM_IDLE_MS. 0 at the end: the process stops, the certificate has
 * expired, the log cannot be read.
 */
#define CLO_STREAM_IDLE_MS 10000
ssize_t clo_stream_next(struct clo_stream *stream, char *buffer, size_t size);
