/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/core/control.h"

/*
 * The `cloison` command: each subcommand is one struct clo_command in its own
 * file and one line of the table in main.c. Options, help and checks of the
 * command line follow from these values.
 */

struct clo_option {
	const char *name; /* "nonce" for --nonce */
	const char *value; /* what it takes, "HEX"; NULL: nothing */
	const char *help;
};

#define CLO_OPTIONS_MAX 16
#define CLO_LIST_MAX 32

/* What the command line says. */
struct clo_cli {
	const char *socket;
	bool json;
	bool color; /* of stdout */
	const char *operand; /* NULL: none, or left out as it may be */
	const char *second; /* the same, of its second */
	/* By index of the command's options: NULL absent, "" given (flag). */
	const char *values[CLO_OPTIONS_MAX];
	/* All that the command's `list` was given, in this order. */
	const char *list[CLO_LIST_MAX];
	size_t n_list;
};

struct clo_command {
	const char *name;
	const char *operand; /* "DIR"; "[DIR]": may be left out; NULL: none */
	const char *second; /* after the operand; NULL: it takes none */
	const char *summary; /* one line */
	const char *details; /* for --help; ends in a newline */
	struct clo_option options[CLO_OPTIONS_MAX]; /* ends at name NULL */
	const char *list; /* the option that may be given again; NULL: none */
	int (*run)(const struct clo_cli *cli); /* enum clo_exit */
	/* A group, "log": its commands, "log verify", up to NULL; it runs none. */
	const struct clo_command *const *commands;
};

extern const struct clo_command clo_command_apply;
extern const struct clo_command clo_command_ask;
extern const struct clo_command clo_command_attest;
extern const struct clo_command clo_command_bundle;
extern const struct clo_command clo_command_define;
extern const struct clo_command clo_command_endpoints;
extern const struct clo_command clo_command_enrol;
extern const struct clo_command clo_command_flows;
extern const struct clo_command clo_command_harden;
extern const struct clo_command clo_command_import;
extern const struct clo_command clo_command_key;
extern const struct clo_command clo_command_log;
extern const struct clo_command clo_command_matrix;
extern const struct clo_command clo_command_monitor;
extern const struct clo_command clo_command_plan;
extern const struct clo_command clo_command_prove;
extern const struct clo_command clo_command_status;
extern const struct clo_command clo_command_trace;
extern const struct clo_command clo_command_verify;

/* All of main() but the state of the process. */
int clo_cli_main(int argc, char *argv[]);
