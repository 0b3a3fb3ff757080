/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a qcow2 image says of other files: docs/interop/qcow2.txt of QEMU. Only
 * the header is looked at, as bytes that a guest may have written.
 */
#define CLO_QCOW2_NAME_MAX 1023U /* of a backing file, by the specification */
#define CLO_QCOW2_HEAD 65536U /* bytes from the begin that are enough */

struct clo_qcow2 {
	char backing[CLO_QCOW2_NAME_MAX + 1]; /* "": none */
	bool external; /* its data is in another file */
};

/* The first bytes of an image have the format's magic. */
bool clo_qcow2_is(const uint8_t *head, size_t len);
/* -EBADMSG: it is none, or one that cannot be right. */
int clo_qcow2_read(const uint8_t *head, size_t len,
		   struct clo_qcow2 *ret_image);
