/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * What the user sees. Text from the daemon or a file never reaches a terminal
 * raw: control characters, also those of Unicode that reorder a line, are
 * written as \xNN. With --json stdout carries exactly one document.
 */

void clo_text_print(FILE *out, const char *text);
/* Several lines: newlines are kept. */
void clo_text_lines(FILE *out, const char *text);
/* clo_text_print and spaces up to `width` characters. */
void clo_text_pad(FILE *out, const char *text, int width);
/* Columns that clo_text_print would take. */
int clo_text_width(const char *text);

enum clo_color {
	CLO_COLOR_NONE,
	CLO_COLOR_GOOD,
	CLO_COLOR_BAD,
	CLO_COLOR_WARN,
	CLO_COLOR_DIM,
	CLO_COLOR_BOLD,
};

/* On stdout; nothing unless cli->color. NONE ends a colour. */
void clo_color_set(const struct clo_cli *cli, enum clo_color color);
void clo_color_print(const struct clo_cli *cli, enum clo_color color,
		     const char *text);
/* Of "PASSED", "PASS", "allow", ... */
enum clo_color clo_color_of(const char *verdict);

/* stdout: `json`, indented. Returns CLO_EXIT_OK. */
int clo_json_print(const json_t *json);

/*
 * One line on stderr, with --json {"error": line} on stdout. Returns `code`,
 * so callers can `return` it.
 */
__attribute__((format(printf, 3, 4))) int
clo_fail(const struct clo_cli *cli, enum clo_exit code, const char *fmt, ...);
/* A failure with its reasons: "flaws" and "breaches", either may be NULL. */
int clo_refuse(const struct clo_cli *cli, enum clo_exit code, const char *error,
	       const json_t *flaws, const json_t *breaches);
/* The daemon said something that the protocol does not know. */
int clo_fail_reply(const struct clo_cli *cli);

/* Members of an object from outside: "-" or 0 if missing or not that type. */
const char *clo_member_text(const json_t *object, const char *key);
json_int_t clo_member_int(const json_t *object, const char *key);
