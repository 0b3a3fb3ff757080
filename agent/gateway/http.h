/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/base/auto.h"
#include "agent/gateway/gateway.h"
#include "agent/gateway/tls.h"

/* HTTPS with libmicrohttpd: nothing else includes it. */
struct clo_http;

/*
 * Serve `listener` (taken) with this certificate and key (PEM texts) until it
 * is freed; `client_ca` is what clients are asked for.
 */
int clo_http_new(struct clo_gateway *gateway, const struct clo_tls *tls,
		 int listener, const char *certificate, const char *key,
		 const char *client_ca, struct clo_http **ret_http);
/* Returns when no thread is left. */
void clo_http_free(struct clo_http *http);
CLO_DEFINE_FREEP(clo_http)
