/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/prove.h"

/*
 * A witness as what goes over a wire, and what the decision that runs in the
 * kernel makes of it.
 */

#define CLO_WITNESS_FRAME_MAX 128

struct clo_witness_frame {
	uint8_t bytes[CLO_WITNESS_FRAME_MAX];
	size_t len;
};

/*
 * The whole Ethernet frame, with its checksums: the first packet of a flow. Of
 * a witness to a binding: a datagram from the address to itself. The witness
 * has a family.
 */
void clo_witness_build(const struct clo_witness *witness,
		       const uint8_t src_mac[6], const uint8_t dst_mac[6],
		       struct clo_witness_frame *ret_frame);

#define CLO_SCAPY_MAX 320
/* What builds the same frame in scapy. */
void clo_witness_scapy(const struct clo_witness *witness,
		       const uint8_t src_mac[6], const uint8_t dst_mac[6],
		       char ret_text[CLO_SCAPY_MAX]);

enum clo_replay {
	CLO_REPLAY_PASSES, /* the frame is let through by that rule */
	/*
	 * The bit says allow by that rule, but no frame asks it: addresses are
	 * looked up in the sender's space, where they are somebody else's, or
	 * the frame opens no flow.
	 */
	CLO_REPLAY_UNREACHED,
	CLO_REPLAY_DIFFERS, /* the tables do not say what the breach says */
};

/* "passes", "unreached", "differs" */
const char *clo_replay_text(enum clo_replay replay);

/*
 * Run the frame of a breach through ebpf/lib on the host: parsed from its
 * bytes, looked up and judged as the sender's tap would.
 */
enum clo_replay clo_witness_replay(const struct clo_tables *tables,
				   const struct clo_breach *breach,
				   const struct clo_witness_frame *witness);
/* Does the frame ask the sender's tap for the verdict on this pair? */
bool clo_witness_reaches(const struct clo_tables *tables, struct clo_pair pair,
			 const struct clo_witness_frame *witness);
