/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * Parts of `cloison trace`. Each returns CLO_EXIT_OK, or it has been printed
 * why not.
 */

/* Frames of a capture file as hex, all of them or the one of that number. */
struct clo_trace_capture {
	json_t *frames; /* [hex] */
	json_t *captured; /* [bytes that were in the file] */
	size_t first; /* number of the first of them, from 1 */
};

/* only 0: all, CLO_TRACE_FRAMES_MAX at most. A cut frame ends in zeros. */
int clo_trace_capture_read(const struct clo_cli *cli, const char *path,
			   size_t only, struct clo_trace_capture *ret_capture);
void clo_trace_capture_done(struct clo_trace_capture *capture);

/* "aa:bb", "aa bb" and "AABB" alike -> "aabb". */
int clo_trace_hex_read(const struct clo_cli *cli, const char *text,
		       json_t **ret_hex);

/* What the daemon would answer, on the policy in `dir` and without a kernel. */
int clo_trace_offline(const struct clo_cli *cli, const char *dir,
		      const json_t *request, json_t **ret_result);

/* The exit status of one trace: allow, drop, or that the kernel disagrees. */
int clo_trace_exit(const json_t *trace); /* -1: not of that shape */
void clo_trace_print(const struct clo_cli *cli, const json_t *trace);
/* One line for each of [trace with "number"]. */
void clo_trace_print_all(const struct clo_cli *cli, const json_t *traces);
