/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/message.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "agent/base/auto.h"
#include "agent/core/control.h"

#define HEADER sizeof(uint32_t)
#define FIRST_SIZE 4096U

void clo_inbox_done(struct clo_inbox *inbox)
{
	free(inbox->data);
	inbox->data = NULL;
	inbox->len = 0;
	inbox->size = 0;
}

static size_t announced(const struct clo_inbox *inbox)
{
	uint32_t le;

	assert(inbox->len >= HEADER);
	memcpy(&le, inbox->data, sizeof(le));
	return le32toh(le);
}

/* Bytes up to the end of the header, then up to the end of the message. */
static size_t missing(const struct clo_inbox *inbox)
{
	if (inbox->len < HEADER)
		return HEADER - inbox->len;
	return HEADER + announced(inbox) - inbox->len;
}

/* Room for more: at most as much again as has already arrived. */
static int grow(struct clo_inbox *inbox)
{
	size_t size = inbox->size ? inbox->size * 2 : FIRST_SIZE;
	uint8_t *data;

	if (inbox->len < inbox->size)
		return 0;

	data = realloc(inbox->data, size);
	if (!data)
		return -ENOMEM;

	inbox->data = data;
	inbox->size = size;
	return 0;
}

static int receive_some(struct clo_inbox *inbox, int fd)
{
	size_t room, want = missing(inbox);
	ssize_t n;
	int r;

	r = grow(inbox);
	if (r < 0)
		return r;

	room = inbox->size - inbox->len;
	n = recv(fd, inbox->data + inbox->len, want < room ? want : room,
		 MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return inbox->len == 0 ? -ENODATA : -ECONNRESET;

	inbox->len += (size_t)n;
	return 0;
}

static int decode(const struct clo_inbox *inbox, json_t **ret_message)
{
	json_t *message;

	message = json_loadb((const char *)inbox->data + HEADER,
			     inbox->len - HEADER, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}

	*ret_message = message;
	return 0;
}

int clo_inbox_read(struct clo_inbox *inbox, int fd, json_t **ret_message)
{
	size_t max = inbox->max ? inbox->max : CLO_CONTROL_MAX;
	int r;

	r = receive_some(inbox, fd);
	if (r < 0)
		return r;
	if (inbox->len < HEADER)
		return -EAGAIN;
	if (announced(inbox) > max)
		return -EMSGSIZE;
	if (missing(inbox) > 0)
		return -EAGAIN;

	r = decode(inbox, ret_message);
	clo_inbox_done(inbox);
	return r;
}

void clo_outbox_done(struct clo_outbox *outbox)
{
	free(outbox->data);
	*outbox = (struct clo_outbox){0};
}

int clo_outbox_put(struct clo_outbox *outbox, const json_t *message)
{
	const size_t flags = JSON_COMPACT;
	size_t len;
	uint32_t le;

	if (outbox->data)
		return -EBUSY;
	len = json_dumpb(message, NULL, 0, flags);
	if (len == 0)
		return -EINVAL;
	if (len > CLO_CONTROL_MAX)
		return -EMSGSIZE;

	outbox->data = malloc(HEADER + len);
	if (!outbox->data)
		return -ENOMEM;

	le = htole32((uint32_t)len);
	memcpy(outbox->data, &le, sizeof(le));
	(void)json_dumpb(message, (char *)outbox->data + HEADER, len, flags);
	outbox->len = HEADER + len;
	outbox->sent = 0;
	return 0;
}

int clo_outbox_write(struct clo_outbox *outbox, int fd)
{
	ssize_t n;

	if (!outbox->data)
		return 0;

	n = send(fd, outbox->data + outbox->sent, outbox->len - outbox->sent,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;

	outbox->sent += (size_t)n;
	if (outbox->sent < outbox->len)
		return -EAGAIN;

	clo_outbox_done(outbox);
	return 0;
}

static int wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int r;

	r = poll(&pollfd, 1, timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;

	return r == 0 ? -ETIMEDOUT : 0;
}

int clo_message_send(int fd, const json_t *message, int timeout_ms)
{
	__attribute__((cleanup(clo_outbox_done))) struct clo_outbox outbox = {};
	int r;

	r = clo_outbox_put(&outbox, message);
	if (r < 0)
		return r;

	do {
		r = wait_for(fd, POLLOUT, timeout_ms);
		if (r < 0)
			return r;
		r = clo_outbox_write(&outbox, fd);
	} while (r == -EAGAIN);

	return r;
}

int clo_message_receive(int fd, int timeout_ms, json_t **ret_message)
{
	__attribute__((cleanup(clo_inbox_done))) struct clo_inbox inbox = {};
	int r;

	do {
		r = wait_for(fd, POLLIN, timeout_ms);
		if (r < 0)
			return r;
		r = clo_inbox_read(&inbox, fd, ret_message);
	} while (r == -EAGAIN);

	return r;
}

int clo_message_connect(const char *path, int timeout_ms, int *ret_fd)
{
	const struct timeval patience = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000L,
	};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLO_AUTO_FD int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;

	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Who hangs leaves its queue full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

int clo_message_exchange(int fd, const json_t *request, int timeout_ms,
			 json_t **ret_reply)
{
	int r;

	r = clo_message_send(fd, request, timeout_ms);
	/* Who refuses the peer replies without reading: look for that. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return r;

	return clo_message_receive(fd, timeout_ms, ret_reply);
}
