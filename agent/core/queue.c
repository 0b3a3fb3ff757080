/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/queue.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER sizeof(uint32_t)
#define FIRST_SIZE 4096U

void clo_queue_done(struct clo_queue *queue)
{
	free(queue->data);
	*queue = (struct clo_queue){0};
}

/* Room for `len` more bytes behind `to`; false: there is none. */
static bool make_room(struct clo_queue *queue, size_t len)
{
	size_t waiting = queue->to - queue->from;
	size_t size = queue->size ? queue->size : FIRST_SIZE;
	uint8_t *data;

	if (waiting + len > CLO_QUEUE_MAX)
		return false;
	if (queue->to + len <= queue->size)
		return true;

	while (size < waiting + len)
		size *= 2;
	if (size > queue->size) {
		data = realloc(queue->data, size);
		if (!data)
			return false;
		queue->data = data;
		queue->size = size;
	}
	memmove(queue->data, queue->data + queue->from, waiting);
	queue->from = 0;
	queue->to = waiting;
	return true;
}

static bool add(struct clo_queue *queue, const char *text, size_t len)
{
	uint32_t le = htole32((uint32_t)len);

	if (len > CLO_QUEUE_MAX || !make_room(queue, HEADER + len))
		return false;
	memcpy(queue->data + queue->to, &le, HEADER);
	memcpy(queue->data + queue->to + HEADER, text, len);
	queue->to += HEADER + len;
	return true;
}

/* False: there is something to tell and no room for it. */
static bool tell_lost(struct clo_queue *queue)
{
	char text[40];
	int n;

	if (queue->lost == 0)
		return true;
	n = snprintf(text, sizeof(text), "{\"lost\":%" PRIu64 "}", queue->lost);
	if (!add(queue, text, (size_t)n))
		return false;
	queue->lost = 0;
	return true;
}

void clo_queue_put(struct clo_queue *queue, const char *text, size_t len)
{
	if (!tell_lost(queue) || !add(queue, text, len))
		queue->lost++;
}

int clo_queue_write(struct clo_queue *queue, int fd)
{
	ssize_t n;

	if (queue->from == queue->to && !tell_lost(queue))
		return -ENOMEM;
	if (queue->from == queue->to)
		return 0;

	n = send(fd, queue->data + queue->from, queue->to - queue->from,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	queue->from += (size_t)n;
	if (queue->from < queue->to || queue->lost > 0)
		return -EAGAIN;

	clo_queue_done(queue); /* quiet clients hold no memory */
	return 0;
}
