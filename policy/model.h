/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cloison/abi.h"

/*
 * The documents of one policy as values: checked whole, references resolved,
 * read-only from then on. Every array is sorted by name (rules keep the order
 * of their document), so that the same documents in any order give the same
 * model. All strings and arrays belong to the struct clo_policy.
 */

/* An address block; addr is masked to bits. v4 in addr[0..3]. */
struct clo_cidr {
	uint8_t family; /* 4 or 6 */
	uint8_t bits; /* 0 to 32 or 128 */
	uint8_t addr[16];
};

/*
 * One `ports` entry. TCP, UDP, SCTP: a destination port range. ICMP, ICMPv6:
 * a type range, 0 to 255 for plain "icmp". Other protocols: 0 to 0. "any":
 * every protocol that is no encapsulation.
 */
struct clo_service_spec {
	bool any;
	uint8_t proto; /* IPPROTO_* */
	uint16_t first, last;
};

/* Per second; 0: no limit. */
struct clo_rate {
	uint64_t bytes; /* of frames */
	uint64_t packets;
};

/* What one interface may use. All but `connections` are per second. */
struct clo_limits {
	uint32_t connections; /* tracked at one time; at least 1 */
	uint32_t new_flows; /* 0: no limit */
	struct clo_rate from, to; /* the guest */
	uint32_t multicast; /* multicast and broadcast from the guest */
	uint32_t events; /* of the flow log */
};

#define CLO_CONNECTIONS_MIN 1024U
#define CLO_CONNECTIONS_MAX 4194304U
#define CLO_CONNECTIONS_DEFAULT 262144U

/* Node.services: what guests may reach on the node or at a provider. */
struct clo_provided {
	const char *name;
	bool node; /* kind "node": on the node itself; else "provider" */
	struct clo_cidr *addresses;
	size_t n_addresses;
	struct clo_service_spec *ports;
	size_t n_ports;
};

struct clo_tenant_doc;
struct clo_segment_doc;

/* Devices beyond the minimum that a workload may have because it lists them. */
enum clo_device {
	CLO_DEVICE_AUDIO = 1 << 0,
	CLO_DEVICE_CDROM = 1 << 1,
	CLO_DEVICE_FILESYSTEM = 1 << 2, /* virtiofs, 9p */
	CLO_DEVICE_FLOPPY = 1 << 3,
	CLO_DEVICE_PASSTHROUGH = 1 << 4, /* hostdev, whole IOMMU groups */
	CLO_DEVICE_SHMEM = 1 << 5,
	CLO_DEVICE_USB = 1 << 6,
	CLO_DEVICE_VIDEO = 1 << 7, /* and graphics */
};

/* What of its state a scope lets leave the process. */
enum clo_permit {
	CLO_PERMIT_SAVE = 1 << 0,
	CLO_PERMIT_DUMP = 1 << 1,
	CLO_PERMIT_SNAPSHOT = 1 << 2,
	CLO_PERMIT_MIGRATION = 1 << 3,
};

/* What the agent does about a sandbox that is not as it must be. */
enum clo_response {
	CLO_RESPONSE_REPORT,
	CLO_RESPONSE_REPAIR, /* where it can; else as REPORT */
	CLO_RESPONSE_QUARANTINE, /* the workload's guards drop all */
	CLO_RESPONSE_SUSPEND, /* and its vCPUs stand still */
};

struct clo_response_doc {
	const char *control; /* id of the catalogue */
	enum clo_response response;
};

/* Node.sandbox: how QEMU processes are kept apart. */
struct clo_sandbox_doc {
	bool present; /* false: they are not */
	uint32_t first, count; /* uids, and gids, that scopes may have */
	const char *directory; /* of the tenants' files */
	const char **bases; /* directories of shared read-only images */
	size_t n_bases;
	/* What QEMU may call: all but some, not some only. */
	bool deny_list;
	enum clo_response response; /* to findings of other controls */
	struct clo_response_doc *responses; /* by control */
	size_t n_responses;
};

