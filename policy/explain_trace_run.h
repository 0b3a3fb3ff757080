/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ebpf/lib/hook.h"
#include "policy/explain_trace_impl.h"

/*
 * tracer->data through one hook of one port, every step written down; the
 * decision is ebpf/lib/decide.h.
 */
enum clo_drop clo_trace_hook(struct clo_tracer *tracer,
			     struct clo_trace_port *port, bool to_guest,
			     uint32_t mark, struct clo_trace_pass *ret_pass,
			     struct clo_outcome *ret_outcome);
