/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"
#include "policy/explain_trace.h"

/*
 * `trace`: a frame through the decision of the datapath, on what the kernel
 * holds now: tables, ports, limits, connections.
 */
json_t *clo_trace_answer(struct clo_node *node, const json_t *request);
/*
 * The same, and through the programs that hang on its interfaces, which count
 * it like real traffic: for root alone. A flow that it begins is ended again.
 */
json_t *clo_trace_answer_root(struct clo_node *node, const json_t *request);

/*
 * What the attached programs make of the frame, hook by hook:
 * {"agrees": bool, or null where none was run, "text":}. NULL: no memory.
 * *ret_began: a flow waits for a sweep.
 */
json_t *clo_trace_kernel(struct clo_node *node, const struct clo_trace_run *run,
			 bool *ret_began);
