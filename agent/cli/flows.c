/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

enum {
	OPT_ENDPOINT,
};

/* "3 d 04:05:06", "04:05:06" or "0.250 s": short while it is young. */
static json_t *duration(json_int_t ms)
{
	json_int_t s = ms / 1000;

	if (s < 60)
		return json_sprintf("%d.%03d s", (int)s, (int)(ms % 1000));
	if (s < 86400)
		return json_sprintf("%02d:%02d:%02d", (int)(s / 3600),
				    (int)(s / 60 % 60), (int)(s % 60));
	return json_sprintf("%lld d %02d:%02d:%02d", (long long)(s / 86400),
			    (int)(s / 3600 % 24), (int)(s / 60 % 60),
			    (int)(s % 60));
}

/* "acme/production/web/0 10.0.0.1:80" */
static json_t *end(const json_t *flow, const char *name, const char *address,
		   const char *port)
{
	const char *who = json_string_value(json_object_get(flow, name));
	const char *where = clo_member_text(flow, address);
	const json_t *number = json_object_get(flow, port);
	bool v6 = strchr(where, ':') != NULL;

	if (!who)
		who = "outside";
	if (!json_is_integer(number))
		return json_sprintf("%s %s", who, where);
	return json_sprintf(v6 ? "%s [%s]:%lld" : "%s %s:%lld", who, where,
			    (long long)json_integer_value(number));
}

static json_t *volume(const json_t *flow, const char *key)
{
	json_t *initiator = json_object_get(flow, "initiator");
	json_t *responder = json_object_get(flow, "responder");

	return json_sprintf("%lld / %lld",
			    (long long)clo_member_int(initiator, key),
			    (long long)clo_member_int(responder, key));
}

static json_t *age(const json_t *flow)
{
	json_auto_t *age = duration(clo_member_int(flow, "ageMs"));
	json_auto_t *idle = duration(clo_member_int(flow, "idleMs"));

	return json_sprintf("%s / %s", json_string_value(age),
			    json_string_value(idle));
}

static json_t *row(const json_t *flow)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "from",
			 end(flow, "from", "source", "sourcePort"), "to",
			 end(flow, "to", "destination", "destinationPort"),
			 "protocol", clo_member_text(flow, "protocol"), "state",
			 clo_member_text(flow, "state"), "rule",
			 clo_member_text(flow, "rule"), "age", age(flow),
			 "packets", volume(flow, "packets"), "bytes",
			 volume(flow, "bytes"));
}

static void print(const struct clo_cli *cli, const json_t *result)
{
	static const char *const keys[] = {"from",  "to",  "protocol",
					   "state", "age", "packets",
					   "bytes", "rule"};
	static const char *const titles[] = {
		"FROM",           "TO",         "PROTO",
		"STATE",          "AGE / IDLE", "PACKETS OUT / IN",
		"BYTES OUT / IN", "RULE"};
	const json_t *flows = json_object_get(result, "flows");
	json_auto_t *rows = json_array();
	size_t shown = json_array_size(flows);
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow)
		(void)json_array_append_new(rows, row(flow));
	if (shown > 0)
		clo_report_table(cli, rows, keys, titles, CLO_ARRAY_LEN(keys));
	(void)printf("%zu of %" JSON_INTEGER_FORMAT
		     " flows, %" JSON_INTEGER_FORMAT " on the node\n",
		     shown, clo_member_int(result, "matched"),
		     clo_member_int(result, "total"));
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *result = NULL;
	int code;

	request = json_pack("{s:s, s:s*}", "op", "flows", "endpoint",
			    cli->values[OPT_ENDPOINT]);
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;
	if (!json_is_array(json_object_get(result, "flows")))
		return clo_fail_reply(cli);
	if (cli->json)
		return clo_json_print(result);

	print(cli, result);
	return CLO_EXIT_OK;
}

const struct clo_command clo_command_flows = {
	.name = "flows",
	.summary = "list the connections that are tracked now",
	.details = "Those that spoke last come first; at most 1000 are "
		   "listed.\n",
	.options =
		{
			[OPT_ENDPOINT] = {"endpoint", "NAME",
					  "only TENANT/ENV/WORKLOAD[/N]"},
		},
	.run = run,
};
