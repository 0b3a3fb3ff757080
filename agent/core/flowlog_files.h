/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"

/* The files of a flow log that are closed. Part of agent/core/flowlog.h. */
struct clo_flowlog_file {
	uint64_t number;
	unsigned int day; /* 20260102 */
	uint64_t bytes;
};

#define CLO_FLOWLOG_NAME 40

/* "20260102-00000007.jsonl" */
void clo_flowlog_name(const struct clo_flowlog_file *file,
		      char ret_name[CLO_FLOWLOG_NAME]);
/* Oldest first, by number; other names are no files of ours. Caller frees. */
int clo_flowlog_list(int dirfd, struct clo_flowlog_file **ret_files,
		     size_t *ret_n);
/* Cut `fd` behind its last newline; *ret_bytes is what remains. */
int clo_flowlog_mend(int fd, uint64_t *ret_bytes);
