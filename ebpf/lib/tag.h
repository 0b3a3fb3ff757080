/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * What a tagged task may do. It is assumed to be hostile and may be root. The
 * host's own tasks may do all, but for one thing: give one scope's file to
 * another.
 */

#include <linux/capability.h>
#include <linux/stat.h>
#include <stdbool.h>

#include "cloison/tag.h"
#include "ebpf/lib/base.h"

/* A file, directory or device as its inode says. */
struct clo_tag_inode {
	__u32 uid, gid;
	__u32 mode; /* type and permissions */
	__u32 rdev; /* as the kernel has it: major << 20 | minor */
};

#define CLO_TAG_DEVICE(major, minor) ((__u32)(major) << 20 | (__u32)(minor))

CLO_INLINE bool clo_tag_owned(const struct clo_tag_range *range, __u32 uid)
{
	return uid - range->first < range->count;
}

/* Devices that are no tenant's and tell no tenant of another. */
CLO_INLINE bool clo_tag_common(__u32 rdev)
{
	switch (rdev) {
	case CLO_TAG_DEVICE(1, 3): /* null */
	case CLO_TAG_DEVICE(1, 5): /* zero */
	case CLO_TAG_DEVICE(1, 7): /* full */
	case CLO_TAG_DEVICE(1, 8): /* random */
	case CLO_TAG_DEVICE(1, 9): /* urandom */
	case CLO_TAG_DEVICE(5, 0): /* tty: its own */
	case CLO_TAG_DEVICE(5, 2): /* ptmx: makes a new one */
	case CLO_TAG_DEVICE(10, 196): /* vfio: groups have files of their own */
	case CLO_TAG_DEVICE(10, 200): /* tun: an interface needs a capability */
	case CLO_TAG_DEVICE(10, 232): /* kvm */
	case CLO_TAG_DEVICE(10, 238): /* vhost-net */
		return true;
	default:
		return false;
	}
}

/* A file of the host's that is meant for this tenant, or for everybody. */
CLO_INLINE bool clo_tag_may_read(__u32 tag, const struct clo_tag_inode *inode)
{
	return inode->mode & S_IROTH ||
	       (inode->gid == tag && inode->mode & S_IRGRP);
}

/*
 * Its own files. Of the host's: to read what is meant for it, and the common
 * devices. Pipes and sockets have no data of their own.
 */
CLO_INLINE bool clo_tag_may_open(const struct clo_tag_range *range, __u32 tag,
				 const struct clo_tag_inode *inode, bool writes)
{
	if (inode->uid == tag)
		return true;
	if (clo_tag_owned(range, inode->uid))
		return false;

	switch (inode->mode & S_IFMT) {
	case S_IFCHR:
		return clo_tag_common(inode->rdev);
	case S_IFBLK:
		return false;
	case S_IFREG:
		return !writes && clo_tag_may_read(tag, inode);
	default:
		return true;
	}
}

/*
 * A descriptor that another task hands over. What a QEMU is told to send its
 * guest's memory to comes this way; a running one needs no other file of the
 * host's to write to, and no socket into a network.
 */
CLO_INLINE bool clo_tag_may_receive(const struct clo_tag_range *range,
				    const struct clo_tag_scope *scope,
				    const struct clo_tag_inode *inode,
				    bool writes, bool network)
{
	__u32 type = inode->mode & S_IFMT;

	if (type == S_IFSOCK)
		return !network || scope->permits & CLO_TAG_PERMIT_NETWORK;
	if (inode->uid != scope->tag && writes &&
	    (type == S_IFREG || type == S_IFIFO) &&
	    !clo_tag_owned(range, inode->uid))
		return scope->permits & CLO_TAG_PERMIT_FILE;
	return clo_tag_may_open(range, scope->tag, inode, writes);
}

/* Remove, rename, link, truncate, or change the mode of. */
CLO_INLINE bool clo_tag_may_change(__u32 tag, const struct clo_tag_inode *inode)
{
	return inode->uid == tag;
}

/* Make a name in; a directory that all may write in is nobody's. */
CLO_INLINE bool clo_tag_may_make(const struct clo_tag_range *range, __u32 tag,
				 const struct clo_tag_inode *directory)
{
	return directory->uid == tag || (directory->mode & S_IWOTH &&
					 !clo_tag_owned(range, directory->uid));
}

/* `to` (~0: no change) is asked also of the host's own tasks, `tag` 0. */
CLO_INLINE bool clo_tag_may_give(const struct clo_tag_range *range, __u32 tag,
				 const struct clo_tag_inode *inode, __u32 to)
{
	if (tag && inode->uid != tag)
		return false;
	if (to == ~0U || to == inode->uid)
		return true;
	return !tag &&
	       !(clo_tag_owned(range, inode->uid) && clo_tag_owned(range, to));
}

/* What the tenant could have written is data. */
CLO_INLINE bool clo_tag_may_execute(const struct clo_tag_range *range,
				    const struct clo_tag_inode *inode)
{
	return !clo_tag_owned(range, inode->uid);
}

/* Another process, or who listens at a unix socket, by its uid. */
CLO_INLINE bool clo_tag_may_reach(__u32 tag, __u32 uid)
{
	return uid == tag;
}

/* Of root in a tenant's cgroup: between libvirt's fork and the wrapper. */
CLO_INLINE bool clo_tag_may_use(int capability)
{
	return capability == CAP_SETUID || capability == CAP_SETGID ||
	       capability == CAP_SETPCAP;
}

CLO_INLINE bool clo_tag_may_become(const struct clo_tag_range *range, __u32 tag,
				   __u32 uid)
{
	return uid == tag || !clo_tag_owned(range, uid);
}
