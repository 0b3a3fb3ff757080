/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "policy/address.h"
#include "policy_base.h"

static int parse(const struct clo_document *documents, size_t n,
		 struct clo_policy **ret_policy, struct clo_flaws **ret_flaws)
{
	assert_int_equal(clo_flaws_new(ret_flaws), 0);
	return clo_policy_parse(documents, n, POLICY_NOW, ret_policy,
				*ret_flaws);
}

static struct clo_policy *parse_base(void)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document base[BASE_COUNT];
	struct clo_policy *policy = NULL;

	base_read(base);
	assert_int_equal(parse(base, BASE_COUNT, &policy, &flaws), 0);
	assert_int_equal(clo_flaws_count(flaws), 0);
	base_done(base);
	return policy;
}

static void assert_cidr(const struct clo_cidr *cidr, const char *expected)
{
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(cidr, text);
	assert_string_equal(text, expected);
}

static void models_the_node(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_node_doc *node = &policy->node;

	(void)state;
	assert_string_equal(node->name, "node-1");
	assert_int_equal(node->n_bridges, 2);
	assert_string_equal(node->bridges[0], "clobr0");
	assert_int_equal(node->n_uplinks, 2);
	assert_string_equal(node->uplinks[0].interface, "eth0");
	assert_int_equal(node->n_addresses, 2);
	assert_cidr(&node->addresses[1], "fd00::1");
	assert_int_equal(node->n_national, 3);
	assert_cidr(&node->national[0], "196.200.0.0/16");

	assert_int_equal(node->n_services, 2);
	assert_string_equal(node->services[0].name, "dns");
	assert_false(node->services[0].node);
	assert_int_equal(node->services[0].n_addresses, 2);
	assert_cidr(&node->services[0].addresses[1], "203.0.113.128/25");
	assert_int_equal(node->services[0].n_ports, 2);
	assert_int_equal(node->services[0].ports[0].proto, IPPROTO_UDP);
	assert_true(node->services[1].node);
}

static void models_responses(void **state)
{
	static const char text[] =
		"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Node\", "
		"\"name\": \"n\", \"bridges\": [\"b\"], \"sandbox\": {"
		"\"uids\": {\"first\": 1000, \"count\": 1}, "
		"\"systemCalls\": \"deny-list\", "
		"\"response\": \"repair\", \"responses\": {"
		"\"sto.no-shared-residual\": \"suspend\", "
		"\"sbx.device-surface\": \"report\", "
		"\"sbx.guest-confinement\": \"quarantine\"}}}";
	const struct clo_document document = {"n.json", text, strlen(text)};
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	const struct clo_sandbox_doc *sandbox;

	(void)state;
	assert_int_equal(parse(&document, 1, &policy, &flaws), 0);
	sandbox = &policy->node.sandbox;
	assert_true(sandbox->deny_list);
	assert_int_equal(sandbox->response, CLO_RESPONSE_REPAIR);
	assert_int_equal(sandbox->n_responses, 3);
	assert_string_equal(sandbox->responses[0].control,
			    "sbx.device-surface");
	assert_int_equal(sandbox->responses[0].response, CLO_RESPONSE_REPORT);
	assert_int_equal(sandbox->responses[1].response,
			 CLO_RESPONSE_QUARANTINE);
	assert_int_equal(sandbox->responses[2].response, CLO_RESPONSE_SUSPEND);
	assert_string_equal(clo_response_name(CLO_RESPONSE_SUSPEND), "suspend");
	/* each is stricter than the one before */
	assert_true(CLO_RESPONSE_REPORT < CLO_RESPONSE_REPAIR &&
		    CLO_RESPONSE_REPAIR < CLO_RESPONSE_QUARANTINE &&
		    CLO_RESPONSE_QUARANTINE < CLO_RESPONSE_SUSPEND);
}

static void models_a_tenant(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_tenant_doc *acme = &policy->tenants[0];
	const struct clo_scope_doc *production =
		&acme->scopes[CLO_ENV_PRODUCTION];

	(void)state;
	assert_int_equal(policy->n_tenants, 2);
	assert_string_equal(acme->name, "acme");
	assert_int_equal(acme->qualification, 2);
	assert_true(acme->test_dev);
	assert_int_equal(acme->n_services, 2);
	assert_ptr_equal(acme->services[0], &policy->node.services[0]);

	assert_true(production->present);
	assert_int_equal(production->environment, CLO_ENV_PRODUCTION);
	assert_int_equal(production->n_segments, 2);
	assert_string_equal(production->segments[0].name, "back");
	assert_string_equal(production->segments[1].name, "front");
	assert_cidr(&production->segments[1].cidrs[1], "fd00:1::/64");
	assert_int_equal(production->n_groups, 2);
	assert_string_equal(production->groups[0], "db");

	assert_false(policy->tenants[1].test_dev);
	assert_int_equal(policy->tenants[1].qualification, 1);
	assert_false(policy->tenants[1].scopes[CLO_ENV_TEST].present);
}

