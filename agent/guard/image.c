/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/image.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"

#define HEADER_V2 72U
#define HEADER_V3 104U
#define CLUSTER_BITS_MIN 9U
#define CLUSTER_BITS_MAX 21U

#define FEATURE_EXTERNAL (UINT64_C(1) << 2)
#define FEATURES_KNOWN UINT64_C(0x1f)

enum extension {
	EXTENSION_END = 0,
	EXTENSION_BACKING_FORMAT = 0xe2792aca,
	EXTENSION_DATA_FILE = 0x44415441,
};

/* The formats that QEMU tells by their first bytes and that lead elsewhere. */
static const struct magic {
	const char *name;
	const char *bytes;
	size_t len;
	size_t at;
} magics[] = {
	{"qcow", "QFI\xfb\0\0\0\1", 8, 0},
	{"qcow2", "QFI\xfb", 4, 0},
	{"qed", "QED\0", 4, 0},
	{"vmdk", "KDMV", 4, 0},
	{"vmdk", "COWD", 4, 0},
	{"vhdx", "vhdxfile", 8, 0},
	{"vpc", "conectix", 8, 0},
	{"vdi", "\x7f\x10\xda\xbe", 4, 64},
	{"parallels", "WithoutFreeSpace", 16, 0},
	{"parallels", "WithouFreSpacExt", 16, 0},
};

/* Bytes, and how far one may go. */
struct view {
	const uint8_t *bytes;
	size_t len;
};

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t wide(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

/* VMware's text: comments and empty lines, then the version. */
static bool is_vmdk_text(const uint8_t *head, size_t len)
{
	static const char want[] = "version=";
	size_t at = 0;

	while (at < len && (head[at] == '#' || head[at] == ' ' ||
			    head[at] == '\r' || head[at] == '\n')) {
		const uint8_t *end = memchr(head + at, '\n', len - at);

		if (head[at] == '#' && !end)
			return false;
		at = head[at] == '#' ? (size_t)(end - head) + 1 : at + 1;
	}
	return len - at >= sizeof(want) - 1 &&
	       memcmp(head + at, want, sizeof(want) - 1) == 0;
}

static const char *name_of(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(magics); i++) {
		const struct magic *magic = &magics[i];

		if (len >= magic->at + magic->len &&
		    memcmp(head + magic->at, magic->bytes, magic->len) == 0)
			return magic->name;
	}
	return is_vmdk_text(head, len) ? "vmdk" : "raw";
}

/* Text without a 0 in it, once: what says two names is not believed. */
static int take_text(const uint8_t *at, size_t len, char *ret_text, size_t max)
{
	if (len == 0 || len > max || ret_text[0] || memchr(at, '\0', len))
		return -EBADMSG;
	memcpy(ret_text, at, len);
	ret_text[len] = '\0';
	return 0;
}

static int take_extension(uint32_t type, const uint8_t *at, size_t len,
			  struct clo_image *image)
{
	if (type == EXTENSION_BACKING_FORMAT)
		return take_text(at, len, image->backing_format,
				 CLO_IMAGE_FORMAT_MAX);
	if (type == EXTENSION_DATA_FILE)
		return take_text(at, len, image->data, CLO_IMAGE_NAME_MAX);
	return 0;
}

/* From `at` to the end of what they may fill, or their own end. */
static int read_extensions(const struct view *area, size_t at,
			   struct clo_image *image)
{
	while (area->len - at >= 8) {
		uint32_t type = word(area->bytes + at);
		uint64_t len = word(area->bytes + at + 4);
		uint64_t padded = (len + 7) & ~UINT64_C(7);
		int r;

		at += 8;
		if (type == EXTENSION_END)
			return 0;
		if (len > area->len - at)
			return -EBADMSG;
		r = take_extension(type, area->bytes + at, (size_t)len, image);
		if (r < 0)
			return r;
		if (padded > area->len - at)
			return 0;
		at += (size_t)padded;
	}
	return 0;
}

static int read_features(const uint8_t *head, size_t len,
			 struct clo_image *image, size_t *ret_header)
{
	uint64_t features;
	uint32_t header;

	if (len < HEADER_V3)
		return -EBADMSG;
	features = wide(head + 72);
	header = word(head + 100);
	if (features & ~FEATURES_KNOWN || header < HEADER_V3)
		return -EBADMSG;
	image->external = features & FEATURE_EXTERNAL;
	*ret_header = header;
	return 0;
}

static int read_cipher(uint32_t method, struct clo_image *image)
{
	if (method > CLO_IMAGE_LUKS)
		return -EBADMSG;
	image->cipher = (enum clo_image_cipher)method;
	return 0;
}

/* What follows the fixed part: extensions, then the backing file's name. */
static int read_names(const uint8_t *head, size_t len, size_t header,
		      struct clo_image *image)
{
	uint64_t offset = wide(head + 8);
	uint32_t size = word(head + 16);
	struct view area = {head, len};
	int r;

	if (offset != 0) {
		if (offset < header || offset > len || size > len - offset)
			return -EBADMSG;
		r = take_text(head + offset, size, image->backing,
			      CLO_IMAGE_NAME_MAX);
		if (r < 0)
			return r;
		area.len = (size_t)offset;
	}
	return read_extensions(&area, header, image);
}

static int read_qcow2(const uint8_t *head, size_t len, struct clo_image *image)
{
	size_t header = HEADER_V2;
	size_t cluster;
	uint32_t bits;
	int r = 0;

	if (len < HEADER_V2)
		return -EBADMSG;
	bits = word(head + 20);
	if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX)
		return -EBADMSG;
	if (word(head + 4) == 3)
		r = read_features(head, len, image, &header);
	else if (word(head + 4) != 2)
		r = -EBADMSG;
	if (r == 0)
		r = read_cipher(word(head + 32), image);
	if (r < 0)
		return r;

	/* all of the header is in the first cluster */
	cluster = (size_t)1 << bits;
	if (len > cluster)
		len = cluster;
	if (header > len)
		return -EBADMSG;
	r = read_names(head, len, header, image);
	image->external = image->external || image->data[0];
	return r;
}

int clo_image_read(const uint8_t *head, size_t len, struct clo_image *ret_image)
{
	*ret_image = (struct clo_image){.name = name_of(head, len)};

	if (strcmp(ret_image->name, "raw") == 0)
		return 0;
	if (strcmp(ret_image->name, "qcow2") != 0) {
		ret_image->format = CLO_IMAGE_OTHER;
		return 0;
	}
	ret_image->format = CLO_IMAGE_QCOW2;
	return read_qcow2(head, len, ret_image);
}
