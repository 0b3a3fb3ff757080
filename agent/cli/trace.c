/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

enum {
	OPT_FROM,
	OPT_TO,
	OPT_PROTO,
	OPT_DPORT,
};

/* --dport is at most `most`; left out it is `fallback`, where that is >= 0. */
static const struct protocol {
	const char *name;
	long long number, most, fallback;
} protocols[] = {
	{"tcp", IPPROTO_TCP, 65535, -1},      {"udp", IPPROTO_UDP, 65535, -1},
	{"sctp", IPPROTO_SCTP, 65535, -1},    {"icmp", IPPROTO_ICMP, 255, 8},
	{"icmpv6", IPPROTO_ICMPV6, 255, 128},
};

/* By name or number; NULL: none that has a name. */
static const struct protocol *find_protocol(const char *text, long long number)
{
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(protocols); i++) {
		if (strcmp(protocols[i].name, text) == 0 ||
		    protocols[i].number == number)
			return &protocols[i];
	}
	return NULL;
}

/* CLO_EXIT_OK and the request, or the usage error has been printed. */
static int make_request(const struct clo_cli *cli, json_t **ret_request)
{
	const char *proto = cli->values[OPT_PROTO];
	const char *dport = cli->values[OPT_DPORT];
	const struct protocol *known;
	long long number, port;

	if (!cli->values[OPT_FROM] || !cli->values[OPT_TO] || !proto)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: needs --from, --to and --proto");

	number = clo_number_parse(proto, 255);
	known = find_protocol(proto, number);
	if (!known && number < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --proto %s is neither tcp, udp, sctp, "
				"icmp, icmpv6 nor a number up to 255",
				proto);

	port = known ? known->fallback : 0;
	if (dport)
		port = clo_number_parse(dport, known ? known->most : 65535);
	if (port < 0 && !dport)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --proto %s needs --dport", proto);
	if (port < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --dport %s is out of range for %s",
				dport, proto);

	*ret_request = json_pack(
		"{s:s, s:s, s:s, s:s, s:I}", "op", "trace", "from",
		cli->values[OPT_FROM], "to", cli->values[OPT_TO], "proto",
		known ? known->name : proto, "dport", (json_int_t)port);
	return CLO_EXIT_OK;
}

static void print_steps(const json_t *steps)
{
	json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		(void)printf("%zu  ", i + 1);
		clo_text_print(stdout, clo_member_text(step, "lookup"));
		(void)fputs(" [", stdout);
		clo_text_print(stdout, clo_member_text(step, "key"));
		(void)fputs("] = ", stdout);
		clo_text_print(stdout, clo_member_text(step, "result"));
		(void)putchar('\n');
	}
}

static void print(const struct clo_cli *cli, const json_t *trace, bool allowed)
{
	static const char *const makers[] = {"rule", "invariant", "reason"};
	/* What was let through has no reason for a drop. */
	size_t i, n = CLO_ARRAY_LEN(makers) - (allowed ? 1 : 0);

	print_steps(json_object_get(trace, "steps"));
	clo_report_label("verdict");
	clo_color_print(cli, allowed ? CLO_COLOR_GOOD : CLO_COLOR_BAD,
			allowed ? "allow" : "drop");
	(void)putchar('\n');
	for (i = 0; i < n; i++) {
		if (json_is_string(json_object_get(trace, makers[i])))
			clo_report_line(makers[i],
					clo_member_text(trace, makers[i]));
	}
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *trace = NULL;
	const char *verdict;
	bool allowed;
	int code;

	code = make_request(cli, &request);
	if (code == CLO_EXIT_OK)
		code = clo_client_call(cli, request, &trace);
	if (code != CLO_EXIT_OK)
		return code;

	verdict = clo_member_text(trace, "verdict");
	allowed = strcmp(verdict, "allow") == 0;
	if (!allowed && strcmp(verdict, "drop") != 0)
		return clo_fail_reply(cli);

	if (cli->json)
		(void)clo_json_print(trace);
	else
		print(cli, trace, allowed);
	return allowed ? CLO_EXIT_OK : CLO_EXIT_REFUSED;
}

const struct clo_command clo_command_trace = {
	.name = "trace",
	.summary = "show how one packet would be judged, and by which rule",
	.details =
		"Walks the look-ups that the datapath makes for the first "
		"packet of a flow.\nExit status 0 if it is allowed, 3 if it is "
		"dropped. For icmp and icmpv6 --dport\nis the type (echo "
		"request if left out).\n",
	.options =
		{
			[OPT_FROM] = {"from", "ENDPOINT",
				      "TENANT/ENV/WORKLOAD[/N] or address"},
			[OPT_TO] =
				{"to", "ENDPOINT",
				 "the same; one of the two may be an address"},
			[OPT_PROTO] =
				{"proto", "P",
				 "tcp, udp, sctp, icmp, icmpv6 or a number"},
			[OPT_DPORT] = {"dport", "N",
				       "destination port or ICMP type"},
		},
	.run = run,
};
