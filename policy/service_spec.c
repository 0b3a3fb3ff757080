/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/service_spec.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"

static const struct proto {
	const char *name;
	uint8_t number;

	enum {
		PROTO_PORTS, /* a port range is needed */
		PROTO_TYPES, /* a type may follow */
		PROTO_ALONE,
	} kind;
} protos[] = {
	{"tcp", IPPROTO_TCP, PROTO_PORTS},
	{"udp", IPPROTO_UDP, PROTO_PORTS},
	{"sctp", IPPROTO_SCTP, PROTO_PORTS},
	{"icmp", IPPROTO_ICMP, PROTO_TYPES},
	{"icmpv6", IPPROTO_ICMPV6, PROTO_TYPES},
	{"esp", IPPROTO_ESP, PROTO_ALONE},
	{"ah", IPPROTO_AH, PROTO_ALONE},
	{"gre", IPPROTO_GRE, PROTO_ALONE},
	{"ipip", IPPROTO_IPIP, PROTO_ALONE},
	{"ipv6", IPPROTO_IPV6, PROTO_ALONE},
};

const char *clo_proto_name(uint8_t number)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++)
		if (protos[i].number == number)
			return protos[i].name;
	return NULL;
}

bool clo_proto_find(const char *name, uint8_t *ret_number)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++)
		if (strcmp(protos[i].name, name) == 0) {
			*ret_number = protos[i].number;
			return true;
		}
	return false;
}

const uint8_t clo_encapsulations[CLO_ENCAPSULATIONS] = {
	4, /* IPv4 */
	41, /* IPv6 */
	47, /* GRE */
	50, /* ESP */
	51, /* AH */
	55, /* minimal encapsulation */
	94, /* IPIP of KA9Q */
	97, /* EtherIP */
	98, /* RFC 1241 */
	99, /* any private encryption */
	108, /* IP payload compression */
	115, /* L2TP */
	137, /* MPLS in IP */
};

bool clo_proto_is_encapsulation(uint8_t number)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(clo_encapsulations); i++)
		if (clo_encapsulations[i] == number)
			return true;
	return false;
}

static const struct proto *find_proto(const char *name, size_t len)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++)
		if (strlen(protos[i].name) == len &&
		    memcmp(protos[i].name, name, len) == 0)
			return &protos[i];
	return NULL;
}

/* Digits without sign or leading zero; moves *text past them. */
static int parse_number(const char **text, uint32_t *ret_number)
{
	const char *p = *text;
	uint32_t number = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return -EINVAL;

	for (; *p >= '0' && *p <= '9'; p++)
		if (number <= UINT16_MAX)
			number = 10 * number + (uint32_t)(*p - '0');
	*text = p;
	*ret_number = number;
	return 0;
}

static const char *parse_ports(const char *text, struct clo_service_spec *spec)
{
	uint32_t first, last;

	if (parse_number(&text, &first) < 0)
		return "the port is not a decimal number";
	last = first;
	if (*text == '-') {
		text++;
		if (parse_number(&text, &last) < 0)
			return "the last port is not a decimal number";
	}
	if (*text)
		return "there is more behind the port";
	if (first == 0 || first > UINT16_MAX || last == 0 || last > UINT16_MAX)
		return "a port is 1 to 65535";
	if (first > last)
		return "the first port is above the last";

	spec->first = (uint16_t)first;
	spec->last = (uint16_t)last;
	return NULL;
}

static const char *parse_type(const char *text, struct clo_service_spec *spec)
{
	uint32_t type;

	if (parse_number(&text, &type) < 0 || *text)
		return "the ICMP type is not one decimal number";
	if (type > UINT8_MAX)
		return "an ICMP type is 0 to 255";

	spec->first = spec->last = (uint16_t)type;
	return NULL;
}

/* "proto/N": a protocol that has no ports, types or name of its own. */
static const char *parse_proto(const char *text, struct clo_service_spec *spec)
{
	const char *named;
	uint32_t number;

	if (*text != '/')
		return "the protocol number is missing";
	text++;
	if (parse_number(&text, &number) < 0 || *text)
		return "the protocol is not one decimal number";
	if (number > UINT8_MAX)
		return "a protocol is 0 to 255";

	named = clo_proto_name((uint8_t)number);
	for (size_t i = 0; named && i < CLO_ARRAY_LEN(protos); i++)
		if (protos[i].number == number && protos[i].kind != PROTO_ALONE)
			return "this protocol is written by its name";
	spec->proto = (uint8_t)number;
	return NULL;
}

static const char *parse_known(const struct proto *proto, const char *rest,
			       struct clo_service_spec *spec)
{
	spec->proto = proto->number;
	switch (proto->kind) {
	case PROTO_PORTS:
		return *rest ? parse_ports(rest + 1, spec)
			     : "the port is missing";
	case PROTO_TYPES:
		spec->last = UINT8_MAX;
		return *rest ? parse_type(rest + 1, spec) : NULL;
	case PROTO_ALONE:
		break;
	}
	return *rest ? "this protocol has no ports" : NULL;
}

int clo_service_spec_parse(const char *text, struct clo_service_spec *ret_spec,
			   const char **reterr_text)
{
	const char *slash = strchrnul(text, '/');
	const struct proto *proto;
	struct clo_service_spec spec = {0};
	const char *wrong = NULL;

	if (strcmp(text, "any") == 0) {
		*ret_spec = (struct clo_service_spec){.any = true};
		return 0;
	}

	proto = find_proto(text, (size_t)(slash - text));
	if (proto)
		wrong = parse_known(proto, slash, &spec);
	else if (strncmp(text, "proto", (size_t)(slash - text)) == 0 &&
		 slash - text == (ptrdiff_t)strlen("proto"))
		wrong = parse_proto(slash, &spec);
	else
		wrong = "the protocol is not known";
	if (wrong) {
		*reterr_text = wrong;
		return -EINVAL;
	}

	*ret_spec = spec;
	return 0;
}

/* All of its protocol. */
static bool is_whole(const struct clo_service_spec *spec)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++) {
		if (protos[i].number != spec->proto)
			continue;
		return protos[i].kind == PROTO_ALONE ||
		       (protos[i].kind == PROTO_TYPES && spec->first == 0 &&
			spec->last == UINT8_MAX);
	}
	return false;
}

void clo_service_spec_format(const struct clo_service_spec *spec,
			     char ret_text[CLO_SERVICE_SPEC_TEXT])
{
	const char *name = "any";

	if (!spec->any)
		name = clo_proto_name(spec->proto);
	if (!name)
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "proto/%u",
			       spec->proto);
	else if (spec->any || is_whole(spec))
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s", name);
	else if (spec->first == spec->last)
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s/%u", name,
			       spec->first);
	else
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s/%u-%u",
			       name, spec->first, spec->last);
}
