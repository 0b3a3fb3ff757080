/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/matrix_classes.h"

/*
 * The addresses outside as ranges: those of tables cidr4 and cidr6, cut where
 * the class changes and nowhere else. `class` is an identity of the class, until
 * classes have numbers.
 */
int clo_outside_list(struct clo_matrix *matrix);

/* "8.0.0.0/8" if it is one block, else "8.0.0.0-8.1.255.255". */
#define CLO_OUTSIDE_TEXT 96
void clo_outside_text(const struct clo_outside *outside,
		      char ret_text[CLO_OUTSIDE_TEXT]);
