/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/ask.h"

#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/documents.h"
#include "agent/cli/number.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "policy/question.h"

enum {
	OPT_POLICY,
	OPT_SERVICE, /* reach, isolated */
	OPT_WITHIN = OPT_SERVICE, /* rules */
};

#define WITHIN 2592000 /* seconds, if nothing is said: 30 days */

/* One question as the command line puts it. */
struct ask {
	const char *question;
	const char *service;
	json_int_t within; /* seconds */
	void (*print)(const struct clo_cli *cli, const json_t *answer);
};

/* About a directory: no daemon, and no counters. */
static int ask_directory(const struct clo_cli *cli, const struct ask *ask,
			 json_t **ret_answer)
{
	json_auto_t *documents = NULL;
	struct clo_chain chain = {0};
	char error[160] = "no memory";
	struct clo_asked asked = {
		.of = cli->operand,
		.other = cli->second,
		.service = ask->service,
		.now = time(NULL),
		.within = (time_t)ask->within,
	};
	int code;

	code = clo_documents_read(cli, cli->values[OPT_POLICY], &documents);
	if (code == CLO_EXIT_OK)
		code = clo_offline_make(cli, documents, &chain);
	if (code == CLO_EXIT_OK) {
		asked.compiled = chain.compiled;
		*ret_answer =
			clo_question_find(ask->question)->answer(&asked, error);
		if (!*ret_answer)
			code = clo_fail(cli, CLO_EXIT_USAGE, "%s", error);
	}
	clo_chain_done(&chain);
	return code;
}

static int ask_daemon(const struct clo_cli *cli, const struct ask *ask,
		      json_t **ret_answer)
{
	json_auto_t *request = json_pack(
		"{s:s, s:s, s:s*, s:s*, s:s*, s:I}", "op", "ask", "question",
		ask->question, "of", cli->operand, "other", cli->second,
		"service", ask->service, "within", ask->within);

	return clo_client_call(cli, request, ret_answer);
}

static int run(const struct clo_cli *cli, const struct ask *ask)
{
	json_auto_t *answer = NULL;
	const char *verdict;
	int code;

	code = cli->values[OPT_POLICY] ? ask_directory(cli, ask, &answer)
				       : ask_daemon(cli, ask, &answer);
	if (code != CLO_EXIT_OK)
		return code;
	verdict = clo_member_text(answer, "verdict");
	if (strcmp(verdict, "VIOLATED") == 0)
		code = CLO_EXIT_REFUSED;
	else if (strcmp(verdict, "NOT-COVERED") == 0)
		code = CLO_EXIT_INCONCLUSIVE;
	else if (strcmp(verdict, "PROVED") != 0 &&
		 strcmp(verdict, "ANSWERED") != 0)
		return clo_fail_reply(cli);
	if (cli->json)
		(void)clo_json_print(answer);
	else
		ask->print(cli, answer);
	return code;
}

static int run_reach(const struct clo_cli *cli)
{
	return run(cli, &(const struct ask){"reach", cli->values[OPT_SERVICE],
					    WITHIN, clo_ask_print_reach});
}

static int run_isolated(const struct clo_cli *cli)
{
	return run(cli,
		   &(const struct ask){"isolated", cli->values[OPT_SERVICE],
				       WITHIN, clo_ask_print_isolated});
}

/* "30d", "12h": seconds, or -1. */
static json_int_t parse_within(const char *text)
{
	size_t n = strlen(text);
	char digits[8];
	long long number;

	if (n < 2 || n > sizeof(digits) ||
	    (text[n - 1] != 'd' && text[n - 1] != 'h'))
		return -1;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(n - 1), text);
	number = clo_number_parse(digits, 3650);
	if (number < 0)
		return -1;
	return number * (text[n - 1] == 'd' ? 86400 : 3600);
}

static int run_rules(const struct clo_cli *cli)
{
	struct ask ask = {"rules", NULL, WITHIN, clo_ask_print_rules};

	if (cli->values[OPT_WITHIN])
		ask.within = parse_within(cli->values[OPT_WITHIN]);
	if (ask.within < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"ask rules: --within needs days or hours, at "
				"most 3650, as 30d or 12h");
	return run(cli, &ask);
}

#define POLICY                                                                 \
	{                                                                      \
		"policy", "DIR",                                               \
			"about the policy in DIR; else what is in force"       \
	}
#define SERVICE                                                                \
	{                                                                      \
		"service", "SERVICE", "only on tcp/443, udp/5000-5100, icmp"   \
	}
#define NAMES                                                                  \
	"A name is a TENANT, TENANT/ENV, a group, segment, workload or "       \
	"endpoint below it, a\nservice, or an address or cidr outside. "       \
	"group:NAME is of that kind alone.\n"

static const struct clo_command reach = {
	.name = "ask reach",
	.operand = "NAME",
	.summary = "tell who may reach it on what, and what it may reach",
	.details = NAMES,
	.options = {[OPT_POLICY] = POLICY, [OPT_SERVICE] = SERVICE},
	.run = run_reach,
};

static const struct clo_command isolated = {
	.name = "ask isolated",
	.operand = "NAME",
	.second = "NAME",
	.summary = "prove that neither may reach the other, or show how",
	.details = NAMES
	"Exit status 0 if that is proved, 3 if there is a flow, 4 if "
	"something is not covered.\n",
	.options = {[OPT_POLICY] = POLICY, [OPT_SERVICE] = SERVICE},
	.run = run_isolated,
};

static const struct clo_command rules = {
	.name = "ask rules",
	.summary = "list rules of no use, and exceptions about to end",
	.details = "Unused: nobody is on one side. Shadowed: earlier rules "
		   "grant all of it. Redundant:\nothers grant all of it. Never "
		   "hit: no packet since then; of what is in force.\n",
	.options =
		{
			[OPT_POLICY] = POLICY,
			[OPT_WITHIN] = {"within", "TIME",
					"exceptions that end in 30d, 12h; 30d"},
		},
	.run = run_rules,
};

static const struct clo_command *const commands[] = {
	&reach,
	&isolated,
	&rules,
	NULL,
};

const struct clo_command clo_command_ask = {
	.name = "ask",
	.operand = "QUESTION [ARGUMENT...]",
	.summary = "answer questions about a policy, over all of it",
	.details = "Enumerates the tables: nothing is sampled.\n\nCommands:\n",
	.commands = commands,
};
