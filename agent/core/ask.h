/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/*
 * Questions of policy/question.h about what is in force: answered only while
 * the kernel's tables are those of the policy, bit for bit.
 */
json_t *clo_ask_answer(struct clo_node *node, const json_t *request);
