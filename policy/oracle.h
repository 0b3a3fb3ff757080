/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "policy/model.h"

/*
 * What the documents mean: the reference for all that is made of them. It walks
 * the rules for each packet, as plainly as it can, and shares nothing with the
 * compiler but the model. Slow by design.
 *
 * The language:
 * - What no rule allows is denied. Rules only add: their order changes no
 *   verdict. A flow counts for the first rule that allows it, by tenant,
 *   environment, then as written.
 * - A rule allows the packet that opens a flow if its `from` means the source,
 *   its `to` the destination, and its ports the service. At least one of the
 *   two ends is an endpoint: what runs between addresses outside is not the
 *   node's to allow.
 * - A rule that exceptions list sleeps while none of them is in force.
 * - A group or segment means the endpoints that are in it, by any of their
 *   addresses.
 * - A cidr, less its excepts, means the endpoints of the rule's own scope by
 *   the addresses that lie in it, never those of another scope; and addresses
 *   outside, but neither the node's own nor those of a service.
 * - An endpoint's link-local address, which no document writes, lies where the
 *   first of its IPv6 addresses lies, else the first of all.
 * - A service means its addresses outside. An address that is also the node's
 *   is meant only by services that are on the node.
 * - "any" is every protocol but those that carry other packets.
 */

/* One end of a packet. */
struct clo_party {
	const struct clo_workload_doc *workload; /* NULL: outside */
	const struct clo_interface_doc *interface; /* NULL: outside */
	struct clo_cidr addr; /* one address */
};

/*
 * Whose address this is in a space: an endpoint's, else outside. Where guests
 * ask for a server, it is the server's.
 */
struct clo_party clo_oracle_find(const struct clo_policy *policy,
				 uint32_t space, const struct clo_cidr *addr);
/* fe80::/64 with the MAC as a modified EUI-64. */
struct clo_cidr clo_oracle_link_local(const struct clo_interface_doc *doc);
/* Who answers a tenant's guests that ask for such a server; NULL: nobody. */
const struct clo_cidr *clo_oracle_server(const struct clo_tenant_doc *tenant,
					 const struct clo_server_kind *kind);

/* Whether prefixes that are declared national mean anything. */
bool clo_oracle_asks_national(const struct clo_policy *policy);
/* The kind of the party, and what CLO_IDENTITY_* flags it has. */
enum clo_identity_kind clo_oracle_kind(const struct clo_policy *policy,
				       const struct clo_party *party,
				       uint8_t *ret_flags);
bool clo_oracle_means(const struct clo_policy *policy,
		      const struct clo_peer *peer,
		      const struct clo_party *party);
/* number: the destination port or ICMP type; 0 for other protocols. */
bool clo_oracle_serves(const struct clo_rule_doc *rule, uint8_t proto,
		       uint16_t number);
bool clo_oracle_sleeps(const struct clo_policy *policy,
		       const struct clo_rule_doc *rule, time_t now);

/* The packet that opens a flow. */
struct clo_oracle_packet {
	struct clo_party src, dst;
	uint8_t proto;
	uint16_t number;
};

/*
 * How many rules allow it: 0 is a denial. The first `max` of them are stored,
 * in the order in which a flow counts for them.
 */
size_t clo_oracle_judge(const struct clo_policy *policy, time_t now,
			const struct clo_oracle_packet *packet,
			const struct clo_rule_doc **ret_rules, size_t max);
