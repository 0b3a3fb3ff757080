/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/base/auto.h"

/*
 * A child process that can do one thing: connect to one unix socket and hand
 * the connection over. So the process that meets strangers needs, and has, no
 * socket() and no connect() at all.
 */
struct clo_connector;

/*
 * Before there are threads. `confine` is called in the child, which has
 * nothing to do if it fails.
 */
int clo_connector_new(const char *path, int (*confine)(void),
		      struct clo_connector **ret_connector);
void clo_connector_free(struct clo_connector *connector);
CLO_DEFINE_FREEP(clo_connector)

/* A new connection; -EPIPE: the child is gone. For any thread. */
int clo_connector_get(struct clo_connector *connector, int *ret_fd);
