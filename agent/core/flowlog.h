/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "agent/base/auto.h"

/*
 * The flow log: JSON lines in DIR/current.jsonl, mode 0640. When a day (UTC)
 * or its size is over, the file becomes DIR/YYYYMMDD-NUMBER.jsonl by a rename;
 * NUMBER goes on from file to file. The oldest of these are removed.
 *
 * Nothing here fails towards the caller: what cannot be written waits in a
 * bounded buffer, and what no longer fits there is counted, logged once, and
 * noted in the log itself, as {"kind": "lost", "records": n}, as soon as it
 * can be written again. A line that was cut off, by a full disk or by a kill,
 * is removed before the next is written.
 */
struct clo_flowlog;

struct clo_flowlog_limits {
	uint64_t file_bytes; /* 0: keep no flow log at all */
	unsigned int days; /* 0: as long as there is room */
	uint64_t total_bytes; /* of all files; 0: no limit */
};

#define CLO_FLOWLOG_FILE_BYTES (UINT64_C(64) << 20)
#define CLO_FLOWLOG_DAYS 30
#define CLO_FLOWLOG_TOTAL_BYTES (UINT64_C(1) << 30)
#define CLO_FLOWLOG_BUFFER (256U << 10) /* bytes */

/* Only allocates; `dir` (made 0750 if missing) is opened by the first flush. */
int clo_flowlog_new(const char *dir, const struct clo_flowlog_limits *limits,
		    struct clo_flowlog **ret_log);
/* Flushes first. */
void clo_flowlog_free(struct clo_flowlog *log);
CLO_DEFINE_FREEP(clo_flowlog)

bool clo_flowlog_enabled(const struct clo_flowlog *log);
/* One line, without its newline. `now` as for the next. */
void clo_flowlog_put(struct clo_flowlog *log, const char *line, size_t len,
		     time_t now);
/* Write what waits, rotate, remove what is too old. Call every second. */
void clo_flowlog_flush(struct clo_flowlog *log, time_t now);

/*
 * {enabled, directory, files, bytes, records, lost, errors, error|null}:
 * records written and lost since the start; error is the last, while it lasts.
 */
json_t *clo_flowlog_status(const struct clo_flowlog *log);
