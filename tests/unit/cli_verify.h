/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli_signed.h"

static inline void save_statement(const struct node *node, const char *control,
				  time_t age)
{
	CLO_AUTO_MEM char *envelope = signed_statement(node, control, age);

	write_file(node->envelope_path, envelope);
}

/* Unprivileged, without a daemon. */
static inline void verify(const struct node *node, const char *option,
			  const char *value)
{
	cli_run(node->cli, "verify", node->envelope_path, "--key",
		node->key_path, option, value, NULL);
}