static void models_rules(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_tenant_doc *acme = &policy->tenants[0];
	const struct clo_scope_doc *production =
		&acme->scopes[CLO_ENV_PRODUCTION];
	const struct clo_rule_doc *rules = production->rules;
	const struct clo_rule_doc *try = acme->scopes[CLO_ENV_TEST].rules;

	(void)state;
	assert_int_equal(production->n_rules, 3);
	assert_string_equal(rules[0].full, "acme/production/web-to-db");
	assert_string_equal(rules[0].file, "acme.json");
	assert_int_equal(rules[0].line, 16);
	assert_int_equal(rules[2].line, 27);
	assert_int_equal(rules[0].from.kind, CLO_PEER_GROUP);
	assert_ptr_equal(rules[0].from.tenant, acme);
	assert_int_equal(rules[0].from.index, 1);
	assert_int_equal(rules[0].to.index, 0);
	assert_int_equal(rules[0].ports[0].first, 5432);

	assert_int_equal(rules[1].from.kind, CLO_PEER_SEGMENT);
	assert_int_equal(rules[1].from.index, 1);
	assert_ptr_equal(rules[1].to.service, &policy->node.services[0]);
	assert_ptr_equal(rules[1].ports, policy->node.services[0].ports);
	assert_int_equal(rules[1].n_ports, 2);

	assert_int_equal(rules[2].from.kind, CLO_PEER_CIDR);
	assert_cidr(&rules[2].from.cidr, "196.0.0.0/8");
	assert_int_equal(rules[2].from.n_except, 1);
	assert_cidr(&rules[2].from.except[0], "196.200.7.0/24");
	assert_int_equal(rules[2].n_ports, 4);

	assert_int_equal(try->to.environment, CLO_ENV_DEVELOPMENT);
	assert_int_equal(try->to.index, 0);
	assert_true(try->ports[0].any);
}

static void models_workloads(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_workload_doc *blog = &policy->workloads[0];
	const struct clo_workload_doc *shop = &policy->workloads[1];
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0xaa, 0, 2};

	(void)state;
	assert_int_equal(policy->n_workloads, 2);
	assert_string_equal(blog->uuid, "6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b11");
	assert_null(blog->domain);
	assert_ptr_equal(blog->tenant, &policy->tenants[1]);
	assert_string_equal(shop->domain, "acme shop");
	assert_null(shop->uuid);
	assert_int_equal(shop->n_interfaces, 2);
	assert_string_equal(shop->interfaces[0].device, "tap0");
	assert_string_equal(shop->interfaces[1].name, "acme/production/shop/1");
	assert_null(shop->interfaces[1].device);
	assert_memory_equal(shop->interfaces[1].mac, mac, sizeof(mac));
	assert_int_equal(shop->interfaces[1].n_groups, 2);
	assert_int_equal(shop->interfaces[1].groups[0], 0);
	assert_int_equal(shop->interfaces[1].groups[1], 1);
	assert_cidr(&shop->interfaces[0].addresses[0], "10.0.0.5");
	assert_string_equal(shop->interfaces[0].segment->name, "front");
}

static void models_an_exception(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_exception_doc *exception = policy->exceptions;

	(void)state;
	assert_int_equal(policy->n_exceptions, 1);
	assert_string_equal(exception->control, "env.prod-nonprod-deny");
	assert_string_equal(exception->risk_analysis, "RA-2026-014");
	assert_int_equal(exception->not_before, 1767225600);
	assert_int_equal(exception->not_after, 1798761599);
	assert_int_equal(exception->n_rules, 2);
	assert_string_equal(exception->rules[0], "acme/production/public");
}

/* Numbers that a kernel of another version may hold: they cannot change. */
static void ids_are_stable(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	const struct clo_tenant_doc *acme = &policy->tenants[0];

	(void)state;
	/* printf %s space/acme | sha256sum, and so on. */
	assert_int_equal(acme->space, 0xf7bfcc);
	assert_int_equal(acme->scopes[CLO_ENV_PRODUCTION].segments[1].id,
			 0x10138f8f);
	assert_int_equal(policy->workloads[1].interfaces[0].endpoint,
			 0x1f85ec7e);
}

static void shuffle(json_t **items, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rand() % i;
		json_t *swap = items[i - 1];

		items[i - 1] = items[j];
		items[j] = swap;
	}
}

/* A copy with all members in another order. */
static json_t *mix(json_t *json)
{
	const char *keys[32];
	json_t *mixed, *value;
	const char *key;
	size_t n = 0, i;

	if (json_is_array(json)) {
		mixed = json_array();
		json_array_foreach (json, i, value)
			(void)json_array_append_new(mixed, mix(value));
		return mixed;
	}
	if (!json_is_object(json))
		return json_deep_copy(json);

	json_object_foreach (json, key, value)
		keys[n++] = key;
	mixed = json_object();
	while (n > 0) {
		i = (size_t)rand() % n;
		(void)json_object_set_new(mixed, keys[i],
					  mix(json_object_get(json, keys[i])));
		keys[i] = keys[--n];
	}
	return mixed;
}

