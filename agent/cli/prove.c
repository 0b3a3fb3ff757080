/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/prove.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/cli/client.h"
#include "agent/cli/documents.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "agent/cli/pcap.h"
#include "agent/cli/prove_fleet.h"
#include "policy/explain_prove.h"
#include "policy/prove_selftest.h"

enum {
	OPT_PCAP,
	OPT_FLEET,
	OPT_TRUST,
	OPT_SELF_TEST,
};

/* By the word of the verdict; -1: none of the four. */
static int exit_of(const char *verdict)
{
	static const struct {
		const char *verdict;
		enum clo_exit code;
	} codes[] = {
		{"PROVED", CLO_EXIT_OK},
		{"VIOLATED", CLO_EXIT_REFUSED},
		{"NOT-COVERED", CLO_EXIT_INCONCLUSIVE},
		{"ERROR", CLO_EXIT_FAILED},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(codes); i++)
		if (strcmp(codes[i].verdict, verdict) == 0)
			return (int)codes[i].code;
	return -1;
}

static int prove_compiled(const struct clo_cli *cli,
			  const struct clo_compiled *compiled,
			  json_t **ret_result)
{
	const struct clo_proving proving = {.compiled = compiled,
					    .documents = true};
	enum clo_proven proven;
	json_t *levels =
		clo_explain_levels(&proving, clo_milliseconds, &proven);

	if (!levels)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"cannot prove: out of memory");
	*ret_result =
		json_pack("{s:s, s:s, s:o}", "verdict", clo_proven_text(proven),
			  "tables", "compiled", "levels", levels);
	return CLO_EXIT_OK;
}

/* Plants in copies of the tables, and what was found of them. */
static int test_compiled(const struct clo_cli *cli,
			 const struct clo_compiled *compiled,
			 json_t **ret_result)
{
	CLO_AUTO_MEM struct clo_selftest *test = calloc(1, sizeof(*test));
	char text[160] = "out of memory";
	int r = test ? clo_selftest_run(compiled->tables, !cli->operand, test,
					text)
		     : -ENOMEM;

	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot test: %s", text);
	*ret_result = clo_explain_selftest(test);
	return *ret_result ? CLO_EXIT_OK
			   : clo_fail(cli, CLO_EXIT_FAILED,
				      "cannot test: out of memory");
}

/* No daemon: what would be in force, or the sample. */
static int with_compiled(const struct clo_cli *cli, json_t **ret_result,
			 int (*act)(const struct clo_cli *cli,
				    const struct clo_compiled *compiled,
				    json_t **ret_result))
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	json_auto_t *documents = NULL;
	const time_t now = time(NULL);
	int code = CLO_EXIT_OK;
	int r;

	if (cli->operand)
		code = clo_documents_read(cli, cli->operand, &documents);
	if (code != CLO_EXIT_OK)
		return code;
	r = clo_flaws_new(&flaws);
	if (r == 0 && !cli->operand)
		r = clo_selftest_sample(&policy, &compiled);
	if (r == 0 && cli->operand)
		r = clo_offline_parse(documents, now, &policy, flaws);
	if (r == 0 && cli->operand)
		r = clo_compile(policy, now, &compiled, flaws);
	if (r == -EINVAL)
		return clo_offline_refuse(cli, flaws);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot prove: %s",
				strerrordesc_np(-r));
	assert(compiled);
	return act(cli, compiled, ret_result);
}

static int prove_node(const struct clo_cli *cli, json_t **ret_result)
{
	json_auto_t *request = json_pack("{s:s}", "op", "prove");

	return clo_client_call(cli, request, ret_result);
}

static int write_witness(int fd, const json_t *witness)
{
	const char *hex = json_string_value(json_object_get(witness, "hex"));
	uint8_t bytes[CLO_PCAP_SNAP];
	size_t len = hex ? strlen(hex) / 2 : 0;

	if (!hex)
		return 0; /* no packet has these two ends */
	if (len > sizeof(bytes) || clo_hex_decode(hex, len, bytes) < 0)
		return -EBADMSG;
	return clo_pcap_write(fd, 0, bytes, (uint32_t)len, (uint32_t)len);
}

