/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "agent/core/enumerate.h"
#include "agent/core/node.h"
#include "agent/core/probe.h"
#include "agent/core/problem.h"
#include "agent/core/sandbox.h"

/*
 * One look at what is really in force: tables read back, proven and compared,
 * programs and hooks as the kernel lists them, probes. An audit changes
 * nothing; it only says what is wrong.
 */

/* What hangs on one tap of the inventory, and what the probes said. */
struct clo_tap_audit {
	bool has_port;
	struct clo_port port; /* as read from the kernel */
	struct clo_bpf_guard guard;
	bool guarded; /* both hooks ours, first, and alone */
	enum clo_probe_result probes[CLO_PROBES_MAX];
};

/* A running domain and its sandbox; borrowed from the node until it looks. */
struct clo_sandboxed {
	const struct clo_virt_domain *domain;
	const struct clo_workload_doc *workload;
	struct clo_sandbox *sandbox; /* owned */
};

/* What a repair must put right. */
enum clo_repair {
	CLO_REPAIR_TABLES = 1,
	CLO_REPAIR_GUARDS = 2,
	CLO_REPAIR_PORTS = 4,
	CLO_REPAIR_PROGRAMS = 8,
	CLO_REPAIR_QUOTAS = 16,
	CLO_REPAIR_BRIDGES = 32,
	CLO_REPAIR_PINS = 64,
	CLO_REPAIR_FENCE = 128,
	CLO_REPAIR_TAGS = 256,
	CLO_REPAIR_LIVE = 512,
};

struct clo_audit {
	struct clo_tables *observed; /* NULL: no policy in force */
	struct clo_proof proof;
	double ms_read, ms_prove;
	struct clo_enumeration decided; /* epoch 0: not yet, of these tables */
	json_t *contradiction; /* clo_explain_contradiction(), if it errs */
	struct clo_bpf_program programs[2];
	bool programs_read;
	struct clo_tap_audit *taps; /* by index of the inventory's taps */
	size_t n_taps, n_guarded;
	struct clo_sandboxed *sandboxes; /* that were looked at */
	size_t n_sandboxes;
	uint64_t tags_refused; /* attempts of tagged tasks */
	struct clo_problems problems;
	unsigned int repair; /* of enum clo_repair */
};

/* 0 with a finished audit, however bad the news; -ENOMEM. */
int clo_audit_run(struct clo_node *node, struct clo_audit **ret_audit);
/* Of its programs, ports and hooks alone: the node needs no more. */
int clo_audit_guards(struct clo_node *node, struct clo_audit **ret_audit);
void clo_audit_free(struct clo_audit *audit);
CLO_DEFINE_FREEP(clo_audit)

/* What CLO_REPAIR_LIVE asks for. */
int clo_audit_live_restore(struct clo_node *node);
