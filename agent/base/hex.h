/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Lower-case hex: the one spelling of digests in documents. */

/* 2 * n digits and a 0. */
void clo_hex_encode(const void *data, size_t n, char *ret_text);
/* Exactly 2 * n lower-case digits, else -EINVAL. */
int clo_hex_decode(const char *text, size_t n, void *ret_data);
