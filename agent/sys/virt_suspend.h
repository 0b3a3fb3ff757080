/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "agent/base/auto.h"

/*
 * Suspends running domains, each over a connection of its own that may write
 * and ends with it: without a domain to suspend there is none. It happens on a
 * thread of its own, which a QEMU that does not answer its monitor, or a hung
 * libvirtd, may keep for itself: it holds up neither the caller nor others.
 * What became of it is logged, after about ten seconds also that nothing did.
 */
struct clo_virt_suspender;

int clo_virt_suspender_new(sd_event *event, const char *uri,
			   struct clo_virt_suspender **ret_suspender);
/* Does not wait: a thread that still runs cleans up behind itself. */
void clo_virt_suspender_free(struct clo_virt_suspender *suspender);
CLO_DEFINE_FREEP(clo_virt_suspender)

/*
 * That run of the domain, by libvirt's id, unless it does not run any more, is
 * suspended, or that is under way. 0, or -errno: it was not begun.
 */
int clo_virt_suspender_ask(struct clo_virt_suspender *suspender,
			   const char *uuid, int id);
