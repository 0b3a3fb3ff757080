/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAGIC 0x514649fbU /* "QFI\xfb" */
#define HEAD_MIN 72U
#define EXTERNAL (UINT64_C(1) << 2) /* of the incompatible features */

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t twice(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

bool clo_qcow2_is(const uint8_t *head, size_t len)
{
	return len >= sizeof(uint32_t) && word(head) == MAGIC;
}

int clo_qcow2_read(const uint8_t *head, size_t len, struct clo_qcow2 *ret_image)
{
	uint64_t offset;
	uint32_t version;
	uint32_t size;

	memset(ret_image, 0, sizeof(*ret_image));
	if (len < HEAD_MIN || !clo_qcow2_is(head, len))
		return -EBADMSG;
	version = word(head + 4);
	offset = twice(head + 8);
	size = word(head + 16);
	if (version != 2 && version != 3)
		return -EBADMSG;
	if (version == 3) {
		if (len < HEAD_MIN + 8)
			return -EBADMSG;
		ret_image->external = twice(head + 72) & EXTERNAL;
	}
	if (offset == 0)
		return 0;
	if (size == 0 || size > CLO_QCOW2_NAME_MAX || offset > len ||
	    size > len - offset || memchr(head + offset, '\0', size))
		return -EBADMSG;
	memcpy(ret_image->backing, head + offset, size);
	return 0;
}
