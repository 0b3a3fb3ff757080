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
	bool ports; /* a port range is needed; else a type may follow */
} protos[] = {
	{"tcp", IPPROTO_TCP, true},        {"udp", IPPROTO_UDP, true},
	{"sctp", IPPROTO_SCTP, true},      {"icmp", IPPROTO_ICMP, false},
	{"icmpv6", IPPROTO_ICMPV6, false},
};

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
	if (!proto) {
		wrong = "the protocol is not known";
	} else {
		spec.proto = proto->number;
		spec.last = UINT8_MAX;
		if (proto->ports)
			wrong = *slash ? parse_ports(slash + 1, &spec)
				       : "the port is missing";
		else if (*slash)
			wrong = parse_type(slash + 1, &spec);
	}
	if (wrong) {
		*reterr_text = wrong;
		return -EINVAL;
	}

	*ret_spec = spec;
	return 0;
}

void clo_service_spec_format(const struct clo_service_spec *spec,
			     char ret_text[CLO_SERVICE_SPEC_TEXT])
{
	const char *name = "other";
	bool whole = false;

	for (size_t i = 0; i < CLO_ARRAY_LEN(protos); i++) {
		if (protos[i].number != spec->proto)
			continue;
		name = protos[i].name;
		whole = !protos[i].ports && spec->first == 0 &&
			spec->last == UINT8_MAX;
	}

	if (spec->any || whole)
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s",
			       spec->any ? "any" : name);
	else if (spec->first == spec->last)
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s/%u", name,
			       spec->first);
	else
		(void)snprintf(ret_text, CLO_SERVICE_SPEC_TEXT, "%s/%u-%u",
			       name, spec->first, spec->last);
}
