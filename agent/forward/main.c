/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-forward: the events of the node's log to a syslog receiver, over TLS.
 * It has the receiver's client key and nothing else: no key that signs, the
 * log read-only, no privilege.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "agent/base/log.h"
#include "agent/forward/feed.h"
#include "agent/forward/target.h"
#include "agent/stream/carry.h"

#define NAME "cloison-forward"

struct options {
	const char *to, *format, *log, *state;
	const char *ca, *certificate, *key;
};

struct process {
	struct options options;
	struct clo_target target;
	enum clo_siem_format format;
	struct clo_feed feed;
	struct clo_wait wait;
	unsigned int attempt; /* since the last that worked */
};

static const char usage[] =
	"usage: cloison-forward --to tls://HOST[:6514] --ca FILE --certificate "
	"FILE\n"
	"                       --key FILE [options]\n"
	"Sends the findings in this node's log to a syslog receiver (RFC 5425).\n"
	"\n"
	"  --to URL            the receiver\n"
	"  --ca FILE           of the receiver\n"
	"  --certificate FILE  of this node for the receiver\n"
	"  --key FILE          of that certificate\n"
	"  --format FORMAT     cef, ecs or ocsf [cef]\n"
	"  --log FILE          [/var/lib/cloison/log.sqlite]\n"
	"  --state FILE        how far the receiver has the log; by default not "
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
	const struct options *options = &process->options;

	if (!options->to || !options->ca || !options->certificate ||
	    !options->key)
		return bad("needs --to, --ca, --certificate and --key");
	if (clo_target_parse(options->to, &process->target) < 0)
		return bad("--to takes tls://HOST or tls://HOST:PORT");
	process->format = clo_siem_format(options->format);
	if (process->format == CLO_SIEM_FORMATS)
		return bad("--format takes cef, ecs or ocsf");
	return 0;
}

/* 0; 1: it is done; -EINVAL after a line. */
static int parse(int argc, char **argv, struct process *process)
{
	static const struct option known[] = {
		{"to", required_argument, NULL, 't'},
		{"ca", required_argument, NULL, 'a'},
		{"certificate", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"format", required_argument, NULL, 'f'},
		{"log", required_argument, NULL, 'l'},
		{"state", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct options *options = &process->options;
	const char **places[128] = {
		['t'] = &options->to,          ['a'] = &options->ca,
		['c'] = &options->certificate, ['k'] = &options->key,
		['f'] = &options->format,      ['l'] = &options->log,
		['s'] = &options->state,
	};
	const struct clo_carrier carrier = {NAME, usage, known, places};
	int r = clo_carry_parse(&carrier, argc, argv);

	return r == 0 ? check(process) : r;
}

/* Until the log is sent to its end; 0: it is. */
static int send_all(struct process *process, struct clo_syslog *syslog)
{
	size_t n;
	int r;

	do {
		r = clo_feed_round(&process->feed, syslog, &n);
		if (r == 0)
			r = clo_feed_settle(&process->feed, syslog);
	} while (r == 0 && n > 0);
	return r;
}

/* One connection, until it breaks (-errno) or the process ends (0). */
static int serve(struct process *process)
{
	const struct clo_syslog_config config = {
		.host = process->target.host,
		.port = process->target.port,
		.client.ca = process->options.ca,
		.client.certificate = process->options.certificate,
		.client.key = process->options.key,
	};
	CLO_AUTO(clo_syslog) struct clo_syslog *syslog = NULL;
	int64_t before = process->feed.kept;
	int r;

	r = clo_syslog_open(&config, &syslog);
	clo_feed_connected(&process->feed);
	while (r == 0) {
		r = send_all(process, syslog);
		if (process->feed.kept != before)
			process->attempt = 0; /* it takes what it is sent */
		(void)sd_notifyf(0, "STATUS=received up to record %lld",
				 (long long)process->feed.kept);
		if (r == 0 &&
		    clo_wait_for(&process->wait, CLO_FEED_SETTLE_MS, true)) {
			clo_feed_end(&process->feed, syslog);
			return 0;
		}
	}
	return r;
}

static const char *why(int r)
{
	switch (r) {
	case -EACCES:
		return "its certificate is not for this host, or not of --ca";
	case -ENOTCONN:
		return "it does not answer, or refused this node's "
		       "certificate";
	default:
		return strerrordesc_np(-r);
	}
}

static int run(struct process *process)
{
	const char *to = process->options.to;
	int r;

	(void)sd_notify(0, "READY=1");
	while ((r = serve(process)) < 0) {
		if (r == -ENOMEM)
			return clo_log_errno(CLO_LOG_ERR, r, "receiver");
		if (r == -EINVAL) {
			clo_log(CLO_LOG_ERR, "--ca, --certificate and --key: "
					     "not PEM files that belong "
					     "together");
			return r;
		}
		clo_log(CLO_LOG_WARN, "receiver %s attempt=%u: %s", to,
			process->attempt, why(r));
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
		.options = {.format = "cef",
			    .log = "/var/lib/cloison/log.sqlite",
			    .state = ""},
	};
	const struct options *options = &process.options;
	int r = parse(argc, argv, &process);

	if (r != 0)
		return r < 0 ? 2 : 0;
	if (clo_carry_begin(options->log, &reader, &process.wait) < 0)
		return 1;
	clo_feed_begin(&process.feed, reader, process.format, options->state);
	r = run(&process);
	clo_wait_done(&process.wait);
	return r < 0;
}
