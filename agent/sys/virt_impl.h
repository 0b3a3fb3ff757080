/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the virt*.c files share. Nobody else includes this. */

#include <pthread.h>
#include <time.h>

#include <libvirt/libvirt.h>

#include "agent/sys/virt.h"

/*
 * virt_loop.c: libvirt's event loop on sd-event. One per process, since
 * libvirt's is; -EBUSY while another sd_event still has watches. Called on the
 * thread that runs `event`; libvirt itself may call in from any thread.
 */
int clo_virt_loop_register(sd_event *event);
/* Release what libvirt removed; from a clean stack on the loop's thread. */
void clo_virt_loop_reap(void);
/* Shut every socket that libvirt watches: its calls fail. From any thread. */
void clo_virt_loop_hang_up(void);

/*
 * virt_open.c: virConnectOpenReadOnly() has no timeout, so it runs on a thread
 * that a hung libvirtd may keep for itself.
 */
struct clo_virt_open;

int clo_virt_open_new(const char *uri, struct clo_virt_open **ret_open);
/* Does not wait: a thread that still runs cleans up behind itself. */
void clo_virt_open_free(struct clo_virt_open *open);
CLO_DEFINE_FREEP(clo_virt_open)
int clo_virt_open_fd(const struct clo_virt_open *open); /* readable: done */
/* After done, once: the connection, or NULL if it failed. */
virConnectPtr clo_virt_open_take(struct clo_virt_open *open);

/*
 * virt_list.c: the running domains, listed on a thread that waits for libvirtd
 * at most as long as a deadline lets it.
 */
struct clo_virt_list;

int clo_virt_list_new(virConnectPtr connection,
		      struct clo_virt_list **ret_list);
int clo_virt_list_fd(const struct clo_virt_list *list); /* readable: done */
/* After done, once. -ENOTCONN: the connection is lost. */
int clo_virt_list_take(struct clo_virt_list *list,
		       struct clo_virt_domain **ret_domains, size_t *ret_n);
/* Waits for the thread. */
void clo_virt_list_free(struct clo_virt_list *list);

/* A joinable thread that no signal goes to: those belong to the loop. */
int clo_virt_thread(void *(*run)(void *arg), void *arg, pthread_t *ret_thread);

/*
 * virt_deadline.c: no call on a connection may last forever. libvirt's own
 * keepalive does not watch while a call blocks the loop that would run it, so
 * a thread hangs up when the time is over. Pairs; not across returns.
 */
struct clo_virt_deadline {
	pthread_t thread;
	pthread_mutex_t lock; /* guards met */
	pthread_cond_t changed;
	struct timespec at;
	bool met;
};

int clo_virt_deadline_start(struct clo_virt_deadline *deadline);
void clo_virt_deadline_stop(struct clo_virt_deadline *deadline);
