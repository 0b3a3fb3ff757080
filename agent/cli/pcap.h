/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A capture file of Ethernet frames with nanoseconds (pcap, magic 0xa1b23c4d).
 * Each call writes whole records, so that it can be read at any time.
 */

#define CLO_PCAP_SNAP 256U /* bytes of a frame, at most */

/* Creates or overwrites `path`, 0600. The descriptor, or -errno. */
int clo_pcap_create(const char *path);
/* `len` bytes of a frame that had `true_len`; `ns` since 1970. 0 or -errno. */
int clo_pcap_write(int fd, uint64_t ns, const uint8_t *bytes, uint32_t len,
		   uint32_t true_len);
