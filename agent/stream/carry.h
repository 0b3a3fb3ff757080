/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <getopt.h>

#include "agent/attest/store_reader.h"
#include "agent/stream/wait.h"

/* How a process that carries the log begins. */
struct clo_carrier {
	const char *name, *usage;
	/* with "help" as 'h' and "version" as 'v'; each takes a word else */
	const struct option *known;
	const char **const *places; /* of the words, by letter, below 128 */
};

/* 0; 1: it is done; -EINVAL after a line on stderr. */
int clo_carry_parse(const struct clo_carrier *carrier, int argc, char **argv);
/* The line; -EINVAL. */
int clo_carry_bad(const char *name, const char *why);
/* The log to read, and more of it to wait for. */
int clo_carry_begin(const char *log, struct clo_reader **ret_reader,
		    struct clo_wait *ret_wait);
