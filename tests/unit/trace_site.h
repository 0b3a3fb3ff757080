/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "agent/base/hex.h"
#include "check.h"
#include "policy/explain_trace.h"
#include "policy/parse.h"

/* A small policy by documents, and questions to a tracer of it. */

static const char node_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Node\", \"name\": \"n\","
	" \"bridges\": [\"br0\"], \"addresses\": [\"192.0.2.1\"],"
	" \"uplinks\": [{\"interface\": \"eth9\","
	"   \"segment\": \"acme/production/front\"}],"
	" \"services\": ["
	"  {\"name\": \"dns\", \"kind\": \"node\","
	"   \"addresses\": [\"169.254.1.1\"], \"ports\": [\"udp/53\"]},"
	"  {\"name\": \"ntp\", \"kind\": \"node\","
	"   \"addresses\": [\"169.254.1.2\"], \"ports\": [\"udp/123\"]}]}";

static const char acme_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\","
	" \"name\": \"acme\", \"qualification\": 1,"
	" \"allowTestDevelopment\": true, \"services\": [\"dns\"],"
	" \"environments\": {"
	"  \"production\": {\"groups\": [\"web\", \"db\", \"all\"],"
	"   \"segments\": ["
	"    {\"name\": \"front\", \"cidrs\": [\"10.0.0.0/24\", \"fd00::/64\"]},"
	"    {\"name\": \"back\", \"cidrs\": [\"10.0.1.0/24\"]}],"
	"   \"rules\": ["
	"    {\"name\": \"web-db\", \"from\": {\"group\": \"web\"},"
	"     \"to\": {\"group\": \"db\"}, \"ports\": [\"tcp/443\", \"udp/53\"]}]},"
	"  \"test\": {\"groups\": [\"web\"], \"rules\": [], \"segments\": ["
	"   {\"name\": \"t\", \"cidrs\": [\"10.0.2.0/24\"]}]},"
	"  \"development\": {\"groups\": [\"web\"], \"rules\": [],"
	"   \"segments\": [{\"name\": \"d\", \"cidrs\": [\"10.0.3.0/24\"]}]}}}";

static const char globex_text[] =
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\","
	" \"name\": \"globex\", \"qualification\": 1, \"environments\": {"
	"  \"production\": {\"groups\": [\"web\"], \"rules\": [],"
	"   \"segments\": [{\"name\": \"g\", \"cidrs\": [\"10.9.0.0/24\"]}]}}}";

#define WORKLOAD(name, tenant, environment, mac, segment, address, groups)     \
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Workload\","             \
	" \"name\": \"" name "\", \"tenant\": \"" tenant "\","                 \
	" \"environment\": \"" environment "\", \"interfaces\": [{"            \
	"  \"mac\": \"52:54:00:00:00:" mac "\", \"segment\": \"" segment       \
	"\",  \"addresses\": [" address "], \"groups\": [" groups "]}]}"

static const char workloads_text[] = "[" WORKLOAD("shop", "acme", "production", "01", "front", "\"10.0.0.1\", \"fd00::1\"", "\"all\", \"web\"") "," WORKLOAD(
	"base", "acme", "production", "02", "front",
	"\"10.0.0.2\", \"fd00::2\"",
	"\"all\", \"db\"") "," WORKLOAD("more", "acme", "production", "03",
					"front", "\"10.0.0.3\"",
					"\"all\"") "," WORKLOAD("bare", "acme",
								"production",
								"04", "back",
								"\"10.0.1.4\"",
								"") "," WORKLOAD("try",
										 "acme",
										 "test",
										 "05",
										 "t",
										 "\"10.0.2.5\"",
										 "\"web\"") "," WORKLOAD("dev",
													 "acme",
													 "development",
													 "06",
													 "d",
													 "\"10.0.3.6\"",
													 "\"web\"") "," WORKLOAD("blog",
																 "globex",
																 "production",
																 "07",
																 "g",
																 "\"10.9.0.7\"",
																 "\"web\"") "]";

/* A policy with, perhaps, one more rule of acme or globex. */
struct site {
	char *tenants[2];
	struct clo_policy *policy;
	struct clo_compiled *compiled;
	struct clo_tracer *tracer;
	struct clo_trace_run run;
	char text[160];
};

