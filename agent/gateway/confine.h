/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the gateway gives up once it has its files, its listening socket and
 * its connector; whoever takes it over has no more than this. For the whole
 * process and every thread to come; -errno: it must not go on.
 *
 * No capability, no new privileges, no core. Landlock: the log's three files
 * can be read, no other file; no TCP port bound or connected, no signal and no
 * abstract socket outside, where the kernel knows these. seccomp: an
 * allow-list without any program, process, socket, connect, writable file,
 * executable memory.
 */
int clo_gateway_confine(const char *log);
/* The connector: a unix socket and connect, no file. */
int clo_gateway_confine_connector(void);
