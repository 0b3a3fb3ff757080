/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "policy/model.h"

/*
 * The users of the scopes, as sysusers.d(5) has them. libvirt gives a QEMU the
 * groups of its user, and so /dev/kvm, only where the uid has a passwd entry.
 * The daemon only says which ones are wanted; systemd-sysusers makes them, in a
 * process of its own (cloison-users.service).
 */

#define CLO_USERS_DIR "/run/sysusers.d"
#define CLO_USERS_FILE "cloison.conf"
#define CLO_USERS_GROUP "kvm"
#define CLO_USERS_NAME_MAX 32

/* "cloison64001": by number, as a scope's name may be too long for a user's. */
void clo_users_name(uid_t uid, char ret_name[CLO_USERS_NAME_MAX]);
/* The same policy gives the same text; the caller frees. 0, or -ENOMEM. */
int clo_users_text(const struct clo_policy *policy, char **ret_text);
/*
 * CLO_USERS_FILE in dirfd, replaced at once, root's and 0644, and not touched
 * if it is so already. 0, or -errno.
 */
int clo_users_write(int dirfd, const char *text);
/*
 * The users of a policy into the directory `path`, made if it is missing. A
 * policy without users leaves no directory and no file where there was none.
 */
int clo_users_settle(const char *path, const struct clo_policy *policy);
