/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the rtnl*.c files share. Nobody else includes this. */

#include <netlink/netlink.h>

/* For CLO_AUTO(socket). */
static inline void socket_freep(struct nl_sock **socket)
{
	nl_socket_free(*socket);
}

/* rtnl.c: libnl folds kernel errors into its own; as -errno again. */
int clo_rtnl_error(int r);
