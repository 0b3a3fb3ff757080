/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/gateway/problem.h"
#include "agent/gateway/route.h"
#include "check.h"

static const char *const parameters[] = {"a", "b", NULL};
static const char *const none[] = {NULL};

static void answer_ok(const struct clo_call *call, struct clo_answer *answer)
{
	clo_answer_json(answer, json_pack("{s:s}", "got", call->capture));
}

static const struct clo_route table[] = {
	{"GET", "/list", parameters, answer_ok, CLO_ROLE_ALL, false},
	{"GET", "/list/{one}", none, answer_ok, CLO_ROLE_TENANT, false},
	{"GET", "/list/{one}/more", none, answer_ok, CLO_ROLE_ALL, false},
	{"GET", "/tree/{path}", none, answer_ok, CLO_ROLE_ALL, false},
	{"POST", "/ask", none, answer_ok, CLO_ROLE_ALL, true},
	{"GET", "/open", none, answer_ok, CLO_ROLE_NOBODY, false},
};

static struct clo_answer answer;

static unsigned int call(const char *method, const char *target,
			 enum clo_role role, const char *type, size_t body_len)
{
	struct clo_call one = {
		.who = {.role = role},
		.method = method,
		.target = target,
		.content_type = type,
		.body = "x",
		.body_len = body_len,
	};

	clo_answer_done(&answer);
	clo_route_call(table, CLO_ARRAY_LEN(table), &one, &answer);
	assert_non_null(answer.body);
	if (answer.status >= 400)
		assert_string_equal(answer.type, CLO_PROBLEM_TYPE);
	return answer.status;
}

static unsigned int get(const char *target)
{
	return call("GET", target, CLO_ROLE_TENANT, NULL, 0);
}

static void test_paths(void **state)
{
	static const char *const missing[] = {
		"/",         "/lis",        "/list/",      "/lists",
		"/list/a/b", "/list//more", "/list/a/mor", "/list/a/moree",
		"/tree/",    "/tree",       "/LIST",       "/list/a/more/",
		"//list",    "/%6cist",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(missing); i++)
		assert_int_equal(get(missing[i]), 404);
	assert_int_equal(get(""), 400);
	assert_int_equal(get("*"), 400);
	assert_int_equal(get("http://node/list"), 400);
	assert_int_equal(get("/list"), 200);
	assert_int_equal(get("/list/x"), 200);
	assert_string_equal(answer.body, "{\"got\":\"x\"}");
	assert_int_equal(get("/list/x/more"), 200);
	assert_string_equal(answer.body, "{\"got\":\"x\"}");
	assert_int_equal(get("/tree/x/y"), 200);
	assert_string_equal(answer.body, "{\"got\":\"x/y\"}");
	clo_answer_done(&answer);
}

static void test_captures_are_bounded(void **state)
{
	char target[CLO_CAPTURE_MAX + 8];
	size_t len = strlen("/list/") + CLO_CAPTURE_MAX;

	(void)state;
	memset(target, 'a', sizeof(target));
	memcpy(target, "/list/", 6);
	target[len - 1] = '\0';
	assert_int_equal(get(target), 200);
	target[len - 1] = 'a';
	target[len] = '\0';
	assert_int_equal(get(target), 404);
	clo_answer_done(&answer);
}

static void test_methods_and_bodies(void **state)
{
	const enum clo_role role = CLO_ROLE_TENANT;

	(void)state;
	assert_int_equal(call("HEAD", "/list", role, NULL, 0), 200);
	assert_int_equal(call("POST", "/list", role, NULL, 0), 405);
	assert_string_equal(answer.allow, "GET, HEAD");
	assert_int_equal(call("get", "/list", role, NULL, 0), 405);
	assert_int_equal(call("GET", "/ask", role, NULL, 0), 405);
	assert_string_equal(answer.allow, "POST");
	assert_int_equal(call("HEAD", "/ask", role, NULL, 0), 405);
	assert_int_equal(call("DELETE", "/nowhere", role, NULL, 0), 404);
	assert_int_equal(call("GET", "/list", role, CLO_JSON_TYPE, 1), 400);
	assert_int_equal(call("POST", "/ask", role, NULL, 1), 415);
	assert_int_equal(call("POST", "/ask", role, "text/json", 1), 415);
	assert_int_equal(call("POST", "/ask", role, "application/jsonx", 1),
			 415);
	assert_int_equal(call("POST", "/ask", role, "Application/JSON", 1),
			 200);
	assert_int_equal(call("POST", "/ask", role,
			      "application/json; charset=utf-8", 1),
			 200);
	clo_answer_done(&answer);
}

