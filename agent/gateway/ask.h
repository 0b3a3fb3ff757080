/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/core/control.h"
#include "agent/gateway/connector.h"

/*
 * One request to cloisond. 0 and its result; -EREMOTE and why it refused; else
 * it could not be asked.
 */
int clo_ask(struct clo_connector *connector, const json_t *request,
	    json_t **ret_result, enum clo_exit *reterr_code);
