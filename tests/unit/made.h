/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/model.h"

/*
 * Models made by hand, for tests of what follows the parser. A tenant has all
 * three environments, each with segments "front" and "back" and the groups
 * "web", "db", "app" and "ops". Everything belongs to the struct made.
 */
struct made {
	struct clo_policy policy;
	void *kept[8192]; /* what made_free frees */
	size_t n_kept;
};

enum made_group {
	WEB = 1,
	DB = 2,
	APP = 4,
	OPS = 8,
};

struct made *made_new(void);
void made_free(struct made *made);

/* Tenants first: they move when one is added. */
void made_tenant(struct made *made, const char *name, uint32_t space);
struct clo_tenant_doc *made_get(struct made *made, const char *tenant);
/* Addresses: "10.0.0.5,fd00::5" or "". The name is tenant/env/w<n>/0. */
struct clo_interface_doc *made_endpoint(struct made *made, const char *tenant,
					enum clo_environment environment,
					size_t segment, unsigned int groups,
					const char *addresses);
void made_node(struct made *made, const char *addresses);
/* Services before the rules that name them. */
void made_service(struct made *made, const char *name, bool node,
		  const char *addresses, const char *ports);
/* The tenant lists the service; after all services were made. */
void made_use(struct made *made, const char *tenant, const char *service);
void made_forensics(struct made *made, const char *blocks);
void made_national(struct made *made, const char *blocks);
void made_multicast(struct made *made, const char *tenant,
		    enum clo_environment environment, size_t segment,
		    const char *groups);
/* A space of its own for one environment. */
void made_space(struct made *made, const char *tenant,
		enum clo_environment environment, uint32_t space);
/*
 * Peers: "web" a group, "front" a segment, "other/test/web" of another scope,
 * "10.0.0.0/8", "10.0.0.0/8-10.1.0.0/16-...", "@dns" a service. Ports:
 * "tcp/80,udp/5-9,icmp,icmp/8,gre,proto/9,any". The rule is named r<n>, from 1, by scope.
 */
struct clo_rule_doc *made_rule(struct made *made, const char *tenant,
			       enum clo_environment environment,
			       const char *from, const char *to,
			       const char *ports);
void made_exception(struct made *made, const char *control, const char *rule,
		    time_t not_before, time_t not_after);
