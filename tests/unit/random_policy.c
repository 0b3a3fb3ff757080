/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/random_policy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct dice dice_new(uint64_t seed)
{
	struct dice dice = {(seed + 1) * 0x9e3779b97f4a7c15ULL};

	for (int i = 0; i < 4; i++)
		(void)roll(&dice, 2);
	return dice;
}

uint32_t roll(struct dice *dice, uint32_t sides)
{
	dice->state ^= dice->state << 13;
	dice->state ^= dice->state >> 7;
	dice->state ^= dice->state << 17;
	return (uint32_t)(dice->state >> 33) % sides;
}

time_t random_now(uint64_t seed)
{
	static const time_t times[] = {RANDOM_BEGIN - 1, RANDOM_BEGIN,
				       RANDOM_END - 1, RANDOM_END};

	return times[seed % 4];
}

#define NETS 6 /* 10.0.n.0/24 and fd00::n:0/112 */
#define HOSTS 18 /* of a net: its first and its last */
#define TEXT 800

struct drawing {
	struct made *made;
	struct dice dice;
	bool wild;
	bool many; /* services: rows of more than one word */
	bool own_spaces[2]; /* by tenant: one for each environment */
	bool taken[2][4][2][NETS][HOSTS]; /* by space and family */
};

static void append(char *buffer, const char *more)
{
	size_t n = strlen(buffer);
	int r = snprintf(buffer + n, TEXT - n, "%s", more);

	assert(r >= 0 && (size_t)r < TEXT - n);
}

static void put_address(char *buffer, bool v6, uint32_t net, uint32_t host)
{
	uint32_t last = host < HOSTS / 2 ? host : 256 - HOSTS + host;
	char text[40];

	if (v6)
		(void)snprintf(text, sizeof(text), "fd00::%x:%x", net,
			       last > 255 - HOSTS ? 0xff00 + last : last);
	else
		(void)snprintf(text, sizeof(text), "10.0.%u.%u", net, last);
	append(buffer, text);
}

static void put_random(struct drawing *drawing, char *buffer)
{
	struct dice *dice = &drawing->dice;
	bool v6 = roll(dice, 3) == 0;
	uint32_t net = roll(dice, roll(dice, 3) ? 3 : NETS);

	put_address(buffer, v6, net, roll(dice, HOSTS));
}

static const unsigned int bits4[] = {0, 7, 8, 21, 22, 23, 24, 28, 30, 31, 32};
static const unsigned int bits6[] = {0,   8,   96,  109, 110, 111,
				     112, 113, 124, 126, 127, 128};

static struct clo_cidr parse_block(const char *text)
{
	struct clo_cidr block = {0};
	int r = clo_cidr_parse(text, CLO_FORM_EITHER, &block);

	assert(r == 0 || r == -EDOM);
	return block;
}

/* Masked; in few cases, after some tries, no part of `outer` (NULL: none). */
static bool put_block(struct drawing *drawing, char *buffer,
		      const struct clo_cidr *outer)
{
	struct dice *dice = &drawing->dice;
	struct clo_cidr block;
	char text[TEXT];
	int tries = 0;

	do {
		bool v6;

		text[0] = '\0';
		put_random(drawing, text);
		v6 = strchr(text, ':') != NULL;
		(void)snprintf(text + strlen(text), 8, "/%u",
			       v6 ? bits6[roll(dice, CLO_ARRAY_LEN(bits6))]
				  : bits4[roll(dice, CLO_ARRAY_LEN(bits4))]);
		block = parse_block(text);
	} while (outer && ++tries < 12 &&
		 (!clo_cidr_contains(outer, &block) ||
		  outer->bits == block.bits));
	if (tries == 12)
		return false;
	clo_cidr_format(&block, text);
	append(buffer, text);
	if (!strchr(text, '/'))
		append(buffer, block.family == 4 ? "/32" : "/128");
	return true;
}

static void put_cidr(struct drawing *drawing, char *buffer)
{
	size_t begin = strlen(buffer);
	struct clo_cidr outer;
	uint32_t n;

	(void)put_block(drawing, buffer, NULL);
	outer = parse_block(buffer + begin);
	for (n = roll(&drawing->dice, 3); n > 0; n--) {
		char except[TEXT] = "-";

		/* None twice, and none that only begins like another. */
		if (put_block(drawing, except, drawing->wild ? NULL : &outer) &&
		    !strstr(buffer + begin, except))
			append(buffer, except);
	}
}

static const char *const environments[] = {"", "production", "test",
					   "development"};
static const char *const groups[] = {"web", "db",    "app",
				     "ops", "front", "back"};
static const char *const services[] = {"dhcp", "dhcp6",  "dns",
				       "meta", "mirror", "ra"};

/* Some scopes are larger than others. */
static enum clo_environment any_environment(struct dice *dice)
{
	uint32_t pick = roll(dice, 6);

	return pick < 3   ? CLO_ENV_PRODUCTION
	       : pick < 5 ? CLO_ENV_TEST
			  : CLO_ENV_DEVELOPMENT;
}

static size_t any_tenant(struct dice *dice)
{
	return roll(dice, 3) == 0;
}

static void put_other_scope(struct drawing *drawing, size_t tenant,
			    enum clo_environment own, char *buffer)
{
	struct dice *dice = &drawing->dice;
	size_t other = any_tenant(dice);
	enum clo_environment environment = any_environment(dice);
	char text[TEXT];

	/* Between two spaces of one tenant the parser allows no rule. */
	if (other == tenant && drawing->own_spaces[tenant] && !drawing->wild)
		environment = own;
	(void)snprintf(text, sizeof(text), "%s/%s/%s",
		       drawing->made->policy.tenants[other].name,
		       environments[environment], groups[roll(dice, 6)]);
	append(buffer, text);
}

/* Anything that a rule can name. */
static void put_peer(struct drawing *drawing, size_t tenant,
		     enum clo_environment environment, bool to, char *buffer)
{
	struct dice *dice = &drawing->dice;

	switch (roll(dice, to ? 9 : 6)) {
	case 0:
	case 1:
		append(buffer, groups[roll(dice, 6)]);
		return;
	case 2:
		put_other_scope(drawing, tenant, environment, buffer);
		return;
	case 7:
	case 8:
		append(buffer, "@");
		append(buffer, services[roll(dice, 6)]);
		return;
	default:
		put_cidr(drawing, buffer);
	}
}

static void put_ports(struct drawing *drawing, char *buffer)
{
	static const char *const ports[] = {
		"any", "tcp/1", "tcp/65535", "tcp/10-20", "tcp/15-30", "tcp/15",
		"tcp/21-30", "udp/1-65535", "udp/10-20", "sctp/5", "sctp/1-5",
		"icmp", "icmp/8", "icmpv6", "icmpv6/255", "icmp/0", "tcp/1-9",
		"udp/65535", "udp/20", "gre", "proto/4", "proto/89",
		"proto/255", "tcp/1-65534",
		/* The parser knows no port 0, and types one by one. */
		"tcp", "tcp/0", "udp/0-65534", "udp", "sctp/0-5", "icmpv6/0-10",
		"icmp/9-255"};
	const uint32_t n_ports = CLO_ARRAY_LEN(ports) - (drawing->wild ? 0 : 7);
	bool used[CLO_ARRAY_LEN(ports)] = {false};
	uint32_t n = 1 + roll(&drawing->dice, 3);

	for (uint32_t i = 0; i < n; i++) {
		size_t pick = roll(&drawing->dice, 12)
				      ? 1 + roll(&drawing->dice, n_ports - 1)
				      : 0;

		if (used[pick])
			continue;
		used[pick] = true;
		append(buffer, *buffer ? "," : "");
		append(buffer, ports[pick]);
	}
}

static void put_many_ports(struct drawing *drawing, char *buffer)
{
	uint32_t n = 60 + roll(&drawing->dice, 20);
	char text[16];

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "%stcp/%u", i ? "," : "",
			       10 + 2 * i);
		append(buffer, text);
	}
}

/* The ports of a service: some make it a server. */
static const char *const service_ports[] = {"udp/67",        "udp/547,tcp/547",
					    "udp/53,tcp/53", "tcp/10-15",
					    "tcp/80",        "icmpv6/133"};

static bool has_all(const struct clo_node_doc *node)
{
	for (size_t i = 0; i < node->n_services; i++) {
		if (node->services[i].addresses[0].bits == 0)
			return true;
	}
	return false;
}

