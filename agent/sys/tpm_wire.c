/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "agent/sys/tpm_impl.h"

#define HEADER 10 /* tag, size, code */
#define MAGIC UINT64_C(0x634c6f69736f6e31)

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct clo_tpm_wire *of(TSS2_TCTI_CONTEXT *context)
{
	return (struct clo_tpm_wire *)(void *)context;
}

/* What is half said cannot be taken up again. */
static TSS2_RC give_up(struct clo_tpm_wire *wire, int error)
{
	wire->error = error;
	return TSS2_TCTI_RC_IO_ERROR;
}

/* 0 when the TPM is ready for it; -ETIMEDOUT. */
static int await(const struct clo_tpm_wire *wire, short events)
{
	for (;;) {
		struct pollfd pollfd = {.fd = wire->fd, .events = events};
		int64_t left = wire->deadline - now_ms();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&pollfd, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* The kernel's device takes a command in one piece or not at all. */
static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size,
			uint8_t const *command)
{
	struct clo_tpm_wire *wire = of(context);

	if (wire->error)
		return TSS2_TCTI_RC_IO_ERROR;
	wire->len = 0;
	while (size > 0) {
		ssize_t n = write(wire->fd, command, size);
		int r;

		if (n > 0) {
			command += n;
			size -= (size_t)n;
			continue;
		}
		r = n < 0 && errno != EAGAIN && errno != EINTR
			    ? -errno
			    : await(wire, POLLOUT);
		if (r < 0)
			return give_up(wire, r);
	}
	return TSS2_RC_SUCCESS;
}

static size_t announced(const struct clo_tpm_wire *wire)
{
	const uint8_t *size = wire->response + 2;

	return (size_t)size[0] << 24 | (size_t)size[1] << 16 |
	       (size_t)size[2] << 8 | size[3];
}

static int read_response(struct clo_tpm_wire *wire)
{
	size_t want = HEADER;

	while (wire->len < want) {
		ssize_t n;
		int r = await(wire, POLLIN);

		if (r < 0)
			return r;
		n = read(wire->fd, wire->response + wire->len,
			 sizeof(wire->response) - wire->len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		wire->len += (size_t)n;
		if (wire->len < HEADER)
			continue;
		want = announced(wire);
		if (want < HEADER || want > sizeof(wire->response) ||
		    wire->len > want)
			return -EPROTO;
	}
	return 0;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size,
		       uint8_t *response, int32_t timeout)
{
	struct clo_tpm_wire *wire = of(context);
	int r;

	(void)timeout; /* ours is the shorter one */
	if (wire->error)
		return TSS2_TCTI_RC_IO_ERROR;
	r = wire->len ? 0 : read_response(wire);
	if (r < 0)
		return give_up(wire, r);
	if (response && *size < wire->len)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	*size = wire->len;
	if (response) {
		memcpy(response, wire->response, wire->len);
		wire->len = 0;
	}
	return TSS2_RC_SUCCESS;
}

static TSS2_RC not_here(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC no_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
	(void)context;
	(void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static int open_socket(const char *path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLO_AUTO_FD int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

static int open_path(const char *where, int *ret_fd)
{
	static const char device[] = "device:", swtpm[] = "swtpm:path=";

	if (strncmp(where, swtpm, sizeof(swtpm) - 1) == 0)
		return open_socket(where + sizeof(swtpm) - 1, ret_fd);
	if (strncmp(where, device, sizeof(device) - 1) != 0)
		return -EINVAL;
	*ret_fd = open(where + sizeof(device) - 1,
		       O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

int clo_tpm_wire_open(const char *where, struct clo_tpm_wire *ret_wire)
{
	int fd = -1;
	int r = open_path(where, &fd);

	if (r < 0)
		return r;
	*ret_wire = (struct clo_tpm_wire){
		.common.v1 = {.magic = MAGIC,
			      .version = 2,
			      .transmit = transmit,
			      .receive = receive,
			      .cancel = not_here,
			      .setLocality = no_locality},
		.fd = fd,
	};
	return 0;
}

void clo_tpm_wire_begin(struct clo_tpm_wire *wire, int seconds)
{
	wire->deadline = now_ms() + (int64_t)seconds * 1000;
}

/* The kernel's close() waits for a command under way: left to the exit. */
void clo_tpm_wire_close(struct clo_tpm_wire *wire)
{
	if (wire->fd >= 0 && wire->error != -ETIMEDOUT)
		(void)close(wire->fd);
	wire->fd = -1;
}
