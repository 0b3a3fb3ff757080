/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sd_notify(3) by a socket that is connected ahead: the confined process can
 * make none. -1: nobody listens.
 */
int clo_notify_open(void);
void clo_notify(int fd, const char *text);
