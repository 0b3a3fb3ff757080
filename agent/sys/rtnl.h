/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"

/* Links of this network namespace, by rtnetlink. Only rtnl*.c use libnl. */
struct clo_rtnl;

struct clo_link {
	uint32_t ifindex;
	uint32_t master; /* ifindex of its bridge; 0 = none */
	uint8_t mac[6];
	bool bridge;
	bool up;
	/* Of a bridge's port: what the bridge knows no port for goes there. */
	bool unicast_flood;
	bool group_flood; /* multicast and broadcast, both */
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

/*
 * A port of a bridge; -EOPNOTSUPP: it is none, -ENODEV: there is none. With
 * unicast off the bridge sends it only frames for MACs that it knows there.
 * Multicast and broadcast are on: the guards judge those.
 */
int clo_rtnl_flood_set(uint32_t ifindex, bool unicast);

/* A MAC fixed to its port: no frame from another port moves it. */
struct clo_fdb {
	uint32_t ifindex;
	uint8_t mac[6];
};

/* Adds, or fixes what was learnt, whatever port had it. */
int clo_rtnl_fdb_add(uint32_t ifindex, const uint8_t mac[6]);
int clo_rtnl_fdb_del(uint32_t ifindex, const uint8_t mac[6]); /* -ENOENT */
/* All fixed MACs, asked fresh, once for each VLAN; caller frees. */
int clo_rtnl_fdb_list(struct clo_fdb **ret_entries, size_t *ret_n);
