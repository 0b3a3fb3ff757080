/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "agent/base/auto.h"

/*
 * SQLite writes into a file beside the log, which stays. Not their directory:
 * that is not ours to read.
 */
static int watch_log(const char *log, int *ret_fd)
{
	CLO_AUTO_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	CLO_AUTO_MEM char *wal = NULL;

	if (asprintf(&wal, "%s-wal", log) < 0) {
		wal = NULL;
		return -ENOMEM;
	}
	if (fd < 0 || inotify_add_watch(fd, log, IN_MODIFY) < 0 ||
	    inotify_add_watch(fd, wal, IN_MODIFY) < 0)
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
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

int clo_wait_begin(const char *log, struct clo_wait *ret_wait)
{
	struct clo_wait wait = {.end = -1, .changes = -1, .hints = -1};
	int r = watch_end(&wait.end);

	wait.hints = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r == 0 && wait.hints < 0)
		r = -errno;
	if (r == 0)
		r = watch_log(log, &wait.changes);
	if (r < 0) {
		clo_wait_done(&wait);
		return r;
	}

	*ret_wait = wait;
	return 0;
}

void clo_wait_done(const struct clo_wait *wait)
{
	clo_fd_closep(&wait->end);
	clo_fd_closep(&wait->changes);
	clo_fd_closep(&wait->hints);
}

bool clo_wait_for(const struct clo_wait *wait, int milliseconds, bool news)
{
	struct pollfd fds[] = {
		{.fd = wait->end, .events = POLLIN},
		{.fd = news ? wait->changes : -1, .events = POLLIN},
		{.fd = news ? wait->hints : -1, .events = POLLIN},
	};
	char events[2048];

	(void)poll(fds, CLO_ARRAY_LEN(fds), milliseconds);
	if (fds[1].revents)
		while (read(wait->changes, events, sizeof(events)) > 0)
			continue;
	return fds[0].revents != 0;
}

unsigned int clo_wait_delay(unsigned int attempt, uint32_t chance)
{
	unsigned int whole = 500U << (attempt < 7 ? attempt : 7);

	whole = whole > 60000 ? 60000 : whole;
	return whole / 2 + chance % (whole / 2 + 1);
}

uint32_t clo_wait_chance(void)
{
	uint32_t chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = (uint32_t)getpid();
	return chance;
}

bool clo_wait_retry(const struct clo_wait *wait, unsigned int attempt)
{
	return clo_wait_for(
		wait, (int)clo_wait_delay(attempt, clo_wait_chance()), false);
}
