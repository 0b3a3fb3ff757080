/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/pcap_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	LINK_ETHERNET = 1,
};

#define MAGIC_MICRO 0xa1b2c3d4U
#define MAGIC_NANO 0xa1b23c4dU
#define MAGIC_PCAPNG 0x0a0d0d0aU /* the same in either order */
#define LINK_MASK 0x03ffffffU /* above it: how long a checksum is */

__attribute__((format(printf, 2, 3))) static int bad(char reterr_text[160],
						     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reterr_text, 160, fmt, args);
	va_end(args);
	return -EINVAL;
}

static uint32_t word(const struct clo_pcap_reader *reader, size_t at)
{
	uint32_t value;

	memcpy(&value, reader->data + at, sizeof(value));
	return reader->swapped ? __builtin_bswap32(value) : value;
}

static int check_magic(struct clo_pcap_reader *reader, char reterr_text[160])
{
	uint32_t magic;

	if (reader->len < sizeof(magic))
		return bad(reterr_text, "%zu bytes are no pcap file",
			   reader->len);
	magic = word(reader, 0);
	if (magic == MAGIC_PCAPNG)
		return bad(reterr_text, "pcapng, which is not read: convert it "
					"(editcap -F pcap IN OUT)");
	if ((magic & 0xffff) == 0x8b1f)
		return bad(reterr_text, "compressed: gunzip it first");
	if (magic == MAGIC_MICRO || magic == MAGIC_NANO)
		return 0;
	reader->swapped = true;
	magic = word(reader, 0);
	if (magic == MAGIC_MICRO || magic == MAGIC_NANO)
		return 0;
	return bad(reterr_text, "no pcap file: it begins with 0x%08x", magic);
}

int clo_pcap_reader_init(const uint8_t *data, size_t len,
			 struct clo_pcap_reader *ret_reader,
			 char reterr_text[160])
{
	struct clo_pcap_reader reader = {
		.data = data, .len = len, .at = FILE_HEADER};
	uint32_t link, version;
	int r = check_magic(&reader, reterr_text);

	if (r < 0)
		return r;
	if (len < FILE_HEADER)
		return bad(reterr_text,
			   "the file ends within its header, after %zu bytes",
			   len);
	version = word(&reader, 4) & 0xffff;
	if (reader.swapped) /* two numbers of 16 bits, major first */
		version = word(&reader, 4) >> 16;
	if (version != 2)
		return bad(reterr_text, "pcap version %u, not 2", version);
	link = word(&reader, 20) & LINK_MASK;
	if (link != LINK_ETHERNET)
		return bad(reterr_text,
			   "link type %u, not Ethernet (1): capture on the "
			   "guest's interface",
			   link);

	*ret_reader = reader;
	return 0;
}

int clo_pcap_reader_next(struct clo_pcap_reader *reader,
			 struct clo_pcap_frame *ret_frame,
			 char reterr_text[160])
{
	const size_t left = reader->len - reader->at, n = reader->n + 1;
	uint32_t len, true_len;

	if (left == 0)
		return 0;
	if (left < RECORD_HEADER)
		return bad(reterr_text,
			   "frame %zu: the file ends within its header", n);
	len = word(reader, reader->at + 8);
	true_len = word(reader, reader->at + 12);
	if (len > CLO_PCAP_FRAME_MAX || true_len > CLO_PCAP_FRAME_MAX)
		return bad(reterr_text,
			   "frame %zu: a length of %u bytes is no frame's", n,
			   len > true_len ? len : true_len);
	if (len > true_len)
		return bad(reterr_text, "frame %zu: %u bytes captured of %u", n,
			   len, true_len);
	if (len > left - RECORD_HEADER)
		return bad(reterr_text,
			   "frame %zu: claims %u bytes, the file has %zu left",
			   n, len, left - RECORD_HEADER);

	*ret_frame = (struct clo_pcap_frame){
		reader->data + reader->at + RECORD_HEADER, len, true_len};
	reader->at += RECORD_HEADER + len;
	reader->n = n;
	return 1;
}
