/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/* Answers for people, as policy/question.h has them; whatever their shape. */
void clo_ask_print_reach(const struct clo_cli *cli, const json_t *answer);
void clo_ask_print_isolated(const struct clo_cli *cli, const json_t *answer);
void clo_ask_print_rules(const struct clo_cli *cli, const json_t *answer);
