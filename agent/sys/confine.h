/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Give up what the running daemon does not need. For good: neither a
 * capability nor a system call comes back. Only confine.c uses libcap-ng and
 * libseccomp.
 *
 * Kept: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, and CAP_SYS_ADMIN, which the
 * kernel wants for opening BPF objects by id. Refused: programs to run, other
 * processes to trace or read, mounts, modules, keys, io_uring, and sockets of
 * any family but AF_UNIX and AF_NETLINK.
 */
int clo_confine(void);
