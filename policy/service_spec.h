/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/model.h"

/*
 * Text <-> struct clo_service_spec: "tcp/443", "udp/5000-5100", "icmp/8",
 * "gre", "proto/89".
 */

#define CLO_SERVICE_SPEC_TEXT 24 /* longest text with its 0 */

/* 0, or -EINVAL and reterr_text is what is wrong (a constant). */
int clo_service_spec_parse(const char *text, struct clo_service_spec *ret_spec,
			   const char **reterr_text);
void clo_service_spec_format(const struct clo_service_spec *spec,
			     char ret_text[CLO_SERVICE_SPEC_TEXT]);

/* "tcp", "icmpv6", "gre"; NULL: it goes by its number. */
const char *clo_proto_name(uint8_t number);
bool clo_proto_find(const char *name, uint8_t *ret_number);

/* Protocols that carry other packets, ascending: "any" does not cover them. */
#define CLO_ENCAPSULATIONS 13
extern const uint8_t clo_encapsulations[CLO_ENCAPSULATIONS];
bool clo_proto_is_encapsulation(uint8_t number);
