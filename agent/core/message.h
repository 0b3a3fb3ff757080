/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/*
 * Messages of the control protocol on a unix stream socket, both ends. A
 * message is a 4-byte little-endian length and that many bytes of JSON, always
 * one object. Memory follows the bytes that arrived, never those announced.
 * Nothing here blocks but clo_message_send and clo_message_receive, whatever
 * the flags of the socket.
 */

/* One message on its way in; zero-initialise. */
struct clo_inbox {
	uint32_t max; /* bytes of one message; 0: CLO_CONTROL_MAX */
	uint8_t *data;
	size_t len, size;
};

void clo_inbox_done(struct clo_inbox *inbox);
/*
 * Take once what the socket holds. 0 and a new reference when a message is
 * whole, -EAGAIN while it is not. Final, the socket is to be closed: -ENODATA
 * the peer left between messages, -ECONNRESET inside one, -EMSGSIZE announced
 * more than max, -EBADMSG no JSON object, or another -errno.
 */
int clo_inbox_read(struct clo_inbox *inbox, int fd, json_t **ret_message);

/* One message on its way out; zero-initialise. */
struct clo_outbox {
	uint8_t *data;
	size_t len, sent;
};

void clo_outbox_done(struct clo_outbox *outbox);
/* -EMSGSIZE over CLO_CONTROL_MAX, -EBUSY while another is under way. */
int clo_outbox_put(struct clo_outbox *outbox, const json_t *message);
/* Hand on once what the socket takes. 0 when nothing is left, else -EAGAIN. */
int clo_outbox_write(struct clo_outbox *outbox, int fd);

/* To who listens at a path; a full queue is waited for that long. */
int clo_message_connect(const char *path, int timeout_ms, int *ret_fd);
/* One request and its reply, as below. */
int clo_message_exchange(int fd, const json_t *request, int timeout_ms,
			 json_t **ret_reply);
/* Whole messages; -ETIMEDOUT if nothing moves for timeout_ms (< 0: never). */
int clo_message_send(int fd, const json_t *message, int timeout_ms);
int clo_message_receive(int fd, int timeout_ms, json_t **ret_message);
