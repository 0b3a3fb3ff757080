/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

enum clo_mode {
	CLO_MODE_RUN,
	CLO_MODE_INIT, /* make the state directory and the key, then exit */
	CLO_MODE_REMOVE, /* take all guards out of the kernel, then exit */
	CLO_MODE_DONE, /* --help, --version: printed, exit 0 */
};

/* 0, or -EINVAL after one line on stderr. */
int clo_options_parse(int argc, char **argv, struct clo_options *ret_options,
		      enum clo_mode *ret_mode);
