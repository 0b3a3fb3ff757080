/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/model.h"

/* Text <-> struct clo_service_spec: "tcp/443", "udp/5000-5100", "icmp/8". */

#define CLO_SERVICE_SPEC_TEXT 24 /* longest text with its 0 */

/* 0, or -EINVAL and reterr_text is what is wrong (a constant). */
int clo_service_spec_parse(const char *text, struct clo_service_spec *ret_spec,
			   const char **reterr_text);
void clo_service_spec_format(const struct clo_service_spec *spec,
			     char ret_text[CLO_SERVICE_SPEC_TEXT]);
