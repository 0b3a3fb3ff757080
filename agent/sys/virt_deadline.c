/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>

#include "agent/base/log.h"
#include "agent/sys/virt_impl.h"

/* All calls between start and stop together. */
#define SECONDS 10

static void *watch(void *arg)
{
	struct clo_virt_deadline *deadline = arg;
	int r = 0;

	(void)pthread_mutex_lock(&deadline->lock);
	while (!deadline->met && r == 0)
		r = pthread_cond_clockwait(&deadline->changed, &deadline->lock,
					   CLOCK_MONOTONIC, &deadline->at);
	if (!deadline->met) {
		clo_log(CLO_LOG_WARN, "libvirt does not answer; hanging up");
		clo_virt_loop_hang_up();
	}
	(void)pthread_mutex_unlock(&deadline->lock);
	return NULL;
}

int clo_virt_deadline_start(struct clo_virt_deadline *deadline)
{
	int r;

	deadline->met = false;
	(void)clock_gettime(CLOCK_MONOTONIC, &deadline->at);
	deadline->at.tv_sec += SECONDS;
	(void)pthread_mutex_init(&deadline->lock, NULL);
	(void)pthread_cond_init(&deadline->changed, NULL);
	r = clo_virt_thread(watch, deadline, &deadline->thread);
	if (r < 0) {
		(void)pthread_cond_destroy(&deadline->changed);
		(void)pthread_mutex_destroy(&deadline->lock);
	}
	return r;
}

void clo_virt_deadline_stop(struct clo_virt_deadline *deadline)
{
	(void)pthread_mutex_lock(&deadline->lock);
	deadline->met = true;
	(void)pthread_cond_signal(&deadline->changed);
	(void)pthread_mutex_unlock(&deadline->lock);
	(void)pthread_join(deadline->thread, NULL);
	(void)pthread_cond_destroy(&deadline->changed);
	(void)pthread_mutex_destroy(&deadline->lock);
}
