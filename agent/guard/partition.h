/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLO_CGROUP_ROOT "/sys/fs/cgroup"

/*
 * A scope's part of the machine: the cgroups that libvirt's <partition> names.
 * With systemd libvirt has a slice made; without it somebody must make the
 * group in each hierarchy, as https://libvirt.org/cgroups.html says: every part
 * of the path but "machine" gets ".partition" at its end.
 *
 * 0 also where there is nothing to make; -errno.
 */
int clo_partition_make(const char *root, const char *partition);
/* Groups can have a weight among those that read and write disks. */
bool clo_partition_weighs(const char *root);
/*
 * Its group of cgroup version 2, under either name, and the one at the top of
 * that hierarchy, CLO_PARTITION_DEPTH above it: the kernel's numbers of them.
 * -ENOENT: not made yet, as with systemd before its first domain starts.
 */
#define CLO_PARTITION_DEPTH 2
int clo_partition_find(const char *root, const char *partition,
		       uint64_t *ret_id, uint64_t *ret_top);
