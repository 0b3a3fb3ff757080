/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The members of the kernel's own structures that the LSM programs read. Where
 * they lie in the kernel that runs is known when the programs are loaded.
 */

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)),           \
			     apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	__u32 i_rdev;
};

struct dentry {
	struct inode *d_inode;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	unsigned int f_mode;
	void *private_data;
};

struct linux_binprm {
	struct file *file;
};

struct cred {
	kuid_t uid, euid, suid, fsuid;
};

struct task_struct {
	const struct cred *real_cred;
};

struct sock_common {
	unsigned short skc_family;
};

struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop
