/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/gateway/gateway.h"

/* 0 to run, 1 done (--help, --version), -EINVAL after one line on stderr. */
int clo_gateway_options_parse(int argc, char **argv,
			      struct clo_gateway_options *ret_options);
/* ADDRESS:PORT, IPv6 in brackets; -EINVAL. */
int clo_gateway_listen(const char *text, int *ret_fd);
