/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ebpf/lib/flow.h"
#include "ebpf/lib/frag.h"
#include "policy/explain_trace.h"
#include "policy/prove.h"

/* What the files of the tracer share. */

enum {
	/* Flows or fragments that all frames of a tracer may touch. */
	CLO_TRACE_ENTRIES = 8 * CLO_TRACE_FRAMES_MAX,
	CLO_TRACE_ACCOUNTS = 2 * CLO_ACCOUNT_LEVELS,
};

/* ifindex of a port that is not on this node: no real one has it. */
#define CLO_TRACE_ELSEWHERE 0xffffffffU

struct clo_trace_conn {
	struct clo_trace_conn *next;
	struct clo_flow flow;
	struct clo_conn conn;
	bool gone;
};

struct clo_trace_frag {
	struct clo_trace_frag *next;
	struct clo_frag_key key;
	struct clo_frag frag;
};

struct clo_trace_account {
	uint64_t key;
	struct clo_account account;
};

struct clo_tracer {
	const struct clo_compiled *compiled;
	const struct clo_tables *tables;
	struct clo_trace_live live; /* without ports */
	bool is_live;
	struct clo_trace_port *ports;
	size_t n_ports;
	struct clo_trace_port elsewhere; /* a port that is not in `ports` */
	size_t n_frames;

	/* The frames' own, before what is live; a decision holds pointers. */
	struct clo_trace_conn *conns;
	struct clo_trace_frag *frags;
	size_t n_entries; /* of both */
	struct clo_trace_account accounts[CLO_TRACE_ACCOUNTS];
	size_t n_accounts;

	/* Of the frame that is judged now. */
	json_t *steps;
	bool failed; /* no memory, or no room for an entry */
	const uint8_t *data;
	size_t len;
	struct clo_frame frame; /* as parsed */
	enum clo_drop parse_drop;
	const char *phase; /* stage that all look-ups belong to; or NULL */
	bool due; /* what was parsed is not written down yet */
	bool tracked;
	uint32_t class; /* that was read last */
};

/* One end of a flow: an endpoint, or an address alone. */
struct clo_trace_end {
	const struct clo_workload_doc *workload; /* NULL: an address */
	const struct clo_interface_doc *interface;
	uint8_t addr[16];
};

/* -- explain_trace_where.c: names -> ends and ports */
__attribute__((format(printf, 2, 3))) int
clo_trace_bad(char reterr_text[160], const char *fmt, ...); /* -EINVAL */
/* 0, or -EINVAL: no endpoint of that name, or several. */
int clo_trace_find(const struct clo_policy *policy, const char *name,
		   struct clo_trace_end *end, char reterr_text[160]);
/* The endpoint with this id; NULL: none. */
const struct clo_interface_doc *
clo_trace_endpoint(const struct clo_policy *policy, uint32_t endpoint,
		   const struct clo_workload_doc **ret_workload);
/* Ports of all endpoints and uplinks, as if all were here. 0 or -ENOMEM. */
int clo_trace_ports_make(const struct clo_policy *policy,
			 struct clo_trace_port **ret_ports, size_t *ret_n);
struct clo_trace_port *clo_trace_port_at(struct clo_tracer *tracer,
					 uint32_t ifindex);
/* The endpoint's port; where it has none here, one made for it. */
struct clo_trace_port *
clo_trace_port_of(struct clo_tracer *tracer,
		  const struct clo_interface_doc *interface);
/* Where the frame comes in: as clo_trace_by_frame(). */
int clo_trace_port_named(struct clo_tracer *tracer, const char *in,
			 struct clo_trace_port **ret_port,
			 char reterr_text[160]);
/* Who is behind it, for people. */
const char *clo_trace_port_label(const struct clo_tracer *tracer,
				 const struct clo_trace_port *port,
				 char buffer[64]);

/* -- explain_trace_packet.c: fields -> frame */
struct clo_trace_packet {
	struct clo_trace_end from, to;
	struct clo_trace_port *port; /* that judges it */
	bool to_guest; /* by that hook of it */
	uint8_t family, proto;
	uint8_t flags;
	uint16_t number, sport;
};

