/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/auto.h"

#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define LINK_ETHERNET 1U

/* In the byte order of the writer, by which readers know the magic. */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy;
	uint32_t snap; /* bytes of a frame, at most */
	uint32_t link;
};

struct record_header {
	uint32_t seconds, nanoseconds;
	uint32_t len, true_len;
};

_Static_assert(sizeof(struct file_header) == 24, "a pcap file begins so");
_Static_assert(sizeof(struct record_header) == 16, "and each frame so");

/* One call, so that a kill leaves whole records. */
static int write_once(int fd, const void *data, size_t len)
{
	ssize_t n;

	do {
		n = write(fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

int clo_pcap_create(const char *path)
{
	CLO_AUTO_FD int fd = -1;
	struct file_header header = {
		.magic = MAGIC_NANOSECONDS,
		.major = 2,
		.minor = 4,
		.snap = CLO_PCAP_SNAP,
		.link = LINK_ETHERNET,
	};
	int r;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
		  0600);
	if (fd < 0)
		return -errno;
	r = write_once(fd, &header, sizeof(header));
	return r < 0 ? r : clo_take_fd(&fd);
}

int clo_pcap_write(int fd, uint64_t ns, const uint8_t *bytes, uint32_t len,
		   uint32_t true_len)
{
	struct {
		struct record_header header;
		uint8_t bytes[CLO_PCAP_SNAP];
	} record = {
		.header = {.seconds = (uint32_t)(ns / 1000000000),
			   .nanoseconds = (uint32_t)(ns % 1000000000),
			   .len = len,
			   .true_len = true_len},
	};

	if (len > sizeof(record.bytes))
		return -EMSGSIZE;
	memcpy(record.bytes, bytes, len);
	return write_once(fd, &record, sizeof(record.header) + len);
}
