/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/base/auto.h"

/*
 * Running domains, by libvirt, read-only. Only virt.c uses libvirt; its event
 * loop is bridged to sd-event. A lost connection is retried with back-off; the
 * state is then "unknown", never "no domains".
 *
 * No hung libvirtd holds the caller: connecting and listing happen on threads
 * of their own, which inherit what the caller may do at that moment; a list
 * that takes longer than about ten seconds counts as a lost connection. One
 * sd_event per process, on one thread.
 */
struct clo_virt;

struct clo_virt_nic {
	uint8_t mac[6];
	char device[16]; /* host tap from the live XML; "" if not (yet) known */
	char type[16]; /* interface type: "bridge", "network", "ethernet" */
	char source[32]; /* bridge name; "" if none */
};

struct clo_virt_domain {
	char *name;
	char uuid[37];
	int id; /* libvirt's id of this run */
	char *workload; /* name from <cloison:workload name="...">, or NULL */
	struct clo_virt_nic *nics;
	size_t n_nics;
	char *xml; /* live; NULL from clo_virt_parse() */
	uint8_t xml_digest[32]; /* SHA-256 of it */
};

/*
 * on_change runs from the event loop when there is a new list: after a domain
 * started, stopped, got or lost a device, and when it was asked for; also when
 * the connection is lost.
 */
int clo_virt_new(sd_event *event, const char *uri,
		 void (*on_change)(void *userdata), void *userdata,
		 struct clo_virt **ret_virt);
/* Not from within on_change. */
void clo_virt_free(struct clo_virt *virt);
CLO_DEFINE_FREEP(clo_virt)

/* Ask for a new list. */
void clo_virt_refresh(struct clo_virt *virt);
/* Who runs is known. */
bool clo_virt_known(const struct clo_virt *virt);
/*
 * The newest list, once: all running domains, sorted by UUID. -EAGAIN: it was
 * taken before. -ENOTCONN: unknown. Free with clo_virt_domains_free.
 */
int clo_virt_take(struct clo_virt *virt, struct clo_virt_domain **ret_domains,
		  size_t *ret_n);
/* Lists are numbered as they are begun: the last one begun, the last taken. */
uint64_t clo_virt_begun(const struct clo_virt *virt);
uint64_t clo_virt_taken(const struct clo_virt *virt);
void clo_virt_domain_done(struct clo_virt_domain *domain);
void clo_virt_domains_free(struct clo_virt_domain *domains, size_t n);
/* One domain's XML text -> value: pure, for tests and fuzzing. */
int clo_virt_parse(const char *xml, struct clo_virt_domain *ret_domain);
