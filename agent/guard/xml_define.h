/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * A new domain that keeps to its profile. The shape is what the profile does
 * not say; all strings are borrowed. NICs, labels, limits and the emulator are
 * the profile's and harden's (see there for the values).
 */

#define CLO_XML_DISKS_MAX 26

struct clo_xml_image {
	const char *path; /* absolute */
	const char *format; /* "raw" or "qcow2" */
	bool block; /* a block device, not a file */
	bool read_only;
};

struct clo_xml_shape {
	const char *name; /* NULL: the profile's */
	/* Its <cloison:workload> in the metadata, by which the policy knows a
	 * domain whose name and UUID it does not say; NULL: none. */
	const char *label;
	unsigned long long memory; /* MiB, at least 1 */
	const struct clo_xml_image *disks; /* vda, vdb, ... */
	size_t n_disks;
	const char *bridge; /* for all NICs; NULL: the only governed one */
	/* NULL: none. Firmware: both of loader and nvram. */
	const char *kernel, *initrd, *cmdline;
	const char *loader, *nvram, *nvram_template;
	const char *tpm; /* socket of the workload's own swtpm */
	/* Of the serial port: a file, else a socket that listens, else a pty,
	 * which no QEMU makes in its sandbox. */
	const char *console, *socket;
	unsigned int vcpus; /* at least 1 */
	bool emulated; /* TCG; else KVM */
};

/*
 * 0; -EINVAL: the shape cannot keep to the profile, with what is wrong added
 * to `findings`, or has no name, memory, CPU, format or path; -E2BIG: too many
 * disks; -ENOMEM. The caller frees the XML.
 */
int clo_xml_define(const struct clo_profile *profile,
		   const struct clo_xml_shape *shape,
		   struct clo_findings *findings, char **ret_xml);
