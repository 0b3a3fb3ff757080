/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the first bytes of a disk image say, as QEMU would take them: its format
 * and the other files that it leads to. They are a guest's to write, so all
 * that is doubtful is refused. docs/interop/qcow2.txt of QEMU.
 */
#define CLO_IMAGE_NAME_MAX 1023U /* bytes of a file's name in a header */
#define CLO_IMAGE_FORMAT_MAX 15U
#define CLO_IMAGE_HEAD 65536U /* bytes from the begin that are looked at */

enum clo_image_format {
	CLO_IMAGE_RAW, /* nothing that QEMU would take for another format */
	CLO_IMAGE_QCOW2,
	CLO_IMAGE_OTHER, /* a format that no sandbox admits */
};

enum clo_image_cipher {
	CLO_IMAGE_PLAIN,
	CLO_IMAGE_AES, /* broken by design, refused by QEMU */
	CLO_IMAGE_LUKS,
};

struct clo_image {
	enum clo_image_format format;
	const char *name; /* "raw", "qcow2", "vmdk"; static */
	char backing[CLO_IMAGE_NAME_MAX + 1]; /* as written; "": none */
	char backing_format[CLO_IMAGE_FORMAT_MAX + 1]; /* "": not said */
	bool external; /* its data is in another file, */
	char data[CLO_IMAGE_NAME_MAX + 1]; /* which is that; "": not said */
	enum clo_image_cipher cipher;
};

/*
 * `head`: the first CLO_IMAGE_HEAD bytes, or all of a shorter file.
 * -EBADMSG: qcow2 that QEMU would refuse or that cannot be told; `name` and
 * `format` are set then, too.
 */
int clo_image_read(const uint8_t *head, size_t len,
		   struct clo_image *ret_image);
