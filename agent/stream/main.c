/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-stream: carries the node's log to the control plane's broker, and
 * the node's policy bundle from there to the daemon. It has the broker's client
 * key and nothing else: no key that signs, the log read-only, no privilege.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/control.h"
#include "agent/stream/carry.h"
#include "agent/stream/names.h"
#include "agent/stream/policy.h"
#include "agent/stream/push.h"

#define NAME "cloison-stream"
#define RECONCILE_MS 30000 /* between questions what the stream has */

struct options {
	struct clo_broker_config broker;
	const char *log, *state, *node, *policy, *socket;
};

struct process {
	struct options options;
	char node[CLO_STREAM_NODE_MAX];
	struct clo_push push;
	struct clo_wait wait;
	unsigned int attempt; /* since the last that worked */
	struct clo_policy_in policy;
	unsigned int policy_attempt;
	double policy_due; /* ms: when it is looked at next */
};

static const char usage[] =
	"usage: cloison-stream --broker URLS --node NAME [options]\n"
	"Carries this node's log to NATS JetStream: every record, in order; and\n"
	"the node's policy bundle from there to cloisond.\n"
	"\n"
	"  --broker URLS       comma-separated, tls://host:4222\n"
	"  --node NAME         as the policy calls this node\n"
	"  --stream NAME       [CLOISON]\n"
	"  --policy BUCKET     KV bucket with a policy bundle under the node's name;\n"
	"                      by default no policy is taken from the broker\n"
	"  --socket PATH       of cloisond\n"
	"                      [" CLO_CONTROL_SOCKET "]\n"
	"  --ca FILE           of the broker; with it also:\n"
	"  --certificate FILE  of this node for the broker\n"
	"  --key FILE          of that certificate\n"
	"  --log FILE          [/var/lib/cloison/log.sqlite]\n"
	"  --state FILE        how far the stream has the log; by default not "
	"kept\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 stopped in order, 1 failed, 2 usage.\n";

static int bad(const char *why)
{
	return clo_carry_bad(NAME, why);
}

static int check(struct process *process)
{
	struct options *options = &process->options;
	const struct clo_broker_config *broker = &options->broker;

	if (!broker->urls || !options->node)
		return bad("needs --broker and --node");
	if (!broker->ca != !broker->certificate || !broker->ca != !broker->key)
		return bad("--ca, --certificate and --key belong together");
	if (clo_stream_token(options->node, process->node) < 0)
		return bad("--node is empty or too long");
	options->broker.node = process->node;
	process->policy = (struct clo_policy_in){.bucket = options->policy,
						 .key = process->node,
						 .socket = options->socket};
	return 0;
}

/* 0; 1: it is done; -EINVAL after a line. */
static int parse(int argc, char **argv, struct process *process)
{
	static const struct option known[] = {
		{"broker", required_argument, NULL, 'b'},
		{"node", required_argument, NULL, 'n'},
		{"stream", required_argument, NULL, 't'},
		{"policy", required_argument, NULL, 'p'},
		{"socket", required_argument, NULL, 'S'},
		{"ca", required_argument, NULL, 'a'},
		{"certificate", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"log", required_argument, NULL, 'l'},
		{"state", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct options *options = &process->options;
	const char **places[128] = {
		['b'] = &options->broker.urls,
		['n'] = &options->node,
		['t'] = &options->broker.stream,
		['p'] = &options->policy,
		['S'] = &options->socket,
		['a'] = &options->broker.ca,
		['c'] = &options->broker.certificate,
		['k'] = &options->broker.key,
		['l'] = &options->log,
		['s'] = &options->state,
	};
	const struct clo_carrier carrier = {NAME, usage, known, places};
	int r = clo_carry_parse(&carrier, argc, argv);

	return r == 0 ? check(process) : r;
}

/* Until the log is sent to its end; 0: it is. */
static int send_all(struct process *process, struct clo_broker *broker)
{
	size_t n;
	int r;

	do {
		r = clo_push_round(&process->push, broker, &n);
		if (n > 0)
			process->attempt = 0;
	} while (r == 0 && n > 0);
	return r;
}

static int watch_policy(struct process *process, struct clo_broker *broker)
{
	process->policy_due = 0;
	return process->policy.bucket
		       ? clo_broker_watch(broker, process->policy.bucket,
					  process->policy.key,
					  &process->wait.hints)
		       : 0;
}

/* If it is due, or said to be another. */
static int look_at_policy(struct process *process, struct clo_broker *broker)
{
	eventfd_t hints;
	bool hinted = eventfd_read(process->wait.hints, &hints) == 0;
	double wait = RECONCILE_MS;
	int r;

	if (!process->policy.bucket ||
	    (!hinted && clo_milliseconds() < process->policy_due))
		return 0;
	r = clo_policy_in_round(&process->policy, broker);
	if (r == 0 || hinted)
		process->policy_attempt = 0;
	if (r == -EAGAIN)
		wait = clo_wait_delay(process->policy_attempt++,
				      clo_wait_chance());
	process->policy_due = clo_milliseconds() + wait;
	return r == -EAGAIN ? 0 : r;
}

/* Milliseconds to the next question, of the log's or of the policy's. */
static int until_due(const struct process *process)
{
	double left = process->policy_due - clo_milliseconds();

	if (!process->policy.bucket || left > RECONCILE_MS)
		return RECONCILE_MS;
	return left > 0 ? (int)left + 1 : 0;
}

/* One connection, until it breaks (-errno) or the process ends (0). */
static int serve(struct process *process)
{
	CLO_AUTO(clo_broker) struct clo_broker *broker = NULL;
	int r;

	r = clo_broker_open(&process->options.broker, &broker);
	if (r == 0)
		r = watch_policy(process, broker);
	while (r == 0) {
		r = clo_push_reconcile(&process->push, broker);
		if (r == 0)
			r = send_all(process, broker);
		if (r == 0)
			r = look_at_policy(process, broker);
		if (r == 0) {
			process->attempt = 0;
			(void)sd_notifyf(0, "STATUS=sent up to record %lld",
					 (long long)process->push.sent);
			if (clo_wait_for(&process->wait, until_due(process),
					 true))
				return 0;
		}
	}
	return r;
}

static int run(struct process *process)
{
	int r;

	(void)sd_notify(0, "READY=1");
	while ((r = serve(process)) < 0) {
		if (r == -ENOMEM || r == -EINVAL)
			return clo_log_errno(CLO_LOG_ERR, r, "broker");
		clo_log(CLO_LOG_WARN, "broker attempt=%u: %s", process->attempt,
			strerrordesc_np(-r));
		if (clo_wait_retry(&process->wait, process->attempt++))
			break;
	}
	(void)sd_notify(0, "STOPPING=1");
	return 0;
}

int main(int argc, char **argv)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	struct process process = {
		.options = {.broker = {.stream = "CLOISON"},
			    .log = "/var/lib/cloison/log.sqlite",
			    .state = "",
			    .socket = CLO_CONTROL_SOCKET},
	};
	int r = parse(argc, argv, &process);

	if (r != 0)
		return r < 0 ? 2 : 0;
	if (clo_carry_begin(process.options.log, &reader, &process.wait) < 0)
		return 1;
	clo_push_begin(&process.push, reader, process.node,
		       process.options.state);
	r = run(&process);
	clo_wait_done(&process.wait);
	return r < 0;
}
