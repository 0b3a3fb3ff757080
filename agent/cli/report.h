/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * Parts of results that several commands print, for people. They accept
 * anything: what has not the shape of policy/explain.h is left out, or "-".
 */

/* "file:line: path: text" each, on stderr. */
void clo_report_flaws(const json_t *flaws);
/* "where: text" each, on stderr: what keeps a domain from its profile. */
void clo_report_findings(const json_t *findings);
void clo_report_breaches(FILE *out, const json_t *breaches);
/* True unless each breach is one that an exception admits. */
bool clo_report_breached(const json_t *breaches);
void clo_report_plan(const struct clo_cli *cli, const json_t *plan);
void clo_report_proof(json_t *proof);
/* Sets as policy/named_sets.h names them; short where they are of the scope. */
void clo_report_sets(const json_t *sets, const char *scope);
void clo_report_texts(const json_t *texts, const char *separator);

#define LABEL_WIDTH 14 /* columns */
/* "name" in a column of the width that all reports share. */
void clo_report_label(const char *name);
/* "label  value", value as text. */
void clo_report_line(const char *label, const char *value);

/* A table: cells of one column, widest cell plus two. */
#define CLO_COLUMNS_MAX 8
void clo_report_table(const struct clo_cli *cli, const json_t *rows,
		      const char *const *keys, const char *const *titles,
		      size_t n);
