/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* RFC 4648, section 4: standard alphabet, padded, one line. */
#define CLO_BASE64_MAX (16U << 20) /* bytes of a text */

/* 0-terminated; caller frees. -EMSGSIZE over CLO_BASE64_MAX. */
int clo_base64_encode(const void *data, size_t len, char **ret_text);
/*
 * The bytes that encode to exactly this text, and a 0 that is not counted;
 * caller frees. -EBADMSG if there are none.
 */
int clo_base64_decode(const char *text, size_t text_len, char **ret_data,
		      size_t *ret_len);
/* The same into room for exactly `size` bytes; -EBADMSG if it is not as many. */
int clo_base64_decode_exact(const char *text, size_t text_len, size_t size,
			    void *ret_data);
