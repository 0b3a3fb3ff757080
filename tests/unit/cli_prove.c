/* SPDX-License-Identifier: Apache-2.0 */

/* `cloison prove`: the real prover on a directory, and a daemon's answer. */

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/base/hex.h"
#include "check.h"
#include "cli_run.h"

#define DOCUMENT(kind, name, members)                                          \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"" kind                      \
	"\",\"name\":\"" name "\"," members "}"

/* Two scopes, an endpoint in each; a rule of production's. */
#define TENANT(name, level, rule)                                              \
	DOCUMENT("Tenant", name,                                               \
		 "\"qualification\":" level                                    \
		 ",\"services\":[\"far\"],\"environments\":{\"production\":{"  \
		 "\"segments\":[{\"name\":\"p\",\"cidrs\":[\"10.0.1.0/24\"]}]" \
		 ",\"groups\":[\"web\"],\"rules\":[" rule "]},"                \
		 "\"test\":{\"segments\":[{\"name\":\"t\",\"cidrs\":["         \
		 "\"10.0.2.0/24\"]}],\"groups\":[\"lab\"],\"rules\":[]}}")
#define WORKLOAD(name, tenant, environment, segment, group, digit, mac)        \
	DOCUMENT("Workload", name,                                             \
		 "\"domain\":\"" name "\",\"tenant\":\"" tenant                \
		 "\",\"environment\":\"" environment "\",\"interfaces\":[{"    \
		 "\"mac\":\"52:54:00:00:00:0" mac "\",\"segment\":\"" segment  \
		 "\",\"addresses\":[\"10.0." digit                             \
		 ".9\"],\"groups\":[\"" group "\"]}]")
#define NODE                                                                   \
	DOCUMENT("Node", "hv1",                                                \
		 "\"bridges\":[\"br0\"],\"addresses\":[\"192.0.2.1\"],"        \
		 "\"nationalPrefixes\":[\"196.200.0.0/16\"],\"services\":[{"   \
		 "\"name\":\"far\",\"kind\":\"provider\",\"addresses\":["      \
		 "\"198.51.100.7\"],\"ports\":[\"udp/53\"]}]")
#define RULE(to, port)                                                         \
	"{\"name\":\"r\",\"from\":{\"group\":\"web\"},\"to\":" to              \
	",\"ports\":[\"" port "\"]}"
#define SOUND RULE("{\"cidr\":\"196.200.7.0/24\"}", "tcp/443")
#define LEAK RULE("{\"group\":\"lab\",\"environment\":\"test\"}", "tcp/80")

static void write_policy(const struct cli *cli, const char *acme,
			 const char *bolt)
{
	cli_write(cli, "node.json", NODE);
	cli_write(cli, "acme.json", acme);
	cli_write(cli, "bolt.json", bolt);
	cli_write(cli, "workloads.json",
		  "[" WORKLOAD("w", "acme", "production", "p", "web", "1",
			       "1") "," WORKLOAD("l", "acme", "test", "t",
						 "lab", "2", "2") "]");
	cli_write(cli, "more.json",
		  WORKLOAD("b", "bolt", "production", "p", "web", "1", "3"));
}

static void all_is_proved(void **state)
{
	struct cli *cli = *state;

	write_policy(cli, TENANT("acme", "2", SOUND),
		     TENANT("bolt", "1", SOUND));
	cli_run(cli, "prove", cli->dir, NULL);
	assert_string_equal(cli->err, "");
	assert_non_null(strstr(cli->out, "documents"));
	assert_non_null(strstr(cli->out, "5 national destinations   PROVED"));
	assert_non_null(strstr(cli->out, "\nverdict         PROVED\n"));
	assert_int_equal(cli->exit, 0);
}

static void no_subject_no_proof(void **state)
{
	struct cli *cli = *state;

	write_policy(cli, TENANT("acme", "1", SOUND),
		     TENANT("bolt", "1", SOUND));
	cli_run(cli, "prove", cli->dir, NULL);
	assert_int_equal(cli->exit, 4);
	assert_non_null(strstr(cli->out, "5 national destinations   NOT-"
					 "COVERED  0 looked at"));
	assert_non_null(strstr(cli->out, "gap: no tenant of level 2"));
	assert_non_null(strstr(cli->out, "\nverdict         NOT-COVERED\n"));
	/* And yet it may be put in force: there is nothing that it breaks. */
	cli_run(cli, "plan", "--offline", cli->dir, NULL);
	assert_int_equal(cli->exit, 0);
}

