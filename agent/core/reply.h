/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/control.h"

/* Replies of the control protocol; NULL without memory. */
json_t *clo_reply_accept(json_t *result); /* takes result */
json_t *clo_reply_refuse(enum clo_exit code, const char *text);
json_t *clo_reply_because(enum clo_exit code, json_t *why); /* takes why */
/* "what: the error's words" */
json_t *clo_reply_failure(const char *what, int r);
