/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "unit/judged.h"

/*
 * Small policies over one fixed set of endpoints, and what they mean: the
 * verdict on every packet between a few ends that stand for all of them. Ends
 * and services lie at both sides of each border that a rule may draw.
 */
struct meaning_rule {
	size_t scope; /* of meaning_scopes */
	const char *from, *to, *ports;
};

#define MEANING_RULES_MAX 12

struct meaning_spec {
	struct meaning_rule rules[MEANING_RULES_MAX];
	size_t n;
};

static const struct {
	const char *tenant;
	enum clo_environment environment;
} meaning_scopes[] = {
	{"acme", CLO_ENV_PRODUCTION},
	{"acme", CLO_ENV_TEST},
	{"bolt", CLO_ENV_PRODUCTION},
};

#define MEANING_SCOPES CLO_ARRAY_LEN(meaning_scopes)

/* An end of a packet. */
struct meaning_end {
	uint32_t space; /* of an endpoint; 0: outside */
	const char *address;
};

static const struct meaning_end meaning_ends[] = {
	{7, "10.0.0.1"},      {7, "fd00::1"},     {7, "10.0.0.2"},
	{7, "10.0.0.3"},      {7, "10.0.0.4"},    {7, "10.0.1.1"},
	{7, "10.0.2.1"},      {9, "10.0.0.1"},    {9, "10.0.0.9"},
	{0, "10.0.0.0"},      {0, "10.0.0.1"},    {0, "10.0.0.2"},
	{0, "10.0.0.4"},      {0, "fd00::1"},     {0, "1.0.0.0"},
	{0, "7.255.255.255"}, {0, "8.0.0.0"},     {0, "8.0.255.255"},
	{0, "8.1.0.0"},       {0, "8.1.255.255"}, {0, "8.2.0.0"},
	{0, "8.127.255.255"}, {0, "8.128.0.0"},   {0, "8.255.255.255"},
	{0, "9.0.0.0"},       {0, "10.0.0.200"},  {0, "10.0.1.200"},
	{0, "172.16.0.1"},    {0, "169.254.1.1"}, {0, "255.255.255.25"},
	{0, "1::"},           {0, "fd00::2"},     {0, "fd01::"},
	{0, "ffff::"},
};

#define MEANING_ENDS CLO_ARRAY_LEN(meaning_ends)

static const struct meaning_service {
	uint8_t proto;
	uint16_t number;
} meaning_services[] = {
	{6, 0},   {6, 79},   {6, 80},  {6, 81},  {6, 82},  {6, 442}, {6, 443},
	{6, 444}, {17, 52},  {17, 53}, {17, 54}, {132, 1}, {1, 7},   {1, 8},
	{1, 9},   {58, 128}, {47, 0},  {50, 0},  {89, 0},  {90, 0},
};

#define MEANING_SERVICES CLO_ARRAY_LEN(meaning_services)
#define MEANING_BITS (MEANING_ENDS * MEANING_ENDS * MEANING_SERVICES)

/* Endpoints, a node with a service, and the rules but number `skip`. */
static inline struct made *meaning_policy(const struct meaning_spec *spec,
					  size_t skip)
{
	struct made *made = made_new();

	made_tenant(made, "acme", 7);
	made_tenant(made, "bolt", 9);
	made_node(made, "172.16.0.1");
	made_service(made, "dns", true, "169.254.1.1", "udp/53");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB,
		      "10.0.0.1,fd00::1");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.2");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.3");
	made_endpoint(made, "acme", CLO_ENV_PRODUCTION, 1, WEB | APP,
		      "10.0.0.4");
	made_endpoint(made, "acme", CLO_ENV_TEST, 0, WEB, "10.0.1.1");
	made_endpoint(made, "acme", CLO_ENV_TEST, 1, DB, "10.0.2.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, WEB, "10.0.0.1");
	made_endpoint(made, "bolt", CLO_ENV_PRODUCTION, 0, DB, "10.0.0.9");
	for (size_t i = 0; i < spec->n; i++) {
		const struct meaning_rule *rule = &spec->rules[i];

		if (i != skip)
			made_rule(made, meaning_scopes[rule->scope].tenant,
				  meaning_scopes[rule->scope].environment,
				  rule->from, rule->to, rule->ports);
	}
	return made;
}

