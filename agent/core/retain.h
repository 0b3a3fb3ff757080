/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/node.h"

/*
 * How much of the past the node's log holds, as the policy's "log" says (12
 * months and 8 GiB where it says nothing), and what becomes of audits that it
 * has no room for. A month has 31 days. What a clock that leapt ahead calls old
 * stays until the log goes back for a week by that clock.
 *
 * What goes, goes a little at a time, with a signed gap/v1 that says what it
 * was. When nothing may go any more, what passed is not recorded until there is
 * room: a gap in time, as that of a log that cannot be written. The log waits
 * for nobody: records that went before the stream had them are missing there,
 * until it brings the gap.
 */

/* After an audit that was recorded (r == 0), or not. */
void clo_retain(struct clo_node *node, int r);
/*
 * Audits were not recorded, and this one will be: one more gap than those in
 * the array from clo_store_gaps(). -ENOMEM.
 */
int clo_retain_gap(const struct clo_node *node, time_t now,
		   struct clo_gap **gaps, size_t *n);
/* The run ends; unless the log does not take what this one has to tell. */
void clo_retain_end(struct clo_node *node);
/* {"months":, "limit":, "bytes":, "left":, "full":, "unrecordedSince": or null} */
json_t *clo_retain_status(const struct clo_node *node);
