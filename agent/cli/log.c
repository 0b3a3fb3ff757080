/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "agent/cli/log_open.h"

static const struct clo_command *const commands[] = {
	&clo_command_log_verify,
	&clo_command_log_proof,
	&clo_command_log_consistency,
	&clo_command_log_export,
	NULL,
};

const struct clo_command clo_command_log = {
	.name = "log",
	.operand = "COMMAND [ARGUMENT]",
	.summary = "check the node's log and prove what is in it: offline",
	.details = "Reads the file alone; needs no daemon and no privilege but "
		   "to read it.\n\nCommands:\n",
	.commands = commands,
};
