/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/route.h"

#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"

static const char *const no_parameters[] = {NULL};
static const char *const list_parameters[] = {
	"tenant", "environment", "kind",  "verdict", "control",
	"since",  "until",       "limit", "cursor",  NULL};
static const char *const status_parameters[] = {"maxAge", NULL};
static const char *const stream_parameters[] = {"tenant", "environment", "kind",
						"verdict", NULL};

#define EVERYBODY (CLO_ROLE_ALL | CLO_ROLE_NOBODY)
#define READERS (CLO_ROLE_CONTROL_PLANE | CLO_ROLE_AUDITOR)
#define CHALLENGERS (CLO_ROLE_CONTROL_PLANE | CLO_ROLE_TENANT)

/* clang-format off */
const struct clo_route clo_routes[] = {
	{"GET", "/healthz", no_parameters, clo_answer_health, EVERYBODY, false},
	{"GET", "/readyz", no_parameters, clo_answer_ready, EVERYBODY, false},
	{"GET", "/metrics", no_parameters, clo_answer_metrics, READERS, false},
	{"GET", "/v1/attestations", list_parameters, clo_answer_list, CLO_ROLE_ALL, false},
	{"GET", "/v1/attestations/{digest}", no_parameters, clo_answer_one, CLO_ROLE_ALL, false},
	{"GET", "/v1/attestations/{digest}/bundle", no_parameters, clo_answer_bundle, CLO_ROLE_ALL, false},
	{"GET", "/v1/attestations/{digest}/proof", no_parameters, clo_answer_proof, CLO_ROLE_ALL, false},
	{"GET", "/v1/log/checkpoint", no_parameters, clo_answer_checkpoint, CLO_ROLE_ALL, false},
	{"GET", "/v1/log/tile/{path}", no_parameters, clo_answer_tile, CLO_ROLE_ALL, false},
	{"GET", "/v1/status", status_parameters, clo_answer_status, CLO_ROLE_ALL, false},
	{"POST", "/v1/challenges", no_parameters, clo_answer_challenge, CHALLENGERS, true},
	{"GET", "/v1/stream", stream_parameters, clo_answer_stream, CLO_ROLE_ALL, false},
	{"GET", "/v1/trust", no_parameters, clo_answer_trust, CLO_ROLE_ALL, false},
};
/* clang-format on */
const size_t clo_routes_n = CLO_ARRAY_LEN(clo_routes);

bool clo_route_match(const char *pattern, const char *path, size_t len,
		     char ret_capture[CLO_CAPTURE_MAX])
{
	const char *brace = strchr(pattern, '{');
	const char *rest = brace ? strchr(brace, '}') + 1 : "";
	size_t before = brace ? (size_t)(brace - pattern) : strlen(pattern);
	bool deep = brace && strcmp(brace, "{path}") == 0;
	size_t captured;

	ret_capture[0] = '\0';
	if (len < before || strncmp(path, pattern, before) != 0)
		return false;
	if (!brace)
		return len == before;
	path += before;
	len -= before;
	for (captured = 0; captured < len && (deep || path[captured] != '/');)
		captured++;
	if (captured == 0 || captured >= CLO_CAPTURE_MAX ||
	    len - captured != strlen(rest) ||
	    strncmp(path + captured, rest, strlen(rest)) != 0)
		return false;

	memcpy(ret_capture, path, captured);
	ret_capture[captured] = '\0';
	return true;
}

static bool is_method(const struct clo_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 &&
		strcmp(method, "HEAD") == 0);
}

/* NULL after an answer that says what is wrong. */
static const struct clo_route *find(const struct clo_route *routes, size_t n,
				    struct clo_call *call, size_t len,
				    struct clo_answer *answer)
{
	const char *allow = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!clo_route_match(routes[i].path, call->target, len,
				     call->capture))
			continue;
		if (is_method(&routes[i], call->method))
			return &routes[i];
		allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD"
							     : "POST";
	}
	if (allow) {
		clo_answer_problem(answer, 405, "only %s here", allow);
		answer->allow = allow;
	} else {
		clo_answer_problem(answer, 404, "no such path");
	}
	return NULL;
}

static bool is_known(const struct clo_route *route, const char *name)
{
	for (size_t i = 0; route->parameters[i]; i++)
		if (strcmp(route->parameters[i], name) == 0)
			return true;
	return false;
}

static bool check_query(const struct clo_route *route, struct clo_call *call,
			const char *text, struct clo_answer *answer)
{
	int r = clo_query_parse(text, strlen(text), &call->query);

	if (r < 0) {
		clo_answer_problem(answer, 400, "the query %s",
				   r == -EEXIST ? "has a parameter twice"
				   : r == -E2BIG
					   ? "has too many parameters, or "
					     "longer ones than any can be"
					   : "is malformed");
		return false;
	}
	for (size_t i = 0; i < call->query.n; i++)
		if (!is_known(route, call->query.parameters[i].name)) {
			clo_answer_problem(answer, 400,
					   "no parameter '%s' here",
					   call->query.parameters[i].name);
			return false;
		}
	return true;
}

static bool is_json(const char *type)
{
	size_t len = strlen(CLO_JSON_TYPE);

	return type && strncasecmp(type, CLO_JSON_TYPE, len) == 0 &&
	       (!type[len] || type[len] == ';' || type[len] == ' ');
}

static bool check_body(const struct clo_route *route,
		       const struct clo_call *call, struct clo_answer *answer)
{
	if (route->body && !is_json(call->content_type))
		clo_answer_problem(answer, 415,
				   "the body must be "
				   "application/json");
	else if (!route->body && call->body_len > 0)
		clo_answer_problem(answer, 400, "no body is wanted here");
	else
		return true;
	return false;
}

void clo_route_call(const struct clo_route *routes, size_t n,
		    struct clo_call *call, struct clo_answer *answer)
{
	size_t len = strcspn(call->target, "?");
	const char *query = call->target + len + (call->target[len] == '?');
	const struct clo_route *route;

	if (call->target[0] != '/') {
		clo_answer_problem(answer, 400, "the target is no path");
		return;
	}
	route = find(routes, n, call, len, answer);
	if (!route)
		return;
	if (!(route->roles & call->who.role)) {
		clo_answer_problem(
			answer, 403, "not for %s",
			call->who.role == CLO_ROLE_NOBODY
				? "who shows no certificate of a role"
				: clo_role_text(call->who.role));
		return;
	}
	if (check_query(route, call, query, answer) &&
	    check_body(route, call, answer))
		route->answer(call, answer);
}
