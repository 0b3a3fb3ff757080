/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/node.h"

#define CLO_EMULATOR "/usr/libexec/cloison/cloison-qemu"

/* What the command line asks for. */
enum clo_action {
	CLO_ACTION_RUN,
	CLO_ACTION_INIT, /* make the state directory and the key, then exit */
	CLO_ACTION_REMOVE, /* take all guards out of the kernel, then exit */
	CLO_ACTION_REENROL, /* the TPM that is there is the node's, then exit */
	CLO_ACTION_FENCE, /* put up the fence of the saved policy, then exit */
	CLO_ACTION_DONE, /* --help, --version: printed, exit 0 */
};

/* 0, or -EINVAL after one line on stderr. */
int clo_options_parse(int argc, char **argv, struct clo_options *ret_options,
		      enum clo_action *ret_action);
