/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/sys/bpf.h"

/*
 * The connection table against the tables in force. A flow that they do not
 * allow passes nothing any more whatever is done here: its next packet is
 * judged anew. But its entry would stay until then, or until it times out. So
 * after each change of tables all entries of before are walked, slice by slice
 * from the event loop, and those that are not allowed are ended.
 */
struct clo_node;
struct sd_event;
struct clo_revoker; /* in the event loop */

struct clo_revoke {
	uint64_t epoch; /* of the tables; 0: nothing was walked yet */
	bool done; /* no entry is left that they do not allow */
	struct clo_bpf_cursor cursor;
	uint64_t walked; /* entries */
	uint64_t kept; /* of before, that they allow */
	uint64_t removed;
	double ms; /* from the change until the last one was gone */
	time_t at; /* when it was done */
};

/* Something is left to walk. */
bool clo_revoke_is_due(const struct clo_node *node);
/* Slices for about so long, or until it is done. 0, or -errno and given up. */
int clo_revoke_some(struct clo_node *node, double ms);

int clo_revoker_new(struct sd_event *event, struct clo_node *node,
		    struct clo_revoker **ret_revoker);
void clo_revoker_free(struct clo_revoker *revoker);
