/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

/*
 * The texts of the policy in force, by their SHA-256: who applies or plans may
 * name one by its digest and need not send it again. A digest is always that
 * of a text which is held here, never what a request says of one.
 */

/* Request "held" of agent/core/control.h. */
json_t *clo_held_answer(struct clo_node *node, const json_t *request);

/*
 * The documents of a request, each with its text. Texts are shared with the
 * request and with the policy in force, not copied. *ret_documents is a new
 * reference; what is no list of {name, ...} comes out as it went in, for the
 * parser to say so. Else it stays, and the reply that refuses is returned.
 */
json_t *clo_held_resolve(struct clo_node *node, json_t *documents,
			 json_t **ret_documents);