#define CLO_SANDBOX_DIRECTORY "/var/lib/cloison-tenants"

/* A host interface to other nodes. */
struct clo_uplink_doc {
	const char *interface;
	/* What it carries; a segment has one uplink at most. NULL: nothing. */
	const struct clo_segment_doc *segment;
	const struct clo_tenant_doc *tenant; /* of the segment */
	enum clo_environment environment;
};

/* What the node's log of attestations may hold. */
struct clo_log_doc {
	uint32_t months;
	uint64_t bytes;
};

#define CLO_LOG_MONTHS 12 /* also the least */
#define CLO_LOG_BYTES (UINT64_C(8) << 30)

struct clo_node_doc {
	const char *name;
	const char **bridges; /* governed */
	size_t n_bridges;
	struct clo_uplink_doc *uplinks; /* by interface */
	size_t n_uplinks;
	uint32_t connections; /* flows that the node tracks */
	struct clo_cidr *addresses; /* the node's own; /32 or /128 */
	size_t n_addresses;
	struct clo_cidr *national;
	size_t n_national;
	struct clo_provided *services;
	size_t n_services;
	/* May open flows to endpoints in quarantine. No address of the node, of
	 * a service or of a segment. */
	struct clo_cidr *forensics;
	size_t n_forensics;
	struct clo_sandbox_doc sandbox;
	struct clo_log_doc log;
};

enum clo_peer_kind {
	CLO_PEER_GROUP,
	CLO_PEER_SEGMENT,
	CLO_PEER_CIDR,
	CLO_PEER_SERVICE,
};

struct clo_peer {
	enum clo_peer_kind kind;
	/*
	 * GROUP, SEGMENT: in this tenant and environment, the rule's own where
	 * the document names none. CIDR: the rule's own scope.
	 */
	const struct clo_tenant_doc *tenant;
	enum clo_environment environment;
	size_t index; /* GROUP: of groups, SEGMENT: of segments */
	struct clo_cidr cidr; /* CIDR */
	struct clo_cidr *except; /* CIDR */
	size_t n_except;
	const struct clo_provided *service; /* SERVICE; only as `to` */
};

struct clo_rule_doc {
	const char *name; /* unique in its scope */
	const char *full; /* "tenant/environment/name" */
	struct clo_peer from, to;
	struct clo_service_spec *ports; /* SERVICE peer: the service's ports */
	size_t n_ports;
	const char *file; /* where it stands */
	int line;
};

struct clo_segment_doc {
	const char *name;
	uint32_t id; /* 1 to CLO_SEGMENT_MAX, unique in the policy */
	/*
	 * Inside which its addresses are unique: the tenant's, or its
	 * environment's own where the tenant's environments overlap.
	 */
	uint32_t space;
	struct clo_cidr *cidrs;
	size_t n_cidrs;
	struct clo_cidr *multicast; /* groups that its endpoints share */
	size_t n_multicast;
	bool answer; /* the guards answer ARP and ND for its endpoints */
};

/* One scope. Absent in the document: everything empty, present = false. */
struct clo_scope_doc {
	bool present;
	enum clo_environment environment;
	uint32_t connections; /* that its endpoints may use together */
	uint32_t uid; /* and gid, of its QEMU processes; 0: no sandbox */
	unsigned int permits; /* of enum clo_permit */
	struct clo_segment_doc *segments;
	size_t n_segments;
	const char **groups;
	size_t n_groups;
	/* As they stood when the tenant was read: see clo_policy_rules(). */
	struct clo_rule_doc *rules;
	size_t n_rules;
};

struct clo_tenant_doc {
	const char *name;
	uint32_t space; /* 1 to CLO_SPACE_MAX, stable: from the name */
	uint32_t connections; /* that its scopes may use together */
	int qualification; /* 1 or 2 */
	bool test_dev; /* allows its test and development to talk */
	const struct clo_provided **services; /* it declares to use */
	size_t n_services;
	struct clo_scope_doc scopes[4]; /* by enum clo_environment; 0 unused */
};

