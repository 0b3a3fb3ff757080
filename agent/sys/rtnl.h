/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"

/* Links of this network namespace, by rtnetlink. Only rtnl.c uses libnl. */
struct clo_rtnl;

struct clo_link {
	uint32_t ifindex;
	uint32_t master; /* ifindex of its bridge; 0 = none */
	uint8_t mac[6];
	bool bridge;
	bool up;
	char name[16];
	char kind[16]; /* "tun", "veth", "bridge", ...; "" if none */
};

/*
 * Connect and subscribe. on_change runs from clo_rtnl_dispatch(), once for
 * each link that came, went or changed.
 */
int clo_rtnl_new(void (*on_change)(const struct clo_link *link, bool gone,
				   void *userdata),
		 void *userdata, struct clo_rtnl **ret_rtnl);
void clo_rtnl_free(struct clo_rtnl *rtnl);
CLO_DEFINE_FREEP(clo_rtnl)

int clo_rtnl_fd(const struct clo_rtnl *rtnl); /* poll for reading */
/* Handle what is queued. -ENOBUFS: events were lost, list anew. */
int clo_rtnl_dispatch(struct clo_rtnl *rtnl);
/* All links, asked fresh from the kernel; caller frees *ret_links. */
int clo_rtnl_list(struct clo_rtnl *rtnl, struct clo_link **ret_links,
		  size_t *ret_n);

/* One classifier on a clsact hook; prog_id is 0 if it is not a BPF one. */
struct clo_filter {
	uint32_t priority;
	uint32_t handle;
	uint32_t prog_id;
};

/*
 * The classifiers of one hook in the order in which they run, asked fresh on a
 * socket of its own. -E2BIG: more than max. No qdisc, no interface: none.
 */
int clo_rtnl_filters(uint32_t ifindex, bool egress,
		     struct clo_filter *ret_filters, size_t max, size_t *ret_n);
