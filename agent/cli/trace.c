/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/trace.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
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
	OPT_SPORT,
	OPT_FLAGS,
	OPT_FAMILY,
	OPT_IN,
	OPT_HEX,
	OPT_PCAP,
	OPT_FRAME,
	OPT_OFFLINE,
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

/* A number of 0 to `most` into the request, if the option is there. */
static int add_number(const struct clo_cli *cli, size_t option,
		      const char *name, long long most, json_t *request)
{
	const char *text = cli->values[option];
	long long number;

	if (!text)
		return CLO_EXIT_OK;
	number = clo_number_parse(text, most);
	if (number < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --%s %s is no number of 0 to %lld",
				name, text, most);
	(void)json_object_set_new(request, name, json_integer(number));
	return CLO_EXIT_OK;
}

static int add_family(const struct clo_cli *cli, json_t *request)
{
	const char *text = cli->values[OPT_FAMILY];

	if (!text)
		return CLO_EXIT_OK;
	if (strcmp(text, "4") != 0 && strcmp(text, "6") != 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --family %s is neither 4 nor 6", text);
	(void)json_object_set_new(request, "family",
				  json_integer(text[0] - '0'));
	return CLO_EXIT_OK;
}

/* CLO_EXIT_OK and the request, or the usage error has been printed. */
static int ask_fields(const struct clo_cli *cli, json_t **ret_request)
{
	const char *proto = cli->values[OPT_PROTO];
	const char *dport = cli->values[OPT_DPORT];
	const struct protocol *known;
	long long number, port;
	int code;

	if (!cli->values[OPT_FROM] || !cli->values[OPT_TO] || !proto)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: needs --from, --to and --proto, or "
				"--hex or --pcap with --in");

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
		"{s:s, s:s, s:s, s:s, s:I, s:s*, s:s*}", "op", "trace", "from",
		cli->values[OPT_FROM], "to", cli->values[OPT_TO], "proto",
		known ? known->name : proto, "dport", (json_int_t)port, "in",
		cli->values[OPT_IN], "flags", cli->values[OPT_FLAGS]);
	code = add_number(cli, OPT_SPORT, "sport", 65535, *ret_request);
	return code == CLO_EXIT_OK ? add_family(cli, *ret_request) : code;
}

/* Of --hex or --pcap; nothing that describes a packet goes with them. */
static int check_bytes(const struct clo_cli *cli)
{
	const char *const *values = cli->values;

	for (size_t i = OPT_FROM; i <= OPT_FAMILY; i++)
		if (values[i])
			return clo_fail(cli, CLO_EXIT_USAGE,
					"trace: --hex and --pcap say what the "
					"packet is: remove --%s",
					clo_command_trace.options[i].name);
	if (values[OPT_HEX] && values[OPT_PCAP])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: either --hex or --pcap");
	if (!values[OPT_IN])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: say by --in which endpoint sends it");
	return CLO_EXIT_OK;
}

/* 0: all. */
static int frame_wanted(const struct clo_cli *cli, size_t *ret_only)
{
	const char *text = cli->values[OPT_FRAME];
	long long number = 0;

	if (text && !cli->values[OPT_PCAP])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --frame goes with --pcap");
	if (text && strcmp(text, "all") != 0) {
		number = clo_number_parse(text, UINT32_MAX);
		if (number < 1)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"trace: --frame %s is neither all nor "
					"a number from 1",
					text);
	}
	*ret_only = (size_t)number;
	return CLO_EXIT_OK;
}

static int ask_bytes(const struct clo_cli *cli, size_t only,
		     struct clo_trace_capture *ret_capture,
		     json_t **ret_request)
{
	json_t *hex = NULL;
	int code;

	if (cli->values[OPT_HEX]) {
		code = clo_trace_hex_read(cli, cli->values[OPT_HEX], &hex);
		if (code == CLO_EXIT_OK)
			ret_capture->frames = json_pack("[o]", hex);
	} else {
		code = clo_trace_capture_read(cli, cli->values[OPT_PCAP], only,
					      ret_capture);
	}
	if (code != CLO_EXIT_OK)
		return code;
	*ret_request =
		json_pack("{s:s, s:s, s:O}", "op", "trace", "in",
			  cli->values[OPT_IN], "frames", ret_capture->frames);
	return CLO_EXIT_OK;
}

static int ask(const struct clo_cli *cli, const json_t *request,
	       json_t **ret_result)
{
	if (!request)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	if (cli->values[OPT_OFFLINE])
		return clo_trace_offline(cli, cli->values[OPT_OFFLINE], request,
					 ret_result);
	return clo_client_call(cli, request, ret_result);
}

