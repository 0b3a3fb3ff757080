/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include <jansson.h>

#include "agent/base/auto.h"

/*
 * Runs the built `cloison` (CLO_CLI) in a directory of its own, against a
 * daemon that gives canned replies, one connection each.
 */

#define CLI_OK(result) "{\"ok\":true,\"result\":" result "}"
#define CLI_OUTPUT_MAX 65536
#define CLI_REPLIES_MAX 4

struct cli {
	char dir[64];
	char socket[80];
	/* For the runs that follow. */
	bool terminal; /* stdout is a pseudo-terminal */
	const char *out_path; /* stdout is this file, "": closed */
	bool nobody; /* as user nobody, if this is root */
	/* What the last run left. */
	int exit;
	char out[CLI_OUTPUT_MAX], err[CLI_OUTPUT_MAX];
	json_t *request; /* the last that the daemon got */
	/* The daemon. */
	bool serving;
	pthread_t thread;
	int listener;
	size_t n_replies;

	struct {
		char *bytes;
		size_t len;
	} replies[CLI_REPLIES_MAX];
};

int cli_setup(void **state);
int cli_teardown(void **state);

/* dir/name; caller frees. */
char *cli_path(const struct cli *cli, const char *name);

/* dir/name with this text. */
void cli_write(const struct cli *cli, const char *name, const char *text);

/* The daemon of the next run: JSON texts up to NULL, or bytes as they are. */
void cli_serve(struct cli *cli, ...);
void cli_serve_raw(struct cli *cli, const char *bytes, size_t len);

/* `cloison --socket ... ARGUMENT...` up to NULL. */
void cli_run(struct cli *cli, ...);