/* Of two addresses the first is the one that answers. */
static void put_server(struct drawing *drawing, bool v6, char *buffer)
{
	uint32_t net = roll(&drawing->dice, NETS - 1);
	bool two = roll(&drawing->dice, 2);

	put_address(buffer, v6, net, roll(&drawing->dice, HOSTS));
	if (!two)
		return;
	append(buffer, ",");
	put_address(buffer, v6, net + 1, roll(&drawing->dice, HOSTS));
}

static void put_node(const struct made *made, char *buffer)
{
	char text[CLO_CIDR_TEXT];

	clo_cidr_format(&made->policy.node.addresses[0], text);
	append(buffer, text);
}

static void draw_services(struct drawing *drawing)
{
	struct dice *dice = &drawing->dice;
	struct made *made = drawing->made;
	char text[TEXT] = "";

	for (int v6 = 0; v6 < 2; v6++) {
		append(text, v6 ? "," : "");
		put_address(text, v6, roll(dice, NETS), roll(dice, HOSTS));
	}
	made_node(made, text);
	for (size_t i = 0; i < CLO_ARRAY_LEN(services); i++) {
		text[0] = '\0';
		/* A server has an address of the family that asks for it. */
		if (i == 0 || i == 1 || i == 5)
			put_server(drawing, i != 0, text);
		else if (roll(dice, 4) == 0) /* a provider's, too */
			put_node(made, text);
		else if (roll(dice, 2))
			put_random(drawing, text);
		else
			(void)put_block(drawing, text, NULL);
		made_service(made, services[i], roll(dice, 3) != 0, text,
			     service_ports[i]);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(services); i++) {
		made_use(made, "acme", services[i]);
		made_use(made, "bolt", services[i]);
	}
	/* A block that is everything would overlap them. */
	if (roll(dice, 3) == 0 && !has_all(&made->policy.node))
		made_forensics(made, "192.0.2.0/24,2001:db8::/64");
}

/* Of the segment's own net, unless in the wild; none twice in a space. */
static void put_own_addresses(struct drawing *drawing, size_t tenant,
			      enum clo_environment environment, size_t segment,
			      char *buffer)
{
	struct dice *dice = &drawing->dice;
	bool own = drawing->own_spaces[tenant];
	size_t space = own ? environment : 0;
	size_t n = drawing->wild ? roll(dice, 4) : 1 + roll(dice, 3);

	for (int tries = 0; n > 0 && tries < 40; tries++) {
		bool v6 = roll(dice, 2);
		uint32_t host = 1 + roll(dice, HOSTS - 2); /* no edge */
		uint32_t net = drawing->wild ? roll(dice, 3)
			       : own         ? (uint32_t)segment
				     : (2 * ((uint32_t)environment - 1) +
					(uint32_t)segment);
		bool *taken = &drawing->taken[tenant][space][v6][net][host];

		if (*taken)
			continue;
		*taken = true;
		append(buffer, *buffer ? "," : "");
		put_address(buffer, v6, net, host);
		n--;
	}
}

static void draw_endpoint(struct drawing *drawing)
{
	struct dice *dice = &drawing->dice;
	size_t tenant = any_tenant(dice);
	enum clo_environment environment = any_environment(dice);
	size_t segment = roll(dice, 2);
	char text[TEXT] = "";

	put_own_addresses(drawing, tenant, environment, segment, text);
	if (!*text && !drawing->wild)
		return;
	made_endpoint(drawing->made, drawing->made->policy.tenants[tenant].name,
		      environment, segment, roll(dice, 16), text);
}

static void draw_rule(struct drawing *drawing)
{
	struct dice *dice = &drawing->dice;
	size_t tenant = any_tenant(dice);
	enum clo_environment environment = any_environment(dice);
	char ends[2][TEXT] = {"", ""};
	char ports[TEXT] = "";
	uint32_t mine =
		roll(dice, 2); /* the end that must be the scope's own */
	struct clo_rule_doc *rule;

	for (uint32_t i = 0; i < 2; i++) {
		if (i == mine && !drawing->wild)
			append(ends[i], groups[roll(dice, 6)]);
		else
			put_peer(drawing, tenant, environment, i == 1, ends[i]);
	}
	if (drawing->many && roll(dice, 4) == 0)
		put_many_ports(drawing, ports);
	else
		put_ports(drawing, ports);
	rule = made_rule(drawing->made,
			 drawing->made->policy.tenants[tenant].name,
			 environment, ends[0], ends[1], ports);
	if (rule->to.kind == CLO_PEER_SERVICE) {
		rule->ports = rule->to.service->ports;
		rule->n_ports = rule->to.service->n_ports;
	}
}