/* What must stop a script, whatever else was asked for. */
static int finish(const struct clo_cli *cli, const json_t *result, int code)
{
	if (cli->json)
		(void)clo_json_print(result);
	if (code == CLO_EXIT_FAILED)
		(void)fputs("cloison: ERROR: the attached program and the "
			    "tables disagree on this packet\n",
			    stderr);
	return code;
}

static int tell_one(const struct clo_cli *cli, const json_t *trace)
{
	int code = clo_trace_exit(trace);

	if (code < 0)
		return clo_fail_reply(cli);
	if (!cli->json)
		clo_trace_print(cli, trace);
	return finish(cli, trace, code);
}

/* Number them as the file does. */
static int tell_all(const struct clo_cli *cli, json_t *traces,
		    const struct clo_trace_capture *capture)
{
	json_auto_t *result = NULL;
	json_int_t n[CLO_EXIT_REFUSED + 1] = {0};
	json_t *trace;
	size_t i;

	json_array_foreach (traces, i, trace) {
		int code = clo_trace_exit(trace);

		if (code < 0)
			return clo_fail_reply(cli);
		n[code]++;
		(void)json_object_set_new(
			trace, "number",
			json_integer((json_int_t)capture->first +
				     (json_int_t)i));
		(void)json_object_set(trace, "captured",
				      json_array_get(capture->captured, i));
	}
	result = json_pack("{s:O, s:I, s:I, s:I}", "frames", traces, "allowed",
			   n[CLO_EXIT_OK], "dropped", n[CLO_EXIT_REFUSED],
			   "errors", n[CLO_EXIT_FAILED]);
	if (!cli->json) {
		clo_trace_print_all(cli, traces);
		(void)printf("%lld allowed, %lld dropped, %lld errors\n",
			     (long long)n[CLO_EXIT_OK],
			     (long long)n[CLO_EXIT_REFUSED],
			     (long long)n[CLO_EXIT_FAILED]);
	}
	return finish(cli, result,
		      n[CLO_EXIT_FAILED]    ? CLO_EXIT_FAILED
		      : n[CLO_EXIT_REFUSED] ? CLO_EXIT_REFUSED
					    : CLO_EXIT_OK);
}

static int tell_frames(const struct clo_cli *cli, const json_t *result,
		       const struct clo_trace_capture *capture, bool one)
{
	json_t *traces = json_object_get(result, "traces");

	if (json_array_size(traces) != json_array_size(capture->frames))
		return clo_fail_reply(cli);
	return one ? tell_one(cli, json_array_get(traces, 0))
		   : tell_all(cli, traces, capture);
}

static int run(const struct clo_cli *cli)
{
	bool bytes = cli->values[OPT_HEX] || cli->values[OPT_PCAP];
	json_auto_t *request = NULL, *result = NULL;
	struct clo_trace_capture capture = {0};
	size_t only = 0;
	int code = frame_wanted(cli, &only);

	if (code == CLO_EXIT_OK && bytes)
		code = check_bytes(cli);
	if (code == CLO_EXIT_OK)
		code = bytes ? ask_bytes(cli, only, &capture, &request)
			     : ask_fields(cli, &request);
	if (code == CLO_EXIT_OK)
		code = ask(cli, request, &result);
	if (code == CLO_EXIT_OK)
		code = bytes ? tell_frames(cli, result, &capture,
					   cli->values[OPT_HEX] || only)
			     : tell_one(cli, result);
	clo_trace_capture_done(&capture);
	return code;
}

const struct clo_command clo_command_trace = {
	.name = "trace",
	.summary = "show how one packet would be judged, and by which rule",
	.details =
		"Runs the datapath's own decision on a frame and prints each "
		"stage, each look-up,\nthe verdict and what made it; for a "
		"drop the smallest rule that would allow it.\nThe packet is "
		"given by fields, by --hex or by --pcap. The daemon, asked by "
		"root,\nalso runs it through the attached program.\nExit "
		"status 0 if it is allowed, 3 if it is dropped, 1 if the two "
		"disagree. For\nicmp and icmpv6 --dport is the type (echo "
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
			[OPT_SPORT] = {"sport", "N",
				       "source port or ICMP identifier"},
			[OPT_FLAGS] =
				{"flags", "LIST",
				 "TCP flags, \"syn,ack\"; syn if left out"},
			[OPT_FAMILY] = {"family", "4|6", "IPv4 or IPv6"},
			[OPT_IN] = {"in", "ENDPOINT",
				    "endpoint or interface that it enters by"},
			[OPT_HEX] = {"hex", "FRAME",
				     "a whole Ethernet frame as the guest "
				     "sends it"},
			[OPT_PCAP] = {"pcap", "FILE",
				      "a capture of such frames; - is stdin"},
			[OPT_FRAME] = {"frame", "N|all",
				       "which of the capture; all if left out"},
			[OPT_OFFLINE] = {"offline", "DIR",
					 "no daemon: the policy in DIR"},
		},
	.run = run,
};
