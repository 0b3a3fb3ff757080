/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cloison-gateway: takes what it needs, gives up everything else, then meets
 * strangers. The main thread waits for the end and feeds systemd's watchdog.
 */

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/attest/store_reader.h"
#include "agent/base/file.h"
#include "agent/base/log.h"
#include "agent/gateway/confine.h"
#include "agent/gateway/http.h"
#include "agent/gateway/notify.h"
#include "agent/gateway/options.h"

#define PEM_MAX (256U << 10)
#define WATCHDOG_SECONDS 10

struct process {
	struct clo_gateway_options options;
	struct clo_gateway gateway;
	struct clo_tls *tls;
	struct clo_http *http;
	char *certificate, *key, *client_ca, *revoked; /* PEM texts */
	int listener, notify;
};

static int read_pem(const char *path, char **ret_text)
{
	size_t len;
	int r = clo_file_read(path, PEM_MAX, ret_text, &len);

	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "%s", path) : 0;
}

static int read_files(struct process *process)
{
	const struct clo_gateway_options *options = &process->options;
	int r;

	r = read_pem(options->certificate, &process->certificate);
	if (r == 0)
		r = read_pem(options->key, &process->key);
	if (r == 0)
		r = read_pem(options->client_ca, &process->client_ca);
	if (r == 0 && options->revoked)
		r = read_pem(options->revoked, &process->revoked);
	if (r < 0)
		return r;
	r = clo_tls_new(process->client_ca, process->revoked, &process->tls);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "client authorities") : 0;
}

static int take_listener(struct process *process)
{
	int r;

	if (process->options.listen) {
		r = clo_gateway_listen(process->options.listen,
				       &process->listener);
		return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "listening on %s",
					     process->options.listen)
			     : 0;
	}
	if (sd_listen_fds(1) != 1)
		return clo_log_errno(CLO_LOG_ERR, -EBADF,
				     "no --listen, and from systemd");
	process->listener = SD_LISTEN_FDS_START;
	return 0;
}

/* The end is waited for, never delivered; threads inherit that. */
static int block_signals(sigset_t *ret_set)
{
	(void)sigemptyset(ret_set);
	(void)sigaddset(ret_set, SIGTERM);
	(void)sigaddset(ret_set, SIGINT);
	return sigprocmask(SIG_BLOCK, ret_set, NULL) < 0 ? -errno : 0;
}

static int check_log(const char *path)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	int r = clo_reader_open(path, &reader);

	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "log %s", path) : 0;
}

static int prepare(struct process *process)
{
	struct clo_gateway *gateway = &process->gateway;
	int r;

	if (geteuid() == 0)
		return clo_log_errno(CLO_LOG_ERR, -EPERM, "as root");
	/* first of all, so that the child holds no key in its memory */
	r = clo_connector_new(process->options.control,
			      clo_gateway_confine_connector,
			      &gateway->connector);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "connector");
	r = read_files(process);
	if (r == 0)
		r = take_listener(process);
	if (r == 0)
		r = check_log(process->options.log);
	if (r < 0)
		return r;
	process->notify = clo_notify_open();
	gateway->options = &process->options;
	gateway->stopping = eventfd(0, EFD_CLOEXEC);
	if (gateway->stopping < 0)
		return clo_log_errno(CLO_LOG_ERR, -errno, "eventfd");
	(void)pthread_mutex_init(&gateway->lock, NULL);
	r = clo_gateway_confine(process->options.log);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "confinement") : 0;
}

static void wait_for_end(const struct process *process, const sigset_t *set)
{
	const struct timespec patience = {.tv_sec = WATCHDOG_SECONDS};
	int number;

	do {
		clo_notify(process->notify, "WATCHDOG=1");
		number = sigtimedwait(set, NULL, &patience);
	} while (number < 0 && (errno == EAGAIN || errno == EINTR));
	clo_notify(process->notify, "STOPPING=1");
	clo_log(CLO_LOG_INFO, "stopping signal=%d", number);
}

static int run(struct process *process)
{
	const uint64_t one = 1;
	sigset_t set;
	int r;

	r = block_signals(&set);
	if (r == 0)
		r = prepare(process);
	if (r < 0)
		return r;
	r = clo_http_new(&process->gateway, process->tls, process->listener,
			 process->certificate, process->key, process->client_ca,
			 &process->http);
	process->listener = -1;
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "certificate and key");
	assert(process->key);
	explicit_bzero(process->key, strlen(process->key));
	clo_notify(process->notify, "READY=1");
	clo_log(CLO_LOG_INFO, "ready version=" CLO_VERSION);
	wait_for_end(process, &set);
	if (write(process->gateway.stopping, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

static void release(struct process *process)
{
	clo_http_free(process->http);
	clo_tls_free(process->tls);
	clo_connector_free(process->gateway.connector);
	free(process->certificate);
	free(process->key);
	free(process->client_ca);
	free(process->revoked);
	if (process->listener >= 0)
		(void)close(process->listener);
	if (process->notify >= 0)
		(void)close(process->notify);
	if (process->gateway.stopping >= 0)
		(void)close(process->gateway.stopping);
}

int main(int argc, char **argv)
{
	static struct process process = {
		.listener = -1,
		.notify = -1,
		.gateway = {.stopping = -1},
	};
	int r;

	r = clo_gateway_options_parse(argc, argv, &process.options);
	if (r != 0)
		return r < 0 ? 2 : 0;
	r = run(&process);
	release(&process);
	return r < 0;
}
