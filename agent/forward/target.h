/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where events go: "tls://HOST[:PORT]", an IPv6 address in brackets. */
struct clo_target {
	char host[256];
	char port[6]; /* 6514 if it names none */
};

/* -EINVAL: it is not that. */
int clo_target_parse(const char *text, struct clo_target *ret_target);
