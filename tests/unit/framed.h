/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "bpf/frames.h"
#include "ebpf/lib/frame.h"

/* Forms of frames that the tests of the parser have in common. */

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define EXTRA(...) (&(const struct frame_extra){__VA_ARGS__})
#define OPTIONS(n, ...) EXTRA(.len = (n), .bytes = {__VA_ARGS__})
#define HEADER(number, n, ...)                                                 \
	EXTRA(.first = (number), .len = (n), .bytes = {0, __VA_ARGS__})
#define ALERT HEADER(0, 8, 0, 5, 2, 0, 0, 1, 0)
#define PADDED HEADER(60, 8, 0, 1, 4)

static inline enum clo_drop parse(const __u8 *data, __u32 readable, __u32 len,
				  struct clo_frame *ret)
{
	struct clo_packet packet = {data, data + readable, len, 0};
	enum clo_drop drop = clo_frame_link(&packet, ret);

	return drop ? drop : clo_frame_parse(&packet, ret);
}

#define TCP4 TCP(4, WEB, DB, 1000, 5432, SYN)
#define TCP6 TCP(6, WEB, DB, 1000, 5432, SYN)
#define UDP4 UDP(4, WEB, DB, 1000, 53)
#define UDP6 UDP(6, WEB, DB, 1000, 53)
#define ERROR4 QUOTE(4, WEB, DB, 3, LAB, IPPROTO_TCP, 53, 54)
#define ERROR6 QUOTE(6, WEB, DB, 1, LAB, IPPROTO_TCP, 53, 54)