int clo_trace_packet_parse(struct clo_tracer *tracer,
			   const struct clo_trace_fields *fields,
			   struct clo_trace_packet *ret_packet,
			   char reterr_text[160]);
/* Bytes of the frame. */
size_t clo_trace_packet_build(struct clo_tracer *tracer,
			      const struct clo_trace_packet *packet,
			      uint8_t ret_frame[512]);

/* -- explain_trace_text.c: steps */
__attribute__((format(printf, 5, 6))) void
clo_trace_step(struct clo_tracer *tracer, const char *stage, const char *lookup,
	       const char *key, const char *fmt, ...);
/* Write down what was parsed, if that is due. */
void clo_trace_due(struct clo_tracer *tracer);
/* "acme/production/web/0 (endpoint 7)", or the number alone. */
#define CLO_TRACE_WHO 256
const char *clo_trace_who(const struct clo_tracer *tracer, uint32_t endpoint,
			  char buffer[CLO_TRACE_WHO]);
#define CLO_TRACE_ADDRESS 48
const char *clo_trace_address(uint8_t family, const uint8_t *addr,
			      char buffer[CLO_TRACE_ADDRESS]);
json_t *clo_trace_packet_json(const struct clo_tracer *tracer);

/* -- explain_trace_read.c: look-ups, each written down; as struct clo_view */
const struct clo_addr *clo_trace_read_addr(struct clo_tracer *tracer,
					   uint32_t space, uint8_t family,
					   const uint8_t *addr);
/* The same, not written down. */
const struct clo_addr *clo_trace_peek_addr(const struct clo_tracer *tracer,
					   uint32_t space, uint8_t family,
					   const uint8_t *addr);
void clo_trace_peek_side(const struct clo_tracer *tracer, uint32_t space,
			 uint8_t family, const uint8_t *addr,
			 uint32_t *ret_identity, uint32_t *ret_endpoint);
const uint32_t *clo_trace_read_cidr(struct clo_tracer *tracer, uint8_t family,
				    const uint8_t *addr);
uint32_t clo_trace_read_class(struct clo_tracer *tracer, uint32_t slot);
const uint32_t *clo_trace_read_pair(struct clo_tracer *tracer, uint32_t src,
				    uint32_t dst);
const struct clo_row *clo_trace_read_row(struct clo_tracer *tracer,
					 uint32_t index);
const uint64_t *clo_trace_read_word(struct clo_tracer *tracer, uint32_t index);
const uint32_t *clo_trace_read_rule(struct clo_tracer *tracer, uint32_t row,
				    uint32_t class);
uint8_t clo_trace_read_flags(struct clo_tracer *tracer, uint32_t identity);
uint32_t clo_trace_read_local(struct clo_tracer *tracer, uint32_t endpoint);

/* -- explain_trace_state.c: what a decision changes; the tracer's own copies */
struct clo_meter *clo_trace_meter(struct clo_tracer *tracer,
				  const struct clo_port *port);
struct clo_account *clo_trace_account(struct clo_tracer *tracer, uint64_t key);
struct clo_conn *clo_trace_conn(struct clo_tracer *tracer,
				const struct clo_flow *flow);
/* 0: done, 1: it was there or was not, -1: no room. */
int clo_trace_conn_put(struct clo_tracer *tracer, const struct clo_flow *flow,
		       const struct clo_conn *conn, bool replace);
bool clo_trace_conn_del(struct clo_tracer *tracer, const struct clo_flow *flow);
struct clo_frag *clo_trace_frag(struct clo_tracer *tracer,
				const struct clo_frag_key *key);
int clo_trace_frag_put(struct clo_tracer *tracer,
		       const struct clo_frag_key *key,
		       const struct clo_frag *frag);

/* -- explain_trace_allow.c */
/*
 * "allow" of the result: what would have let the packet pass that was dropped
 * for this reason. ret_invariant: which forbids the flow, or NULL.
 */
json_t *clo_trace_allow(const struct clo_tracer *tracer, enum clo_drop drop,
			const struct clo_trace_packet *packet,
			const struct clo_invariant **ret_invariant);
