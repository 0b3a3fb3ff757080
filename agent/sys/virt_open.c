/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "agent/sys/virt_impl.h"

/* A peer that is silent for this long while nobody waits for it is dead. */
#define KEEPALIVE_SECONDS 3
#define KEEPALIVE_TRIES 3U

/* Shared by the loop and the thread; the last of them frees it. */
struct clo_virt_open {
	pthread_mutex_t lock;
	unsigned int users;
	int done_fd;
	virConnectPtr connection;
	char *uri;
};

static void release(struct clo_virt_open *open)
{
	bool last;

	(void)pthread_mutex_lock(&open->lock);
	last = --open->users == 0;
	(void)pthread_mutex_unlock(&open->lock);
	if (!last)
		return;

	if (open->connection)
		(void)virConnectClose(open->connection);
	(void)pthread_mutex_destroy(&open->lock);
	clo_fd_closep(&open->done_fd);
	free(open->uri);
	free(open);
}

static void *run(void *arg)
{
	struct clo_virt_open *open = arg;
	virConnectPtr connection;
	uint64_t one = 1;

	connection = virConnectOpenReadOnly(open->uri);
	/* Drivers inside the process have no peer, so refuse; that is fine. */
	if (connection)
		(void)virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS,
					     KEEPALIVE_TRIES);
	(void)pthread_mutex_lock(&open->lock);
	open->connection = connection;
	(void)pthread_mutex_unlock(&open->lock);
	if (write(open->done_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd at 0 takes a 1 */
	release(open);
	return NULL;
}

int clo_virt_thread(void *(*run_it)(void *arg), void *arg,
		    pthread_t *ret_thread)
{
	sigset_t all;
	sigset_t old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret_thread, NULL, run_it, arg);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int clo_virt_open_new(const char *uri, struct clo_virt_open **ret_open)
{
	CLO_AUTO(clo_virt_open) struct clo_virt_open *open = NULL;
	pthread_t thread;
	int r;

	open = calloc(1, sizeof(*open));
	if (!open)
		return -ENOMEM;
	(void)pthread_mutex_init(&open->lock, NULL);
	open->users = 1;
	open->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (open->done_fd < 0)
		return -errno;
	open->uri = strdup(uri);
	if (!open->uri)
		return -ENOMEM;
	open->users = 2;
	r = clo_virt_thread(run, open, &thread);
	if (r < 0) {
		open->users = 1;
		return r;
	}
	(void)pthread_detach(thread);

	*ret_open = CLO_TAKE(open);
	return 0;
}

void clo_virt_open_free(struct clo_virt_open *open)
{
	if (open)
		release(open);
}

int clo_virt_open_fd(const struct clo_virt_open *open)
{
	return open->done_fd;
}

virConnectPtr clo_virt_open_take(struct clo_virt_open *open)
{
	virConnectPtr connection;

	(void)pthread_mutex_lock(&open->lock);
	connection = CLO_TAKE(open->connection);
	(void)pthread_mutex_unlock(&open->lock);
	return connection;
}
