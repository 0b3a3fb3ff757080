/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * Does a domain's XML keep to its profile? By an allow-list of elements: what
 * is not in it is a finding, and so is what the profile wants and is not there.
 * Holds for what an operator writes and for what libvirt says of a domain that
 * starts or runs. Paths are compared as text: what is at them is another
 * check's. https://libvirt.org/formatdomain.html
 *
 * 0 with what is wrong added to `findings`, maybe nothing; -EINVAL: that is no
 * domain; -ENOMEM.
 */
int clo_xml_check(const char *xml, const struct clo_profile *profile,
		  struct clo_findings *findings);
/* It is a domain of QEMU's own emulation (TCG): it needs no /dev/kvm. */
bool clo_xml_is_emulated(const char *xml);
