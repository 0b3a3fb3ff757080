/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What of the state directory the gateway may read: the log, for which there
 * is a group. It may walk through the directory, list nothing in it and open
 * nothing else. 0 also where there is no such group.
 */
int clo_share_log(const char *state_dir, const char *log);
