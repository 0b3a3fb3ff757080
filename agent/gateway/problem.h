/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* RFC 9457: what is told when a request is not answered. */
#define CLO_PROBLEM_TYPE "application/problem+json"

/* The reason phrase of a status that this gateway gives. */
const char *clo_problem_title(unsigned int status);
/* {"type", "title", "status", "detail"}; caller frees. NULL without memory. */
char *clo_problem_text(unsigned int status, const char *detail);
