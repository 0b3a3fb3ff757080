/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "agent/core/audit.h"
#include "agent/core/node.h"

/* The fence of agent/guard/fence.h around what this node governs. */

/* Bring it to the taps that have a guard now. No policy: nothing to do. */
int clo_fencing_settle(struct clo_node *node);
/* It is put up anew by the next settle: the policy or the kernel changed. */
void clo_fencing_renew(struct clo_node *node);
/* A step of the audit. */
int clo_fencing_audit(struct clo_node *node, struct clo_audit *audit);
/* on_change is called when anybody, we too, has changed anything of nftables */
int clo_fencing_watch(sd_event *event, sd_event_io_handler_t on_change,
		      void *userdata, sd_event_source **ret_source);
/* ... and asks: is the fence no longer as it was put up? */
bool clo_fencing_broken(struct clo_node *node, int fd);
/*
 * Before the daemon: a fence around the bridges of the policy that was in
 * force last, if there was any. Errors are logged, here and below.
 */
int clo_fencing_begin(const char *state_dir);
int clo_fencing_remove(void);
void clo_fencing_done(struct clo_node *node);
