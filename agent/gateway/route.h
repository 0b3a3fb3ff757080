/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "agent/gateway/answer.h"
#include "agent/gateway/gateway.h"
#include "agent/gateway/query.h"
#include "agent/gateway/role.h"

#define CLO_TARGET_MAX 1024 /* bytes of a request's target */
#define CLO_BODY_MAX 4096
#define CLO_CAPTURE_MAX 80

/* One request, as routes see it: no HTTP library in here. */
struct clo_call {
	struct clo_gateway *gateway;
	struct clo_who who;
	uint64_t client; /* digest of its certificate */
	time_t expires; /* when its certificate does */
	time_t now;
	const char *method;
	const char *target; /* path and query as they were sent */
	const char *content_type, *last_event_id; /* headers; NULL: none */
	const char *body;
	size_t body_len;
	/* by the dispatcher */
	struct clo_query query;
	char capture[CLO_CAPTURE_MAX]; /* what stood where the path has {...} */
};

/* One line of the table; docs/openapi.json says the same. */
struct clo_route {
	const char *method;
	const char *path; /* at most one "{name}", a whole segment; "{path}" at
			     the end: one or more */
	const char *const *parameters; /* of the query; NULL-terminated */
	void (*answer)(const struct clo_call *call, struct clo_answer *answer);
	unsigned int roles; /* that may ask */
	bool body; /* JSON is wanted */
};

extern const struct clo_route clo_routes[];
extern const size_t clo_routes_n;

/* Always fills *answer. HEAD is answered like GET. */
void clo_route_call(const struct clo_route *routes, size_t n,
		    struct clo_call *call, struct clo_answer *answer);
/* Does the path match, and what does the capture stand for? */
bool clo_route_match(const char *pattern, const char *path, size_t len,
		     char ret_capture[CLO_CAPTURE_MAX]);

/* The answers, a file each. */
void clo_answer_list(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_one(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_bundle(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_proof(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_checkpoint(const struct clo_call *call,
			   struct clo_answer *answer);
void clo_answer_tile(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_status(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_challenge(const struct clo_call *call,
			  struct clo_answer *answer);
void clo_answer_stream(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_trust(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_health(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_ready(const struct clo_call *call, struct clo_answer *answer);
void clo_answer_metrics(const struct clo_call *call, struct clo_answer *answer);
