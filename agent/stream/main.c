/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-stream: carries the node's log to the control plane's broker. It has
 * the broker's client key and nothing else: no key that signs, the log
 * read-only, no privilege.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/stream/names.h"
#include "agent/stream/push.h"

#define RECONCILE_MS 30000 /* between questions what the stream has */

struct options {
	struct clo_broker_config broker;
	const char *log, *state, *node;
};

struct process {
	struct options options;
	char node[CLO_STREAM_NODE_MAX];
	struct clo_push push;
	int end, changes; /* signalfd, inotify on the log's directory */
	unsigned int attempt; /* since the last that worked */
};

static const char usage[] =
	"usage: cloison-stream --broker URLS --node NAME [options]\n"
	"Carries this node's log to NATS JetStream: every record, in order.\n"
	"\n"
	"  --broker URLS       comma-separated, tls://host:4222\n"
	"  --node NAME         as the policy calls this node\n"
	"  --stream NAME       [CLOISON]\n"
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
	(void)fprintf(stderr, "cloison-stream: %s; see --help\n", why);
	return -EINVAL;
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
	return 0;
}

/* 0; 1: it is done; -EINVAL after a line. */
static int parse(int argc, char **argv, struct process *process)
{
	static const struct option known[] = {
		{"broker", required_argument, NULL, 'b'},
		{"node", required_argument, NULL, 'n'},
		{"stream", required_argument, NULL, 't'},
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
		['a'] = &options->broker.ca,
		['c'] = &options->broker.certificate,
		['k'] = &options->broker.key,
		['l'] = &options->log,
		['s'] = &options->state,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 'h')
			return fputs(usage, stdout) < 0 ? -EIO : 1;
		if (option == 'v')
			return puts("cloison-stream " CLO_VERSION) < 0 ? -EIO
								       : 1;
		if (option >= 128 || !places[option])
			return -EINVAL; /* getopt has said why */
		*places[option] = optarg;
	}
	return optind < argc ? bad("takes no operand") : check(process);
}

/* SQLite writes into a file beside the log: the directory is watched. */
static int watch_log(const char *log, int *ret_fd)
{
	CLO_AUTO_MEM char *directory = strdup(log);
	CLO_AUTO_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char *slash = directory ? strrchr(directory, '/') : NULL;

	if (!directory || fd < 0)
		return directory ? -errno : -ENOMEM;
	if (slash)
		slash[slash == directory] = '\0';
	if (inotify_add_watch(fd, slash ? directory : ".",
			      IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	*ret_fd = clo_take_fd(&fd);
	return 0;
}

static int watch_end(int *ret_fd)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	/* before any thread of the broker's library: they inherit it */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

/* Until there may be more in the log, or the time is over. True: the end. */
static bool wait_for(const struct process *process, int milliseconds, bool log)
{
	struct pollfd fds[] = {
		{.fd = process->end, .events = POLLIN},
		{.fd = log ? process->changes : -1, .events = POLLIN},
	};
	char events[2048];

	(void)poll(fds, CLO_ARRAY_LEN(fds), milliseconds);
	if (fds[1].revents)
		while (read(process->changes, events, sizeof(events)) > 0)
			continue;
	return fds[0].revents != 0;
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

/* One connection, until it breaks (-errno) or the process ends (0). */
static int serve(struct process *process)
{
	CLO_AUTO(clo_broker) struct clo_broker *broker = NULL;
	int r;

	r = clo_broker_open(&process->options.broker, &broker);
	while (r == 0) {
		r = clo_push_reconcile(&process->push, broker);
		if (r == 0)
			r = send_all(process, broker);
		if (r == 0) {
			process->attempt = 0;
			(void)sd_notifyf(0, "STATUS=sent up to record %lld",
					 (long long)process->push.sent);
			if (wait_for(process, RECONCILE_MS, true))
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
		uint32_t chance = 0;

		if (r == -ENOMEM || r == -EINVAL)
			return clo_log_errno(CLO_LOG_ERR, r, "broker");
		if (getrandom(&chance, sizeof(chance), 0) < 0)
			chance = (uint32_t)getpid();
		clo_log(CLO_LOG_WARN, "broker attempt=%u: %s", process->attempt,
			strerrordesc_np(-r));
		if (wait_for(process,
			     (int)clo_push_delay(process->attempt++, chance),
			     false))
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
			    .state = ""},
		.end = -1,
		.changes = -1,
	};
	int r = parse(argc, argv, &process);

	if (r != 0)
		return r < 0 ? 2 : 0;
	r = watch_end(&process.end);
	if (r == 0)
		r = watch_log(process.options.log, &process.changes);
	if (r == 0)
		r = clo_reader_open(process.options.log, &reader);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "log %s",
				    process.options.log);
	if (r == 0)
		r = clo_push_begin(&process.push, reader, process.node,
				   process.options.state);
	if (r == 0)
		r = run(&process);
	clo_fd_closep(&process.end);
	clo_fd_closep(&process.changes);
	return r < 0;
}
