/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * Does the kernel refuse a tagged task what it must? A child of this process
 * tries, first untagged, where all of it must succeed (else the trial would
 * prove nothing), then tagged: a file of the scope `uid`, a file of the host to
 * write to, a socket, a signal to this process; and what it must still be able
 * to do.
 *
 * `tag` tags a process and, with 0, none; 0 or -errno.
 * 0; -EPERM: something went other than it must, *ret_what says which;
 * or what hindered the trial.
 */
int clo_canary_run(uid_t uid, int (*tag)(pid_t pid, void *userdata),
		   void *userdata, const char **ret_what);