static inline char *tenant_with(const char *document, const json_t *allow)
{
	json_auto_t *tenant = json_loads(document, 0, NULL);
	const char *name = json_string_value(json_object_get(tenant, "name"));
	const char *wanted =
		json_string_value(json_object_get(allow, "tenant"));
	json_t *scope;

	assert_non_null(tenant);
	if (wanted && strcmp(wanted, name) == 0) {
		scope = json_object_get(json_object_get(tenant, "environments"),
					json_string_value(json_object_get(
						allow, "environment")));
		assert_int_equal(
			json_array_append(json_object_get(scope, "rules"),
					  json_object_get(allow, "rule")),
			0);
	}
	return json_dumps(tenant, 0);
}

static inline void site_init(struct site *site, const json_t *allow)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document documents[] = {
		{"node.json", node_text, sizeof(node_text) - 1},
		{"workloads.json", workloads_text, sizeof(workloads_text) - 1},
		{"acme.json", NULL, 0},
		{"globex.json", NULL, 0},
	};

	*site = (struct site){.text = ""};
	site->tenants[0] = tenant_with(acme_text, allow);
	site->tenants[1] = tenant_with(globex_text, allow);
	for (size_t i = 0; i < 2; i++) {
		documents[2 + i].text = site->tenants[i];
		documents[2 + i].len = strlen(site->tenants[i]);
	}
	assert_int_equal(clo_flaws_new(&flaws), 0);
	if (clo_policy_parse(documents, 4, 1, &site->policy, flaws) < 0)
		fail_msg("%s: %s", clo_flaws_get(flaws, 0)->path,
			 clo_flaws_get(flaws, 0)->text);
	assert_int_equal(clo_compile(site->policy, 1, &site->compiled, flaws),
			 0);
	assert_int_equal(clo_tracer_new(site->compiled, site->compiled->tables,
					NULL, &site->tracer),
			 0);
}

static inline void site_done(struct site *site)
{
	clo_tracer_free(site->tracer);
	clo_compiled_free(site->compiled);
	clo_policy_free(site->policy);
	free(site->tenants[0]);
	free(site->tenants[1]);
}

static inline json_t *fields(struct site *site, const char *from,
			     const char *to, const char *proto, uint16_t number)
{
	const struct clo_trace_fields ask = {
		.from = from, .to = to, .proto = proto, .number = number};
	json_t *trace =
		clo_trace_by_fields(site->tracer, &ask, &site->run, site->text);

	if (!trace)
		fail_msg("%s > %s: %s", from, to, site->text);
	return trace;
}

static inline const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(null)";
}

/* The result of the first step with this stage and look-up; "": none. */
static inline const char *step_of(const json_t *trace, const char *stage,
				  const char *lookup)
{
	const json_t *step;
	size_t i;

	json_array_foreach (json_object_get(trace, "steps"), i, step)
		if (strcmp(text_of(step, "stage"), stage) == 0 &&
		    strcmp(text_of(step, "lookup"), lookup) == 0)
			return text_of(step, "result");
	return "";
}

static inline void assert_step(const json_t *trace, const char *stage,
			       const char *lookup, const char *says)
{
	CLO_AUTO_MEM char *all = NULL;

	if (strstr(step_of(trace, stage, lookup), says))
		return;
	all = json_dumps(json_object_get(trace, "steps"), JSON_INDENT(1));
	fail_msg("%s %s does not say \"%s\" in %s", stage, lookup, says, all);
}

static inline json_t *bytes(struct site *site, const char *in, const char *hex)
{
	uint8_t frame[2048];
	size_t n = strlen(hex) / 2;
	json_t *trace;

	assert_int_equal(clo_hex_decode(hex, n, frame), 0);
	trace = clo_trace_by_frame(site->tracer, in, frame, n, &site->run,
				   site->text);
	if (!trace)
		fail_msg("%s: %s", in, site->text);
	return trace;
}

#define SHOP "525400000001"
#define BASE "525400000002"
#define A "acme/production/"