static void test_roles(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/list", CLO_ROLE_NOBODY, NULL, 0), 403);
	assert_int_equal(call("GET", "/list/a", CLO_ROLE_AUDITOR, NULL, 0),
			 403);
	assert_int_equal(call("GET", "/open", CLO_ROLE_TENANT, NULL, 0), 403);
	assert_int_equal(call("GET", "/open", CLO_ROLE_NOBODY, NULL, 0), 200);
	/* before anything that it wrote is looked at */
	assert_int_equal(call("GET", "/list?%", CLO_ROLE_NOBODY, NULL, 0), 403);
	clo_answer_done(&answer);
}

static void test_parameters(void **state)
{
	(void)state;
	assert_int_equal(get("/list?"), 200);
	assert_int_equal(get("/list?a=1&b=2"), 200);
	assert_int_equal(get("/list?c=1"), 400);
	assert_int_equal(get("/list?a=1&a=1"), 400);
	assert_int_equal(get("/list?a"), 400);
	assert_int_equal(get("/list?a=1?b=2"), 200); /* a '?' in a value */
	assert_int_equal(get("/list/x?a=1"), 400);
	clo_answer_done(&answer);
}

/* -- the table and docs/openapi.json say the same */

static json_t *read_document(void)
{
	json_error_t error;
	json_t *document = json_load_file(CLO_SOURCE_DIR "/docs/openapi.json",
					  JSON_REJECT_DUPLICATES, &error);

	if (!document)
		fail_msg("line %d: %s", error.line, error.text);
	return document;
}

static unsigned int role_of(const char *name)
{
	static const enum clo_role roles[] = {
		CLO_ROLE_NOBODY, CLO_ROLE_CONTROL_PLANE, CLO_ROLE_AUDITOR,
		CLO_ROLE_TENANT};

	for (size_t i = 0; i < CLO_ARRAY_LEN(roles); i++)
		if (strcmp(clo_role_text(roles[i]), name) == 0)
			return roles[i];
	fail_msg("no role %s", name);
	return 0;
}

static void compare_roles(const struct clo_route *route,
			  const json_t *operation)
{
	const json_t *listed = json_object_get(operation, "x-cloison-roles");
	unsigned int roles = 0;
	const json_t *name;
	size_t i;

	json_array_foreach (listed, i, name)
		roles |= role_of(json_string_value(name));
	assert_int_equal(roles, route->roles);
	assert_int_equal(json_object_get(operation, "security") != NULL,
			 (route->roles & CLO_ROLE_NOBODY) != 0);
}

static void compare_parameters(const struct clo_route *route,
			       const json_t *operation)
{
	const json_t *listed = json_object_get(operation, "parameters");
	const json_t *parameter;
	size_t i, n = 0;

	json_array_foreach (listed, i, parameter) {
		const char *name =
			json_string_value(json_object_get(parameter, "name"));

		assert_string_equal(
			json_string_value(json_object_get(parameter, "in")),
			"query");
		assert_non_null(route->parameters[i]);
		assert_string_equal(name, route->parameters[i]);
		n++;
	}
	assert_null(route->parameters[n]);
}

static const struct clo_route *find(const char *path, const char *method)
{
	for (size_t i = 0; i < clo_routes_n; i++)
		if (strcmp(clo_routes[i].path, path) == 0 &&
		    strcasecmp(clo_routes[i].method, method) == 0)
			return &clo_routes[i];
	return NULL;
}

static void test_every_operation_is_a_route(void **state)
{
	json_auto_t *document = read_document();
	size_t n = 0;
	const char *path, *method;
	json_t *item, *operation;

	(void)state;
	json_object_foreach (json_object_get(document, "paths"), path, item)
		json_object_foreach (item, method, operation) {
			const struct clo_route *route = find(path, method);

			if (strcmp(method, "parameters") == 0)
				continue;
			assert_non_null(route);
			compare_roles(route, operation);
			compare_parameters(route, operation);
			assert_int_equal(json_object_get(operation,
							 "requestBody") != NULL,
					 route->body);
			n++;
		}
	assert_int_equal(n, clo_routes_n); /* and every route an operation */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_captures_are_bounded),
		cmocka_unit_test(test_methods_and_bodies),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_every_operation_is_a_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
