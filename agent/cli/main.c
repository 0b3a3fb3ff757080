/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>

#include "agent/cli/cli.h"

/*
 * A closed standard stream must not become the socket: fill it with what
 * cannot be written, so that lost output is still noticed.
 */
static int fill_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= 2);

	return fd;
}

int main(int argc, char *argv[])
{
	if (fill_streams() < 0)
		return CLO_EXIT_FAILED;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return CLO_EXIT_FAILED;

	return clo_cli_main(argc, argv);
}
