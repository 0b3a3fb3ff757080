/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * PCI devices of the host that a domain's XML gives to its guest. What a device
 * writes by DMA only its IOMMU keeps apart, and that keeps groups apart, not
 * devices: so a group is given whole. Beside what the domain has it may hold
 * what the kernel's vfio takes as nobody's: devices without a driver or with
 * pci-stub, bridges also with pcieport.
 *
 * Also found: a host whose IOMMU is off or whose groups and interrupts are not
 * what they seem, a physical function with virtual ones, and, of a domain that
 * is `running`, a device without a driver of vfio. iommu=pt is right: it is for
 * the host's own devices.
 *
 * `proc`, `sys`: directories like /proc and /sys. Nothing is looked at where
 * the profile admits no such device: then it is clo_xml_check()'s. 0 with
 * findings added, maybe none; -EINVAL: that is no domain; -ENOMEM.
 */
int clo_passthrough_check(int proc, int sys, const char *xml,
			  const struct clo_profile *profile, bool running,
			  struct clo_findings *findings);