static int write_pcap(const struct clo_cli *cli, const json_t *result)
{
	const char *path = cli->values[OPT_PCAP];
	CLO_AUTO_FD int fd = clo_pcap_create(path);
	json_t *level;
	json_t *witness;
	size_t i, k;
	int r = fd < 0 ? fd : 0;

	json_array_foreach (json_object_get(result, "levels"), i, level) {
		json_array_foreach (json_object_get(level, "witnesses"), k,
				    witness) {
			if (r == 0)
				r = write_witness(fd, witness);
		}
	}
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "cannot write %s: %s",
				path, strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

static int prove_fleet(const struct clo_cli *cli)
{
	if (cli->operand || cli->values[OPT_PCAP] || cli->values[OPT_SELF_TEST])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"prove: --fleet goes with --trust alone");
	return clo_prove_fleet(cli, cli->values[OPT_FLEET],
			       cli->values[OPT_TRUST]);
}

static int run_selftest(const struct clo_cli *cli)
{
	json_auto_t *result = NULL;
	int code;

	if (cli->values[OPT_PCAP])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"prove: --self-test writes no --pcap");
	code = with_compiled(cli, &result, test_compiled);
	if (code == CLO_EXIT_OK && clo_prove_add_live(result) < 0)
		code = clo_fail(cli, CLO_EXIT_FAILED,
				"cannot test: out of memory");
	if (code != CLO_EXIT_OK)
		return code;
	if (cli->json)
		(void)clo_json_print(result);
	else
		clo_prove_print_selftest(cli, result);
	if (!json_is_true(json_object_get(result, "passed")))
		return CLO_EXIT_FAILED;
	/* what was not tried is not known to be found */
	return clo_member_int(result, "notRun") ? CLO_EXIT_INCONCLUSIVE
						: CLO_EXIT_OK;
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *result = NULL;
	int code, proven;

	if (cli->values[OPT_FLEET])
		return prove_fleet(cli);
	if (cli->values[OPT_TRUST])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"prove: --trust needs --fleet");
	if (cli->values[OPT_SELF_TEST])
		return run_selftest(cli);
	code = cli->operand ? with_compiled(cli, &result, prove_compiled)
			    : prove_node(cli, &result);
	if (code != CLO_EXIT_OK)
		return code;
	proven = exit_of(clo_member_text(result, "verdict"));
	if (proven < 0)
		return clo_fail_reply(cli);
	if (cli->values[OPT_PCAP])
		code = write_pcap(cli, result);
	if (code != CLO_EXIT_OK)
		return code;

	if (cli->json)
		(void)clo_json_print(result);
	else
		clo_prove_print(cli, result);
	return proven;
}

const struct clo_command clo_command_prove = {
	.name = "prove",
	.operand = "[DIR]",
	.summary = "prove that nothing crosses what must stay apart",
	.details =
		"Looks at every verdict of the tables and every bound address, "
		"and shows each breach\nas a packet. With DIR: at the tables "
		"of the policy there, without a daemon. Without:\nat those in "
		"the kernel, and at the programs that read them.\n"
		"With --self-test violations are planted in copies of the "
		"tables of DIR, or of a built-in\nsample, and one in a network "
		"namespace of its own with a real guard (as root),\nand each "
		"must be found.\n"
		"Exit status 0 PROVED, 3 VIOLATED, 4 NOT-COVERED (there was "
		"nothing to prove it on),\n1 ERROR.\n",
	.options =
		{
			[OPT_PCAP] = {"pcap", "FILE",
				      "write the witnesses' frames there"},
			[OPT_FLEET] = {"fleet", "DIR",
				       "the union of the nodes in DIR"},
			[OPT_TRUST] = {"trust", "FILE",
				       "of what they attest, by this store"},
			[OPT_SELF_TEST] = {"self-test", NULL,
					   "plant violations; each must be "
					   "found"},
		},
	.run = run,
};
