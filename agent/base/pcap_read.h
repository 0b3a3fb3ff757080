/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The frames of a capture file in memory: classic pcap with micro- or
 * nanoseconds, of either byte order, Ethernet only. Bytes are borrowed, nothing
 * is allocated, and no claim of the file is believed beyond its end.
 */
struct clo_pcap_reader {
	const uint8_t *data;
	size_t len, at;
	bool swapped;
	size_t n; /* frames read */
};

struct clo_pcap_frame {
	const uint8_t *bytes;
	uint32_t len; /* captured */
	uint32_t true_len; /* of the frame; at least len */
};

/* More than any frame has; a longer claim is no frame. */
#define CLO_PCAP_FRAME_MAX 262144U

/* 0, or -EINVAL and reterr_text: what is wrong and what to do. */
int clo_pcap_reader_init(const uint8_t *data, size_t len,
			 struct clo_pcap_reader *ret_reader,
			 char reterr_text[160]);
/* 1: a frame; 0: the end; -EINVAL and reterr_text. */
int clo_pcap_reader_next(struct clo_pcap_reader *reader,
			 struct clo_pcap_frame *ret_frame,
			 char reterr_text[160]);
