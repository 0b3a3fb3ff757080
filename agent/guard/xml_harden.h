/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/profile.h"

/*
 * A domain's XML brought to its profile: what must be there is set or added,
 * what must not be is removed; all else stays as it is, byte for byte. A text
 * that needs nothing comes back as it was, and so does one that was hardened.
 *
 * What clo_xml_check() still says of the result is for the operator to decide,
 * because data, or what the guest needs to boot, would be lost: disks that are
 * elsewhere, shared, of another format or on another bus, kernels and firmware
 * elsewhere, passed-through devices and shared directories, TPMs with another
 * backend, memory devices and launchSecurity, another machine than q35, another
 * model of SCSI controller, another name or UUID, a second element where one is
 * right; NICs, where the node has not exactly one governed bridge.
 *
 * Limits that are missing get these, which an operator may change: */
#define CLO_XML_SHARES "1024" /* cputune */
#define CLO_XML_WEIGHT "500" /* blkiotune */
#define CLO_XML_IOPS "5000" /* iotune, per disk */
#define CLO_XML_BYTES                                                          \
	"500000000" /* iotune, where it counts bytes; per second */
/* memtune: the guest's memory, a quarter of it, and this for QEMU, in KiB. */
#define CLO_XML_OVERHEAD (1024ULL * 1024)

/* 0; -EINVAL: that is no domain; -ENOMEM. The caller frees. */
int clo_xml_harden(const char *xml, const struct clo_profile *profile,
		   char **ret_xml);