/* Of a rule that exists: two of its kind may list the same one. */
static void draw_exception(struct drawing *drawing)
{
	static const char *const controls[] = {
		"net.cross-tenant-deny", "env.prod-nonprod-deny",
		"net.no-bypass-path", "res.tenant-data-egress"};
	struct dice *dice = &drawing->dice;
	const struct clo_tenant_doc *tenant =
		&drawing->made->policy.tenants[roll(dice, 2)];
	const struct clo_scope_doc *scope = &tenant->scopes[1 + roll(dice, 3)];
	const char *control = controls[roll(dice, 4)];
	time_t begin = RANDOM_BEGIN + (time_t)(86400 * roll(dice, 2));

	if (scope->n_rules == 0)
		return;
	made_exception(drawing->made, control,
		       scope->rules[roll(dice, (uint32_t)scope->n_rules)].full,
		       begin, begin + 86400);
}

static void draw_tenants(struct drawing *drawing)
{
	struct made *made = drawing->made;
	static const char *const names[] = {"acme", "bolt"};

	made_tenant(made, names[0], 5);
	made_tenant(made, names[1], 6);
	for (uint32_t t = 0; t < 2; t++) {
		struct clo_tenant_doc *tenant = &made->policy.tenants[t];

		tenant->qualification = 1;
		tenant->test_dev = roll(&drawing->dice, 2);
		drawing->own_spaces[t] = roll(&drawing->dice, 4) == 0;
		for (uint32_t e = 1; e <= 3 && drawing->own_spaces[t]; e++)
			made_space(made, names[t], e, 10 + 4 * t + e);
	}
}

/* What is at home, for tenants who ask. */
static void draw_level_2(struct drawing *drawing)
{
	static const char *const national[] = {
		"10.0.0.0/22", "192.0.2.0/25,fd00::/64",
		"10.0.2.0/24,192.0.0.0/8,10.0.2.128/25", "fd00::2:0/112"};
	struct clo_policy *policy = &drawing->made->policy;

	if (roll(&drawing->dice, 3))
		return;
	for (uint32_t t = 0; t < 2; t++)
		policy->tenants[t].qualification =
			1 + (int)roll(&drawing->dice, 2);
	if (roll(&drawing->dice, 4))
		made_national(drawing->made, national[roll(&drawing->dice, 4)]);
}

static struct made *draw(uint64_t seed, enum random_kind kind, bool variant)
{
	struct drawing drawing = {.made = made_new(),
				  .dice = dice_new(seed),
				  .wild = kind == RANDOM_WILD};
	struct dice *dice = &drawing.dice;
	struct clo_policy *policy = &drawing.made->policy;
	struct clo_scope_doc *scope;

	drawing.many = roll(dice, 32) == 0;
	draw_tenants(&drawing);
	draw_services(&drawing);
	for (uint32_t n = 2 + roll(dice, 10); n > 0; n--)
		draw_endpoint(&drawing);
	for (uint32_t n = roll(dice, 30); n > 0; n--)
		draw_rule(&drawing);
	for (uint32_t n = roll(dice, 6); n > 3; n--)
		draw_exception(&drawing);
	draw_level_2(&drawing);
	if (!variant)
		return drawing.made;

	if (policy->n_workloads && roll(dice, 2))
		policy->n_workloads--;
	for (uint32_t n = roll(dice, 3); n > 0; n--)
		draw_endpoint(&drawing);
	scope = &policy->tenants[roll(dice, 2)].scopes[1 + roll(dice, 3)];
	if (scope->n_rules && policy->n_exceptions == 0)
		scope->n_rules--;
	for (uint32_t n = roll(dice, 3); n > 0; n--)
		draw_rule(&drawing);
	return drawing.made;
}

struct made *random_policy(uint64_t seed, enum random_kind kind)
{
	return draw(seed, kind, false);
}

struct made *random_variant(uint64_t seed, enum random_kind kind)
{
	return draw(seed, kind, true);
}
