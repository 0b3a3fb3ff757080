/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Of swtpm, in hex: its attestation key, and a quote of PCR 0 by it. */
#define MADE_AK                                                                \
	"0023000b00050472000000100018000b000300100020df6763157720d7f9b55d"     \
	"af000773e95a0a01c9b0a904d60d8d836320a4b85b5f0020fdc88f66183e9e2f"     \
	"8ea0af82fc156c6cf4b668e341ba33e845e4ebdcdad17007"
#define MADE_ATTEST                                                            \
	"ff54434780180022000b1f2002b3aedd80bf09c465bebcc2d55c64c731d5e947"     \
	"00f95e5073968645d61500205a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"     \
	"5a5a5a5a5a5a5a5a5a5a5a5a000000000000009e000000010000000001201910"     \
	"230016363600000001000b03010000002066687aadf862bd776c8fc18b8e9f8e"     \
	"20089714856ee233b3902a591d0d5f2925"
#define MADE_SIGNATURE                                                         \
	"0018000b0020bc15b0b4b980060f5c5c3e73b5c5ddccce5276afac3f56eb8eba"     \
	"dca8a52d8e7900207331bafcc37934134e9c4056496f7cab2f92c8e95444146e"     \
	"35bc148264aeade7"
#define MADE_BINDING                                                           \
	"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
