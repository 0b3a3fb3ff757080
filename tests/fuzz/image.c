/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/image.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Anything as the begin of an image: sound text, or an error. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name is in the bytes: nothing is made up, nothing read beyond. */
static bool is_from(const uint8_t *data, size_t size, const char *text)
{
	return !*text || memmem(data, size, text, strlen(text));
}

static bool is_sound(const struct clo_image *image, const uint8_t *data,
		     size_t size)
{
	if (!image->name ||
	    strnlen(image->backing, sizeof(image->backing)) >
		    CLO_IMAGE_NAME_MAX ||
	    !is_from(data, size, image->backing) ||
	    !is_from(data, size, image->backing_format) ||
	    !is_from(data, size, image->data))
		return false;
	return image->format == CLO_IMAGE_QCOW2 ||
	       (!image->backing[0] && !image->external);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + !size); /* so that ASan sees its end */
	struct clo_image image;
	int r;

	assert(bytes);
	memcpy(bytes, data, size);
	r = clo_image_read(bytes, size, &image);
	free(bytes);
	assert(r == 0 ? is_sound(&image, data, size)
		      : r == -EBADMSG && image.format == CLO_IMAGE_QCOW2);
	return 0;
}
