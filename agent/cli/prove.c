/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/prove_fleet.h"
enum { OPT_FLEET, OPT_TRUST };
static int run(const struct clo_cli *cli)
{
	return clo_prove_fleet(cli, cli->operand, cli->values[OPT_TRUST]);
}
const struct clo_command clo_command_prove = {
	.name = "prove", .operand = "DIR", .summary = "x", .details = "y\n",
	.options = { [OPT_FLEET] = {"fleet", NULL, "of many nodes"}, [OPT_TRUST] = {"trust", "FILE", "t"} },
	.run = run,
};
