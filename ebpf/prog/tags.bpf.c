// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0

/*
 * BPF LSM programs: what a task of a tenant reaches, whatever its credentials
 * and whether or not the agent runs. lib/tag.h decides.
 */

#include <linux/bpf.h>
#include <linux/errno.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "ebpf/lib/tag.h"
#include "ebpf/prog/kernel.h"

#define FMODE_WRITE 2U
#define FAMILY_UNIX 1

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct clo_tag_range);
} clo_tag_range SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CLO_TAG_SCOPES);
	__type(key, __u64);
	__type(value, struct clo_tag_scope);
} clo_tag_scopes SEC(".maps");

/* How often each hook refused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLO_TAG_HOOK_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} clo_tag_refused SEC(".maps");

/* Who asks. */
struct who {
	struct clo_tag_range range;
	struct clo_tag_scope scope; /* tag 0: the host */
};

CLO_INLINE bool is_canary(const struct clo_tag_range *range)
{
	struct bpf_pidns_info info = {0};

	return bpf_get_ns_current_pid_tgid(range->pid_dev, range->pid_ino,
					   &info, sizeof(info)) == 0 &&
	       info.tgid == range->canary;
}

CLO_INLINE void find_scope(struct who *who)
{
	__u64 cgroup =
		bpf_get_current_ancestor_cgroup_id((int)who->range.level);
	const struct clo_tag_scope *scope =
		bpf_map_lookup_elem(&clo_tag_scopes, &cgroup);
	__u32 uid;

	if (scope) {
		who->scope = *scope;
		return;
	}
	uid = (__u32)bpf_get_current_uid_gid();
	if (clo_tag_owned(&who->range, uid))
		who->scope.tag = uid;
	else if (who->range.canary && is_canary(&who->range))
		who->scope.tag = CLO_TAG_CANARY;
}

CLO_INLINE struct who ask(void)
{
	struct who who = {0};
	__u32 zero = 0;
	const struct clo_tag_range *range =
		bpf_map_lookup_elem(&clo_tag_range, &zero);

	if (!range || range->count == 0)
		return who;
	who.range = *range;
	find_scope(&who);
	return who;
}

CLO_INLINE int refuse(__u32 hook)
{
	__u64 *count = bpf_map_lookup_elem(&clo_tag_refused, &hook);

	if (count)
		__sync_fetch_and_add(count, 1);
	return -EPERM;
}

/* The host may all that is not asked of it by name. */
CLO_INLINE int judge(const struct who *who, bool may, __u32 hook)
{
	return may || !who->scope.tag ? 0 : refuse(hook);
}

CLO_INLINE struct clo_tag_inode look(const struct inode *inode)
{
	struct clo_tag_inode seen = {
		.uid = inode->i_uid.val,
		.gid = inode->i_gid.val,
		.mode = inode->i_mode,
		.rdev = inode->i_rdev,
	};

	return seen;
}

/* Nothing may be there yet. */
CLO_INLINE bool may_change(const struct who *who, const struct dentry *dentry)
{
	const struct inode *inode = dentry->d_inode;
	struct clo_tag_inode seen;

	if (!inode)
		return true;
	seen = look(inode);
	return clo_tag_may_change(who->scope.tag, &seen);
}

CLO_INLINE bool may_make(const struct who *who, const struct path *directory)
{
	struct clo_tag_inode seen = look(directory->dentry->d_inode);

	return clo_tag_may_make(&who->range, who->scope.tag, &seen);
}