/* One vNIC. */
struct clo_interface_doc {
	uint8_t mac[6];
	uint32_t endpoint; /* id: 1 to CLO_ENDPOINT_MAX, stable over policies */
	const char *device; /* host interface given by name, or NULL */
	const struct clo_segment_doc *segment;
	struct clo_cidr *addresses; /* /32 or /128 */
	size_t n_addresses;
	size_t *groups; /* indices of the scope's groups, ascending */
	size_t n_groups;
	enum clo_mode mode; /* the strictest, else the nearest, that is given */
	struct clo_limits limits;
	const char *name; /* "tenant/environment/workload/0" */
};

struct clo_workload_doc {
	const char *name;
	const char *domain; /* libvirt domain name, or NULL */
	const char *uuid; /* lower case, or NULL */
	const struct clo_tenant_doc *tenant;
	enum clo_environment environment;
	unsigned int devices; /* of enum clo_device */
	struct clo_interface_doc *interfaces; /* document order */
	size_t n_interfaces;
};

struct clo_exception_doc {
	const char *name;
	const char *control; /* id of the catalogue */
	const char *reason, *risk_analysis, *approver, *owner;
	time_t not_before, not_after;
	/* Full names of the rules it admits although they break `control`. */
	const char **rules;
	size_t n_rules;
};

struct clo_rule_list {
	const struct clo_rule_doc *items; /* in the order of the document */
	size_t n;
};

/* A document as canonical JSON: no spaces, members by name. */
struct clo_canonical {
	const char *text;
	size_t len;
};

struct clo_policy {
	struct clo_node_doc node;
	struct clo_tenant_doc *tenants;
	size_t n_tenants;
	struct clo_workload_doc *workloads;
	size_t n_workloads;
	struct clo_exception_doc *exceptions;
	size_t n_exceptions;
	uint8_t digest[32]; /* SHA-256 over the documents, a line each */
	struct clo_canonical *documents; /* sorted by kind and name */
	size_t n_documents;
	size_t values; /* about as many JSON values as they have */
	/*
	 * NULL: every scope has the rules that it was read with. Else by tenant
	 * and environment: see clo_policy_rules().
	 */
	struct clo_rule_list *rules;
	/* Where it is a change of another: the rest is that one's. */
	struct clo_policy *before;
	size_t changes; /* bytes of it and those before; 0: it is the whole */
	size_t whole; /* bytes of what they are changes of */
	unsigned int users; /* of one thread */
	void *arena; /* owns it all but what `before` does */
};

/* The rules of a scope of policy->tenants[tenant]. */
struct clo_rule_list clo_policy_rules(const struct clo_policy *policy,
				      size_t tenant,
				      enum clo_environment environment);

/* The node's guards and fence are on the ports of that bridge. */
bool clo_node_governs(const struct clo_node_doc *node, const char *bridge);

/* By its name, or by "tenant/environment/name". */
bool clo_workload_is_called(const struct clo_workload_doc *workload,
			    const char *name);

/* "production", "test", "development"; "none" else. */
const char *clo_environment_name(enum clo_environment environment);
const char *clo_response_name(enum clo_response response);

/* The space of the scope's segments; of one without segments: the tenant's. */
uint32_t clo_scope_space(const struct clo_tenant_doc *tenant,
			 enum clo_environment environment);

/*
 * What a guest asks for without knowing who answers: a service is a server of
 * that kind if one of its ports is exactly this one.
 */
struct clo_server_kind {
	const char *name; /* "DHCP", "DHCPv6", "router" */
	const char *port; /* "udp/67", ... */
	uint8_t proto;
	uint16_t number;
	struct clo_cidr asked; /* where the question goes */
};

#define CLO_SERVER_KINDS 3
extern const struct clo_server_kind clo_server_kinds[CLO_SERVER_KINDS];

/* NULL: the service is none, or has no address of the kind's family. */
const struct clo_cidr *clo_server_address(const struct clo_provided *service,
					  const struct clo_server_kind *kind);
bool clo_server_is(const struct clo_provided *service,
		   const struct clo_server_kind *kind);
