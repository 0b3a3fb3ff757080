/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"

/*
 * Whose the number of a scope is on this machine, in the files passwd and group
 * of the directory `etc`, as libvirt and a login find it there.
 *
 * Nobody else has it: another user with that uid or gid, another group with
 * that gid or a member of the scope's group shares the scope's files. A domain
 * of KVM needs its user (users.h) as well, and that in the group kvm where
 * /dev/kvm, `dev`'s file kvm, is that group's and not open to all; where `dev`
 * does not have it, it is taken for such a one: a service may be kept from it.
 *
 * 0 with what is wrong added to `findings`, maybe nothing; -ENOMEM.
 */
struct clo_accounts {
	int etc;
	int dev;
	bool kvm; /* the domain's type is kvm */
};

int clo_accounts_check(const struct clo_accounts *accounts,
		       const struct clo_profile *profile,
		       struct clo_findings *findings);
