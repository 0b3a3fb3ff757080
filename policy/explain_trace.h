/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "policy/compile.h"

/*
 * One frame through the decision of the datapath, the same lines (ebpf/lib),
 * with every stage and every look-up written down. A tracer keeps the flows and
 * fragments that its frames began, so that frames given one after the other are
 * judged as a sequence. Nothing outside the tracer changes.
 */

#define CLO_TRACE_FRAME_MAX 65535U /* bytes */
#define CLO_TRACE_FRAMES_MAX 1000U /* of one tracer */
#define CLO_TRACE_BYTES_MAX (16U << 20) /* of the frames of one request */

/* A guarded interface as the datapath knows it. */
struct clo_trace_port {
	uint32_t ifindex;
	char name[16]; /* "": not known */
	struct clo_port port;
	struct clo_meter meter;
};

/*
 * What the kernel holds beside the tables. Callbacks: false where there is no
 * entry. NULL instead of all of it: as if every endpoint of the policy were
 * here and idle.
 */
struct clo_trace_live {
	const struct clo_trace_port *ports; /* copied */
	size_t n_ports;
	uint64_t epoch;
	uint64_t now; /* coarse monotonic nanoseconds */
	/* key: struct clo_conn4_key or clo_conn6_key */
	bool (*conn)(void *userdata, uint8_t family, const void *key,
		     struct clo_conn *ret_conn);
	bool (*account)(void *userdata, uint64_t key,
			struct clo_account *ret_account);
	void *userdata;
};

struct clo_tracer;

/* All is borrowed but live->ports. 0 or -ENOMEM. */
int clo_tracer_new(const struct clo_compiled *compiled,
		   const struct clo_tables *tables,
		   const struct clo_trace_live *live,
		   struct clo_tracer **ret_tracer);
void clo_tracer_free(struct clo_tracer *tracer);
CLO_DEFINE_FREEP(clo_tracer)

/* A packet in words. Names: see clo_explain_trace(). */
struct clo_trace_fields {
	const char *from, *to, *proto;
	uint16_t number; /* destination port or ICMP type */
	uint16_t sport; /* 0: one is chosen */
	uint8_t family; /* 4, 6; 0: one in which both have an address */
	const char *flags; /* TCP: "syn,ack"; NULL: syn */
	/*
	 * Whose tap, or which uplink, it enters by, as clo_trace_by_frame().
	 * NULL: from's; of an address, it reaches `to` from no guarded interface.
	 */
	const char *in;
};

/* One hook that the frame went through, for whoever repeats it elsewhere. */
struct clo_trace_pass {
	uint32_t ifindex; /* 0: the interface is not on this node */
	bool to_guest;
	uint32_t mark; /* that it came with */
	uint32_t mode; /* enum clo_mode */
	enum clo_drop drop;
	uint32_t rule; /* that allowed it; 0: none */
	bool opened; /* it began a flow */
	bool tracked; /* it met an entry of the connection table */
	bool fragment;
	/* Of the flow that it began. */
	uint8_t family; /* 0: none */

	union {
		struct clo_conn4_key v4;
		struct clo_conn6_key v6;
	} key;
};

struct clo_trace_run {
	struct clo_trace_pass pass[2];
	size_t n;
	uint8_t built[512]; /* of fields */
	const uint8_t *frame; /* built, or the caller's */
	size_t len;
};

/*
 * {"verdict": "allow"|"drop", "reason": drop text, "rule": name or null,
 * "invariant": name or null, "mode": "enforce"|"audit"|"quarantine",
 * "in": interface or endpoint, "packet": {...}, "hex": the frame,
 * "steps": [{"stage", "lookup", "key", "result"}],
 * "allow": null, or for a drop {"tenant", "environment", "rule": as a document
 * has it} or {"none": why no rule can allow it}}.
 * NULL: a bad argument, or no memory; reterr_text says which.
 */
json_t *clo_trace_by_fields(struct clo_tracer *tracer,
			    const struct clo_trace_fields *fields,
			    struct clo_trace_run *ret_run,
			    char reterr_text[160]);
/* `in`: an endpoint, a workload, or an interface; it sends the frame. */
json_t *clo_trace_by_frame(struct clo_tracer *tracer, const char *in,
			   const uint8_t *frame, size_t len,
			   struct clo_trace_run *ret_run,
			   char reterr_text[160]);

/*
 * A question as JSON: {"from", "to", "proto", "dport"?, "sport"?, "flags"?,
 * "family"?, "in"?}, or {"in", "frames": [hex, ...]}. Borrows from it.
 */
struct clo_trace_request {
	struct clo_trace_fields fields;
	const json_t *frames; /* NULL: by fields */
};

/* 0, or -EINVAL and reterr_text. */
int clo_trace_request_parse(const json_t *json,
			    struct clo_trace_request *ret_request,
			    char reterr_text[160]);
/*
 * Of fields the trace; of frames {"traces": [...]}. `after` may add to each
 * trace; NULL: nobody does. NULL: reterr_text says why.
 */
json_t *clo_trace_request_run(struct clo_tracer *tracer,
			      const struct clo_trace_request *request,
			      int (*after)(void *userdata,
					   const struct clo_trace_run *run,
					   json_t *trace),
			      void *userdata, char reterr_text[160]);

/* "not dropped", "no rule allows the flow", ... */
const char *clo_trace_reason(enum clo_drop drop);
