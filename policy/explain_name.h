/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/compile.h"

/*
 * Names for what tables say by number. Tables that were read back may say
 * anything: a number without a name is spelled out in the buffer.
 */
#define CLO_NAME_MAX 48

const char *clo_name_identity(const struct clo_compiled *compiled,
			      uint32_t identity, char buffer[CLO_NAME_MAX]);
const char *clo_name_class(const struct clo_compiled *compiled, uint32_t class,
			   char buffer[CLO_NAME_MAX]);
/* NULL for rule 0 and for numbers that the policy does not have. */
const char *clo_name_rule(const struct clo_compiled *compiled, uint32_t rule);