static const json_t *first_witness(const json_t *document)
{
	const json_t *levels = json_object_get(document, "levels");

	/* what the documents mean, and the invariants */
	assert_int_equal(json_array_size(levels), 2);
	return json_array_get(
		json_object_get(json_array_get(levels, 1), "witnesses"), 0);
}

static void check_pcap(const struct cli *cli, const char *hex)
{
	CLO_AUTO_MEM char *path = cli_path(cli, "out.pcap");
	uint8_t file[512];
	char written[512];
	ssize_t n;
	CLO_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	n = read(fd, file, sizeof(file));
	/* A header of 24, one of 16 for the frame, the frame of a SYN. */
	assert_int_equal(n, 24 + 16 + 54);
	clo_hex_encode(file + 40, 54, written);
	assert_string_equal(written, hex);
}

static void a_breach_is_a_packet(void **state)
{
	json_auto_t *document = NULL;
	struct cli *cli = *state;
	CLO_AUTO_MEM char *pcap = cli_path(cli, "out.pcap");
	const json_t *witness;
	const char *hex;

	write_policy(cli, TENANT("acme", "2", LEAK "," SOUND),
		     TENANT("bolt", "1", SOUND));
	/* The document with two rules of one name is refused. */
	cli_run(cli, "prove", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_string_equal(cli->out, "");

	write_policy(cli, TENANT("acme", "2", LEAK),
		     TENANT("bolt", "1", SOUND));
	cli_run(cli, "prove", "--json", "--pcap", pcap, cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	document = json_loads(cli->out, 0, NULL);
	assert_string_equal(
		json_string_value(json_object_get(document, "verdict")),
		"VIOLATED");
	witness = first_witness(document);
	assert_string_equal(json_string_value(json_object_get(witness, "rule")),
			    "acme/production/r");
	assert_string_equal(
		json_string_value(json_object_get(witness, "replay")),
		"passes");
	assert_string_equal(
		json_string_value(json_object_get(witness, "scapy")),
		"Ether(src=\"52:54:00:00:00:01\", dst=\"52:54:00:00:00:02\")/"
		"IP(src=\"10.0.1.9\", dst=\"10.0.2.9\", id=0, proto=6)/"
		"TCP(sport=49152, dport=80, flags=\"S\")");
	hex = json_string_value(json_object_get(witness, "hex"));
	assert_string_equal(hex, "525400000002525400000001080045000028000000004"
				 "00663bf0a0001090a000209c0000050000000000000"
				 "000050022000b8800000");
	check_pcap(cli, hex);

	cli_run(cli, "prove", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out, hex));
	assert_non_null(strstr(cli->out, "2 environment separation  VIOLATED"));
}

static void data_that_leaves(void **state)
{
	struct cli *cli = *state;

	write_policy(cli,
		     TENANT("acme", "2",
			    "{\"name\":\"r\",\"from\":{\"group\":\"web\"},"
			    "\"to\":{\"service\":\"far\"}}"),
		     TENANT("bolt", "1", SOUND));
	cli_run(cli, "prove", cli->dir, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out, "breaks national destinations"));
	assert_non_null(strstr(cli->out, "service far abroad"));
	assert_non_null(strstr(cli->out, "10.0.1.9 > 198.51.100.7 udp/53"));
}

#define LEVEL(verdict)                                                         \
	"{\"name\":\"kernel tables\",\"verdict\":\"" verdict                   \
	"\",\"lookedAt\":9,\"counts\":\"entries\",\"wrong\":0,\"ms\":1.5,"     \
	"\"question\":\"q\",\"witnesses\":[{\"hex\":\"zz\"}]}"
#define RESULT(verdict)                                                        \
	CLI_OK("{\"verdict\":\"" verdict "\",\"levels\":[" LEVEL(verdict) "]}")