/* Each document of the base as a file of its own, in any order. */
static size_t split_base(json_t *ret_items[16])
{
	struct clo_document base[BASE_COUNT];
	size_t n = 0;

	base_read(base);
	for (size_t i = 0; i < BASE_COUNT; i++) {
		json_t *json = json_loadb(base[i].text, base[i].len, 0, NULL);
		size_t k = 0;
		json_t *item;

		if (json_is_array(json)) {
			json_array_foreach (json, k, item)
				ret_items[n++] = json_incref(item);
			json_decref(json);
		} else {
			ret_items[n++] = json;
		}
	}
	base_done(base);
	return n;
}

static void assert_same_numbers(const struct clo_policy *a,
				const struct clo_policy *b)
{
	assert_memory_equal(a->digest, b->digest, sizeof(a->digest));
	assert_int_equal(a->n_tenants, b->n_tenants);
	assert_int_equal(a->n_workloads, b->n_workloads);
	for (size_t i = 0; i < a->n_tenants; i++)
		assert_int_equal(a->tenants[i].space, b->tenants[i].space);
	for (size_t i = 0; i < a->n_workloads; i++)
		assert_string_equal(a->workloads[i].name, b->workloads[i].name);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(
			a->tenants[0].scopes[CLO_ENV_PRODUCTION].rules[i].full,
			b->tenants[0].scopes[CLO_ENV_PRODUCTION].rules[i].full);
}

static void order_does_not_matter(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	json_t *items[16];
	size_t n = split_base(items);

	(void)state;
	srand(1);
	for (int round = 0; round < 50; round++) {
		CLO_AUTO(clo_policy) struct clo_policy *again = NULL;
		CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
		struct clo_document documents[16];
		char *texts[16];

		shuffle(items, n);
		for (size_t i = 0; i < n; i++) {
			json_t *mixed = mix(items[i]);

			texts[i] = json_dumps(mixed, JSON_INDENT(1));
			json_decref(mixed);
			documents[i] = (struct clo_document){"f", texts[i],
							     strlen(texts[i])};
		}
		assert_int_equal(parse(documents, n, &again, &flaws), 0);
		assert_same_numbers(policy, again);
		for (size_t i = 0; i < n; i++)
			free(texts[i]);
	}
	for (size_t i = 0; i < n; i++)
		json_decref(items[i]);
}

static void digest_tells_policies_apart(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = parse_base();
	CLO_AUTO(clo_policy) struct clo_policy *other = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document base[BASE_COUNT];

	(void)state;
	base_read(base);
	assert_int_equal(parse(base, BASE_COUNT - 1, &other, &flaws), 0);
	assert_memory_not_equal(policy->digest, other->digest,
				sizeof(policy->digest));
	base_done(base);
}

/* Many workloads: sorting and searching, no loop inside a loop. */
static char *make_workloads(size_t n)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < n; i++) {
		char name[32], mac[32], address[32];

		(void)snprintf(name, sizeof(name), "w%zu", i);
		(void)snprintf(mac, sizeof(mac), "02:00:00:%02zx:%02zx:%02zx",
			       i >> 16 & 255, i >> 8 & 255, i & 255);
		(void)snprintf(address, sizeof(address), "fd00:1::%zx", i + 1);
		(void)json_array_append_new(
			list,
			json_pack("{ss ss ss ss ss s[{ss ss s[s] s[s]}]}",
				  "apiVersion", "cloison/v1", "kind",
				  "Workload", "name", name, "tenant", "acme",
				  "environment", "production", "interfaces",
				  "mac", mac, "segment", "front", "addresses",
				  address, "groups", "web"));
	}
	text = json_dumps(list, JSON_INDENT(1));
	json_decref(list);
	return text;
}

static void ten_thousand_workloads_in_seconds(void **state)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_document base[BASE_COUNT];
	char *text = make_workloads(10000);
	clock_t begin, took;

	(void)state;
	base_read(base);
	document_done(&base[3]);
	base[3] = (struct clo_document){"many", text, strlen(text)};
	begin = clock();
	assert_int_equal(parse(base, BASE_COUNT, &policy, &flaws), 0);
	took = clock() - begin;
	assert_int_equal(policy->n_workloads, 10000);
	print_message("10,000 workloads: %ld ms\n",
		      (long)(took * 1000 / CLOCKS_PER_SEC));
	/* Ten times the usual: quadratic work takes a hundred times as long. */
	assert_true(took < 3 * CLOCKS_PER_SEC);
	base_done(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_the_node),
		cmocka_unit_test(models_responses),
		cmocka_unit_test(models_a_tenant),
		cmocka_unit_test(models_rules),
		cmocka_unit_test(models_workloads),
		cmocka_unit_test(models_an_exception),
		cmocka_unit_test(ids_are_stable),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(digest_tells_policies_apart),
		cmocka_unit_test(ten_thousand_workloads_in_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
