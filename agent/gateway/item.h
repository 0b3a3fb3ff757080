/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/attest/store_reader.h"
#include "agent/gateway/filter.h"

/* A record of the log as lists and streams tell it; NULL without memory. */
json_t *clo_item(const struct clo_row *row);
/* The predicate of a record, unverified (clo_dsse_peek). */
int clo_item_predicate(struct clo_reader *reader, int64_t id,
		       json_t **ret_predicate);
