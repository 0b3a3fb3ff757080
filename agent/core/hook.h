/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"

/*
 * What libvirtd asks through its qemu hook, by cloison-hook: the reply to
 * {"op": "hook", "operation", "xml"}. Refuses a domain that breaks its
 * profile before libvirt touches a file of it, and has its guards on before
 * QEMU runs. Nothing here calls libvirt, which waits for the answer.
 */
json_t *clo_hook_answer(struct clo_node *node, const json_t *request);
