/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The steps of one audit. Nobody but audit*.c includes this. */

#include "agent/core/audit.h"

/* 0 however bad the news; -ENOMEM. */
int clo_audit_tables(struct clo_node *node, struct clo_audit *audit);
/* Port entries, their modes and limits; before the taps, which use them. */
int clo_audit_ports(struct clo_node *node, struct clo_audit *audit);
/* After the ports. */
int clo_audit_live(struct clo_node *node, struct clo_audit *audit);
int clo_audit_quotas(struct clo_node *node, struct clo_audit *audit);
/* Hooks, each asked once, and probes. */
int clo_audit_taps(struct clo_node *node, struct clo_audit *audit);
/* What the decision code was found to say over the tables; after the taps. */
int clo_audit_decisions(struct clo_node *node, struct clo_audit *audit);
/* What the governed bridges send to the taps. */
int clo_audit_bridges(struct clo_node *node, struct clo_audit *audit);

/* QEMU processes, their domains and files. */
int clo_audit_sandboxes(struct clo_node *node, struct clo_audit *audit);
/* What the host lets those processes share; after them. */
int clo_audit_host(struct clo_node *node, struct clo_audit *audit);

/* A problem of one tap, told to the scope that it belongs to. */
__attribute__((format(printf, 4, 5))) int
clo_audit_note(struct clo_audit *audit, const struct clo_tap *tap,
	       const char *control, const char *fmt, ...);
