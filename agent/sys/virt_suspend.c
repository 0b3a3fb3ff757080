/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/virt_suspend.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <libvirt/virterror.h>

#include "agent/base/log.h"
#include "agent/sys/virt_impl.h"

#define DEADLINE UINT64_C(10000000) /* microseconds */
#define KEEPALIVE_SECONDS 3
#define KEEPALIVE_TRIES 3U

/* Shared by the loop and the thread; the last of them frees it. */
struct job {
	pthread_mutex_t lock; /* guards users */
	unsigned int users;
	int done_fd;
	char *uri;
	char uuid[37];
	int id;
	int r; /* once done: 1 suspended, 0 nothing to do, or -errno */
	/* the loop's alone */
	struct clo_virt_suspender *suspender;
	struct job *next;
	sd_event_source *done, *late;
};

struct clo_virt_suspender {
	sd_event *event;
	char *uri;
	struct job *jobs; /* under way */
};

static void release(struct job *job)
{
	bool last;

	(void)pthread_mutex_lock(&job->lock);
	last = --job->users == 0;
	(void)pthread_mutex_unlock(&job->lock);
	if (!last)
		return;

	(void)pthread_mutex_destroy(&job->lock);
	clo_fd_closep(&job->done_fd);
	free(job->uri);
	free(job);
}

static int suspend_domain(const struct job *job, virDomainPtr domain)
{
	int state;

	if (virDomainGetID(domain) != (unsigned int)job->id)
		return 0; /* another run of it */
	if (virDomainGetState(domain, &state, NULL, 0) < 0)
		return -EIO;
	if (state != VIR_DOMAIN_RUNNING && state != VIR_DOMAIN_BLOCKED)
		return 0;
	return virDomainSuspend(domain) < 0 ? -EIO : 1;
}

static int suspend_over(const struct job *job, virConnectPtr connection)
{
	virDomainPtr domain;
	int r;

	/* Drivers inside the process have no peer, so refuse; that is fine. */
	(void)virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS,
				     KEEPALIVE_TRIES);
	domain = virDomainLookupByUUIDString(connection, job->uuid);
	if (!domain)
		return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? 0 : -EIO;
	r = suspend_domain(job, domain);
	(void)virDomainFree(domain);
	return r;
}

static void *run(void *arg)
{
	virConnectPtr connection;
	struct job *job = arg;
	uint64_t one = 1;

	connection = virConnectOpen(job->uri);
	job->r = connection ? suspend_over(job, connection) : -ENOTCONN;
	if (connection)
		(void)virConnectClose(connection);
	if (write(job->done_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd at 0 takes a 1 */
	release(job);
	return NULL;
}

static void forget(struct job *job)
{
	struct job **link = &job->suspender->jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	job->done = sd_event_source_disable_unref(job->done);
	job->late = sd_event_source_disable_unref(job->late);
	release(job);
}

static int on_done(sd_event_source *source, int fd, uint32_t events,
		   void *userdata)
{
	struct job *job = userdata;
	uint64_t one;

	(void)source;
	(void)events;
	if (read(fd, &one, sizeof(one)) < 0)
		return 0;
	if (job->r > 0)
		clo_log(CLO_LOG_WARN, "suspended domain=%s", job->uuid);
	else if (job->r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, job->r,
				    "not suspended domain=%s", job->uuid);
	forget(job);
	clo_virt_loop_reap();
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct job *job = userdata;

	(void)source;
	(void)usec;
	clo_log(CLO_LOG_ERR, "libvirt has not suspended yet domain=%s",
		job->uuid);
	return 0;
}

static int job_new(const struct clo_virt_suspender *suspender, const char *uuid,
		   int id, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	(void)pthread_mutex_init(&job->lock, NULL);
	job->users = 1;
	job->id = id;
	(void)snprintf(job->uuid, sizeof(job->uuid), "%s", uuid);
	job->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	job->uri = strdup(suspender->uri);
	if (job->done_fd < 0 || !job->uri) {
		release(job);
		return -ENOMEM;
	}

	*ret_job = job;
	return 0;
}

static int start(struct job *job)
{
	sd_event *event = job->suspender->event;
	pthread_t thread;
	int r;

	r = sd_event_add_io(event, &job->done, job->done_fd, EPOLLIN, on_done,
			    job);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &job->late,
					       CLOCK_MONOTONIC, DEADLINE, 0,
					       on_late, job);
	if (r < 0)
		return r;
	job->users = 2;
	r = clo_virt_thread(run, job, &thread);
	if (r < 0) {
		job->users = 1;
		return r;
	}
	(void)pthread_detach(thread);
	return 0;
}

int clo_virt_suspender_ask(struct clo_virt_suspender *suspender,
			   const char *uuid, int id)
{
	struct job *job;
	int r;

	for (job = suspender->jobs; job; job = job->next)
		if (job->id == id && strcmp(job->uuid, uuid) == 0)
			return 0;
	r = job_new(suspender, uuid, id, &job);
	if (r < 0)
		return r;
	job->suspender = suspender;
	job->next = suspender->jobs;
	suspender->jobs = job;
	r = start(job);
	if (r < 0)
		forget(job);
	return r;
}

int clo_virt_suspender_new(sd_event *event, const char *uri,
			   struct clo_virt_suspender **ret_suspender)
{
	CLO_AUTO(clo_virt_suspender)
	struct clo_virt_suspender *suspender = NULL;
	int r;

	suspender = calloc(1, sizeof(*suspender));
	if (!suspender)
		return -ENOMEM;
	suspender->event = sd_event_ref(event);
	suspender->uri = strdup(uri);
	if (!suspender->uri)
		return -ENOMEM;
	r = clo_virt_loop_register(event);
	if (r < 0)
		return r;

	*ret_suspender = CLO_TAKE(suspender);
	return 0;
}

void clo_virt_suspender_free(struct clo_virt_suspender *suspender)
{
	if (!suspender)
		return;

	while (suspender->jobs)
		forget(suspender->jobs);
	sd_event_unref(suspender->event);
	free(suspender->uri);
	free(suspender);
}
