/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

static void print_endpoints(const struct clo_cli *cli, const json_t *endpoints)
{
	static const char *const keys[] = {"name",      "segment",   "groups",
					   "mac",       "addresses", "identity",
					   "interface", "guarded"};
	static const char *const titles[] = {
		"ENDPOINT",  "SEGMENT",  "GROUPS",    "MAC",
		"ADDRESSES", "IDENTITY", "INTERFACE", "GUARDED"};
	json_t *endpoint;
	size_t i;

	/* Without an interface there is nothing to guard: neither yes nor NO. */
	json_array_foreach (endpoints, i, endpoint) {
		if (!json_is_string(json_object_get(endpoint, "interface")))
			(void)json_object_del(endpoint, "guarded");
	}
	clo_report_table(cli, endpoints, keys, titles, CLO_ARRAY_LEN(keys));
}

static void print_undeclared(const struct clo_cli *cli, const json_t *taps)
{
	static const char *const keys[] = {"interface", "ifindex", "bridge",
					   "guarded"};
	static const char *const titles[] = {"UNDECLARED", "IFINDEX", "BRIDGE",
					     "GUARDED"};

	if (json_array_size(taps) == 0)
		return;

	(void)putchar('\n');
	clo_report_table(cli, taps, keys, titles, CLO_ARRAY_LEN(keys));
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *result = NULL;
	const json_t *endpoints, *undeclared;
	int code;

	request = json_pack("{s:s}", "op", "endpoints");
	code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;

	endpoints = json_object_get(result, "endpoints");
	undeclared = json_object_get(result, "undeclared");
	if (!json_is_array(endpoints) || !json_is_array(undeclared))
		return clo_fail_reply(cli);
	if (cli->json)
		return clo_json_print(result);

	print_endpoints(cli, endpoints);
	print_undeclared(cli, undeclared);
	return CLO_EXIT_OK;
}

const struct clo_command clo_command_endpoints = {
	.name = "endpoints",
	.summary = "list the endpoints and whether each is guarded",
	.details = "Also lists taps on governed bridges that no document "
		   "declares: they pass nothing.\n",
	.run = run,
};