static void the_daemons_answer(void **state)
{
	static const struct {
		const char *reply;
		int exit;
	} cases[] = {
		{RESULT("PROVED"), 0},   {RESULT("NOT-COVERED"), 4},
		{RESULT("VIOLATED"), 3}, {RESULT("ERROR"), 1},
		{RESULT("PASSED"), 1},   {CLI_OK("{}"), 1},
	};
	struct cli *cli = *state;
	CLO_AUTO_MEM char *pcap = cli_path(cli, "out.pcap");

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		cli_serve(cli, cases[i].reply, NULL);
		cli_run(cli, "prove", NULL);
		assert_int_equal(cli->exit, cases[i].exit);
		assert_string_equal(
			json_string_value(json_object_get(cli->request, "op")),
			"prove");
	}
	cli_serve(cli, RESULT("PROVED"), NULL);
	cli_run(cli, "prove", NULL);
	assert_string_equal(cli->out,
			    "kernel tables   PROVED       9 entries, 0 wrong, "
			    "1.5 ms: q\n  breach: rule - (-) breaks -: - > -, "
			    "witness -\n    hex      zz\n"
			    "verdict         PROVED\n");
	/* What is no frame is not written as one. */
	cli_serve(cli, RESULT("PROVED"), NULL);
	cli_run(cli, "prove", "--pcap", pcap, NULL);
	assert_int_equal(cli->exit, 1);
	assert_non_null(strstr(cli->err, "cannot write "));
}

/* The frame of check_pcap(). */
#define SYN                                                                    \
	"52540000000252540000000108004500002800000000400663bf0a0001090a000209" \
	"c00000500000000000000000"                                             \
	"50022000b8800000"

/* As that of a breach: fields, frame and capture. */
static void what_the_kernel_says_is_a_packet(void **state)
{
	struct cli *cli = *state;
	CLO_AUTO_MEM char *pcap = cli_path(cli, "out.pcap");

	cli_serve(cli,
		  CLI_OK("{\"verdict\":\"VIOLATED\",\"levels\":[{\"name\":"
			 "\"decisions\",\"verdict\":\"VIOLATED\",\"witnesses\":"
			 "[{\"from\":\"a\",\"to\":\"b\",\"service\":\"c\","
			 "\"kernel\":\"allowed\",\"policy\":\"denied\","
			 "\"packet\":\"p\",\"fields\":{\"protocol\":6},"
			 "\"hex\":\"" SYN "\",\"attached\":\"passes\","
			 "\"replay\":\"reproduces\"}]}]}"),
		  NULL);
	cli_run(cli, "prove", "--pcap", pcap, NULL);
	assert_int_equal(cli->exit, 3);
	assert_non_null(strstr(cli->out,
			       "  wrong: a > b on c: the kernel says allowed, "
			       "the policy denied, witness p\n"
			       "    fields  protocol=6\n    hex      " SYN "\n"
			       "    replay   reproduces\n"
			       "    attached passes\n"));
	check_pcap(cli, SYN);
}

/* The plant in a kernel is bpf.selftest's: here nobody may make a namespace. */
static void the_prover_tests_itself(void **state)
{
	struct cli *cli = *state;

	(void)prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
	cli_run(cli, "prove", "--self-test", NULL);
	assert_string_equal(cli->err, "");
	assert_int_equal(cli->exit, 4);
	assert_non_null(strstr(cli->out, "CIDR one bit short"));
	assert_null(strstr(cli->out, "missed"));
	assert_null(strstr(cli->out, "no place"));
	assert_non_null(strstr(cli->out, "\n46 of 46 found, 1 not run\n"));
	assert_non_null(strstr(cli->out,
			       "\ntap without its programs                   "
			       "   not run: it needs namespaces of its own: "
			       "Operation not permitted\n"));

	/* Of a policy without servers and groups some have no place. */
	write_policy(cli, TENANT("acme", "2", SOUND),
		     TENANT("bolt", "1", SOUND));
	cli_run(cli, "prove", "--self-test", cli->dir, NULL);
	assert_int_equal(cli->exit, 4);
	assert_non_null(strstr(cli->out, "no place"));
	assert_null(strstr(cli->out, "missed"));

	cli_run(cli, "prove", "--self-test", "--pcap", "x", NULL);
	assert_int_equal(cli->exit, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)
		TEST(all_is_proved),
		TEST(no_subject_no_proof),
		TEST(a_breach_is_a_packet),
		TEST(data_that_leaves),
		TEST(the_daemons_answer),
		TEST(the_prover_tests_itself),
		TEST(what_the_kernel_says_is_a_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
