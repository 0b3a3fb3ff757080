/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

#include <linux/types.h>

/*
 * What user space and the BPF LSM programs (ebpf/prog/tags.bpf.c) share.
 *
 * A tag is the uid of a (tenant, environment). A task has the one of the cgroup
 * that it is in, root's tasks too; else that of its real uid, where that is
 * in the range of the policy. A file or a socket has the tag that is its owner.
 * 0: no tag, the host's own.
 */

struct clo_tag_range {
	__u32 first, count; /* uids; count 0: nothing is tagged */
	__u32 level; /* of the cgroups in the map, below the real root */
	__u32 canary; /* a process that is tagged CLO_TAG_CANARY; 0: none */
	__u32 pid_dev, pid_ino; /* namespace in which it is that process */
};

#define CLO_TAG_CANARY 0xfffffffeU /* nobody's uid */
#define CLO_TAG_SCOPES 4096 /* cgroups at most */
#define CLO_TAG_DEPTH_MAX 16 /* of the root that the agent sees */

/* By cgroup id. */
struct clo_tag_scope {
	__u32 tag;
	__u32 permits; /* of enum clo_tag_permit */
};

/* What of a guest's state may leave by a descriptor that the host hands over. */
enum clo_tag_permit {
	CLO_TAG_PERMIT_FILE = 1 << 0, /* to a file or pipe: save, dump */
	CLO_TAG_PERMIT_NETWORK = 1 << 1, /* by a socket: migration */
};

/* X(hook): the kernel's name of it; see include/linux/lsm_hook_defs.h there. */
#define CLO_TAG_HOOKS(X)                                                       \
	X(file_open)                                                           \
	X(file_receive)                                                        \
	X(path_chmod)                                                          \
	X(path_chown)                                                          \
	X(path_link)                                                           \
	X(path_mkdir)                                                          \
	X(path_mknod)                                                          \
	X(path_rename)                                                         \
	X(path_rmdir)                                                          \
	X(path_symlink)                                                        \
	X(path_truncate)                                                       \
	X(path_unlink)                                                         \
	X(bprm_check_security)                                                 \
	X(socket_create)                                                       \
	X(unix_stream_connect)                                                 \
	X(unix_may_send)                                                       \
	X(ptrace_access_check)                                                 \
	X(task_kill)                                                           \
	X(task_fix_setuid)                                                     \
	X(capable)                                                             \
	X(userns_create)                                                       \
	X(perf_event_open)                                                     \
	X(bpf)

enum clo_tag_hook {
#define X(hook) CLO_TAG_HOOK_##hook,
	CLO_TAG_HOOKS(X)
#undef X
	CLO_TAG_HOOK_COUNT,
};
