/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * What program clo_shape is given: the Ethernet header and as much behind it
 * as any guard reads; cb[0] is the length that the frame is to have. It hands
 * it to the program in map clo_shaped, key 0.
 */
#define CLO_SHAPE_PIECE 128U
#define CLO_SHAPE_PIECES 4U
#define CLO_SHAPE_HEAD (14U + CLO_SHAPE_PIECES * CLO_SHAPE_PIECE)