/* Nobody's space: there, addresses are outside. */
#define MEANING_OUTSIDE 99

static inline uint32_t meaning_identity(const struct clo_compiled *compiled,
					size_t end)
{
	uint32_t space = meaning_ends[end].space;

	return side_of(compiled, space ? space : MEANING_OUTSIDE,
		       meaning_ends[end].address)
		.identity;
}

/* Every verdict: the rule that allows it or 0; the caller frees them. */
static inline uint32_t *meaning_of(const struct clo_compiled *compiled)
{
	uint32_t *rules = calloc(MEANING_BITS, sizeof(*rules));
	const struct clo_view view = {compiled->tables};
	uint32_t identities[MEANING_ENDS];
	struct clo_verdict verdict;

	assert(rules);
	for (size_t i = 0; i < MEANING_ENDS; i++)
		identities[i] = meaning_identity(compiled, i);
	for (size_t at = 0; at < MEANING_BITS; at++) {
		size_t pair = at / MEANING_SERVICES;
		const struct meaning_service *service =
			&meaning_services[at % MEANING_SERVICES];

		clo_judge_pair(&view, identities[pair / MEANING_ENDS],
			       identities[pair % MEANING_ENDS], service->proto,
			       service->number, &verdict);
		if (verdict.drop == CLO_DROP_NONE)
			rules[at] = verdict.rule;
	}
	return rules;
}

static inline bool meaning_equal(const uint32_t *a, const uint32_t *b)
{
	for (size_t i = 0; i < MEANING_BITS; i++)
		if ((a[i] != 0) != (b[i] != 0))
			return false;
	return true;
}

static uint32_t dice; /* state of the generator: a failure names its seed */

static inline uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 17;
	dice ^= dice << 5;
	return dice % sides;
}

static inline const char *meaning_peer(bool to)
{
	static const char *const peers[] = {
		"web",          "db",
		"app",          "ops", /* nobody's */
		"front",        "back",
		"0.0.0.0/0",    "8.0.0.0/8",
		"8.0.0.0/9",    "8.128.0.0/9",
		"8.1.0.0/16",   "8.0.0.0/8-8.1.0.0/16",
		"10.0.0.0/8",   "10.0.0.1/32",
		"10.0.0.2/31",  "::/0",
		"fd00::/16",    "acme/production/web",
		"acme/test/db", "bolt/production/front",
		"@dns",
	};

	return peers[roll((uint32_t)CLO_ARRAY_LEN(peers) - !to)];
}

static inline struct meaning_rule meaning_roll_rule(void)
{
	static const char *const ports[] = {
		"tcp/80", "tcp/80-81",      "tcp/81-443", "tcp",     "udp/53",
		"icmp",   "icmp/8",         "any",        "gre",     "proto/89",
		"udp",    "tcp/443,udp/53", "any,gre",    "tcp/443",
	};
	struct meaning_rule rule;

	rule.scope = roll(MEANING_SCOPES);
	rule.from = meaning_peer(false);
	rule.to = meaning_peer(true);
	rule.ports = ports[roll(CLO_ARRAY_LEN(ports))];
	return rule;
}

static inline void meaning_roll(uint32_t seed, struct meaning_spec *ret_spec)
{
	dice = seed * 2654435761U;
	*ret_spec = (struct meaning_spec){0};
	ret_spec->n = 1 + roll(MEANING_RULES_MAX - 2);
	for (size_t i = 0; i < ret_spec->n; i++)
		ret_spec->rules[i] = meaning_roll_rule();
}