/* A program on the kernel's hook of that name; ARG(n) is its nth argument. */
#define HOOK(name)                                                             \
	SEC("lsm/" #name)                                                      \
	int tag_##name(__attribute__((unused)) const __u64 *ctx)
#define ARG(n, type) ((type)ctx[n])

HOOK(file_open)
{
	const struct file *file = ARG(0, const struct file *);
	struct clo_tag_inode seen = look(file->f_inode);
	struct who who = ask();

	return judge(&who,
		     clo_tag_may_open(&who.range, who.scope.tag, &seen,
				      file->f_mode & FMODE_WRITE),
		     CLO_TAG_HOOK_file_open);
}

CLO_INLINE bool leads_out(const struct file *file)
{
	const struct socket *socket = file->private_data;

	return BPF_CORE_READ(socket, sk, __sk_common.skc_family) != FAMILY_UNIX;
}

HOOK(file_receive)
{
	const struct file *file = ARG(0, const struct file *);
	struct clo_tag_inode seen = look(file->f_inode);
	struct who who = ask();

	return judge(
		&who,
		clo_tag_may_receive(&who.range, &who.scope, &seen,
				    file->f_mode & FMODE_WRITE,
				    S_ISSOCK(seen.mode) && leads_out(file)),
		CLO_TAG_HOOK_file_receive);
}

/* Programs that ask whether this file may be changed. */
#define CHANGE(name, n_dentry)                                                 \
	HOOK(name)                                                             \
	{                                                                      \
		struct who who = ask();                                        \
                                                                               \
		return judge(&who,                                             \
			     may_change(&who,                                  \
					ARG(n_dentry, const struct dentry *)), \
			     CLO_TAG_HOOK_##name);                             \
	}

CHANGE(path_rmdir, 1)
CHANGE(path_unlink, 1)

#define CHANGE_AT(name)                                                        \
	HOOK(name)                                                             \
	{                                                                      \
		const struct path *path = ARG(0, const struct path *);         \
		struct who who = ask();                                        \
                                                                               \
		return judge(&who, may_change(&who, path->dentry),             \
			     CLO_TAG_HOOK_##name);                             \
	}

CHANGE_AT(path_chmod)
CHANGE_AT(path_truncate)

/* Programs that ask whether something may be made in this directory. */
#define MAKE(name)                                                             \
	HOOK(name)                                                             \
	{                                                                      \
		struct who who = ask();                                        \
                                                                               \
		return judge(&who,                                             \
			     may_make(&who, ARG(0, const struct path *)),      \
			     CLO_TAG_HOOK_##name);                             \
	}

MAKE(path_mkdir)
MAKE(path_mknod)
MAKE(path_symlink)

HOOK(path_link)
{
	struct who who = ask();

	return judge(&who,
		     may_change(&who, ARG(0, const struct dentry *)) &&
			     may_make(&who, ARG(1, const struct path *)),
		     CLO_TAG_HOOK_path_link);
}

HOOK(path_rename)
{
	struct who who = ask();

	return judge(&who,
		     may_change(&who, ARG(1, const struct dentry *)) &&
			     may_change(&who, ARG(3, const struct dentry *)) &&
			     may_make(&who, ARG(2, const struct path *)),
		     CLO_TAG_HOOK_path_rename);
}

HOOK(path_chown)
{
	const struct path *path = ARG(0, const struct path *);
	struct clo_tag_inode seen = look(path->dentry->d_inode);
	struct who who = ask();

	return clo_tag_may_give(&who.range, who.scope.tag, &seen, ARG(1, __u32))
		       ? 0
		       : refuse(CLO_TAG_HOOK_path_chown);
}

HOOK(bprm_check_security)
{
	const struct linux_binprm *bprm = ARG(0, const struct linux_binprm *);
	struct clo_tag_inode seen = look(bprm->file->f_inode);
	struct who who = ask();

	return judge(&who, clo_tag_may_execute(&who.range, &seen),
		     CLO_TAG_HOOK_bprm_check_security);
}

HOOK(socket_create)
{
	struct who who = ask();

	return judge(&who, ARG(0, int) == FAMILY_UNIX || ARG(3, int),
		     CLO_TAG_HOOK_socket_create);
}

HOOK(unix_stream_connect)
{
	const struct sock *other = ARG(1, const struct sock *);
	struct who who = ask();

	return judge(&who, clo_tag_may_reach(who.scope.tag, other->sk_uid.val),
		     CLO_TAG_HOOK_unix_stream_connect);
}

HOOK(unix_may_send)
{
	const struct socket *other = ARG(1, const struct socket *);
	struct who who = ask();

	return judge(&who,
		     clo_tag_may_reach(who.scope.tag, other->sk->sk_uid.val),
		     CLO_TAG_HOOK_unix_may_send);
}

#define REACH(name)                                                            \
	HOOK(name)                                                             \
	{                                                                      \
		const struct task_struct *task =                               \
			ARG(0, const struct task_struct *);                    \
		struct who who = ask();                                        \
                                                                               \
		return judge(&who,                                             \
			     clo_tag_may_reach(who.scope.tag,                  \
					       task->real_cred->uid.val),      \
			     CLO_TAG_HOOK_##name);                             \
	}

REACH(ptrace_access_check)
REACH(task_kill)

HOOK(task_fix_setuid)
{
	const struct cred *cred = ARG(0, const struct cred *);
	struct who who = ask();
	__u32 tag = who.scope.tag;

	return judge(
		&who,
		clo_tag_may_become(&who.range, tag, cred->uid.val) &&
			clo_tag_may_become(&who.range, tag, cred->euid.val) &&
			clo_tag_may_become(&who.range, tag, cred->fsuid.val),
		CLO_TAG_HOOK_task_fix_setuid);
}

HOOK(capable)
{
	struct who who = ask();

	return judge(&who, clo_tag_may_use(ARG(2, int)), CLO_TAG_HOOK_capable);
}

/*
 * Called, not hooked: how far below the real root the caller's ancestor of this
 * id lies; -1: it has none. A cgroup namespace does not tell its own depth.
 */
SEC("raw_tp/sys_enter")

int clo_tag_depth(const __u64 *ctx)
{
	for (int level = 0; level < CLO_TAG_DEPTH_MAX; level++)
		if (bpf_get_current_ancestor_cgroup_id(level) == ctx[0])
			return level;
	return -1;
}

/* What no guest has a use for. */
#define NEVER(name)                                                            \
	HOOK(name)                                                             \
	{                                                                      \
		struct who who = ask();                                        \
                                                                               \
		return judge(&who, false, CLO_TAG_HOOK_##name);                \
	}

NEVER(bpf)
NEVER(perf_event_open)
NEVER(userns_create)
