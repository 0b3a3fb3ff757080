/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Messages (agent/core/message.h) to one client that may be slower than they
 * come: at most CLO_QUEUE_MAX bytes wait. What does not fit is left out and
 * counted, and where it is missing the client reads {"lost": n}.
 * Zero-initialise. Nothing blocks.
 */
#define CLO_QUEUE_MAX (256U << 10)

struct clo_queue {
	uint8_t *data;
	size_t from, to, size; /* bytes [from, to) wait */
	uint64_t lost; /* since the last that was put in */
};

void clo_queue_done(struct clo_queue *queue);
/* `text` is one JSON object; also without memory it is left out. */
void clo_queue_put(struct clo_queue *queue, const char *text, size_t len);
/* Hand on what the socket takes. 0 when nothing is left, else -EAGAIN. */
int clo_queue_write(struct clo_queue *queue, int fd);
