/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <libvirt/virterror.h>

#include "agent/base/log.h"
#include "agent/sys/virt_impl.h"

/* A handle (fd >= 0) or a timeout (fd < 0) that libvirt asked for. */
struct watch {
	struct watch *next;
	int id;
	int fd;
	int value; /* events of a handle; milliseconds of a timeout, -1 = off */
	bool changed;
	bool dead;
	sd_event_source *source; /* only the loop's thread touches it */
	virEventHandleCallback on_handle;
	virEventTimeoutCallback on_timeout;
	void *opaque;
	virFreeCallback free_opaque;
};

/* libvirt's registration cannot be taken back, so this is never freed. */
static struct {
	pthread_mutex_t lock; /* guards watches and last_id */
	struct watch *watches;
	int last_id;
	bool registered;
	int wake_fd;
	pthread_t thread;
	sd_event *event;
	sd_event_source *wake;
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake_fd = -1};

static uint32_t to_epoll(int events)
{
	return (events & VIR_EVENT_HANDLE_READABLE ? (uint32_t)EPOLLIN : 0) |
	       (events & VIR_EVENT_HANDLE_WRITABLE ? (uint32_t)EPOLLOUT : 0);
}

static int from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? VIR_EVENT_HANDLE_READABLE : 0) |
	       (events & EPOLLOUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
	       (events & EPOLLERR ? VIR_EVENT_HANDLE_ERROR : 0) |
	       (events & EPOLLHUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct watch *watch = arg;
	bool dead;

	(void)source;
	(void)pthread_mutex_lock(&loop.lock);
	dead = watch->dead;
	(void)pthread_mutex_unlock(&loop.lock);
	if (!dead)
		watch->on_handle(watch->id, fd, from_epoll(events),
				 watch->opaque);
	return 0;
}

static int arm(struct watch *watch)
{
	int r;

	if (watch->value < 0)
		return sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
	r = sd_event_source_set_time_relative(watch->source,
					      (uint64_t)watch->value * 1000);
	if (r < 0)
		return r;

	return sd_event_source_set_enabled(watch->source, SD_EVENT_ONESHOT);
}

/* libvirt's timeouts repeat until they are changed or removed. */
static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
	struct watch *watch = arg;
	bool due;

	(void)source;
	(void)usec;
	(void)pthread_mutex_lock(&loop.lock);
	due = !watch->dead && watch->value >= 0;
	if (due)
		(void)arm(watch);
	(void)pthread_mutex_unlock(&loop.lock);
	if (due)
		watch->on_timeout(watch->id, watch->opaque);
	return 0;
}

static int apply_handle(struct watch *watch)
{
	int r;

	if (!watch->source) {
		r = sd_event_add_io(loop.event, &watch->source, watch->fd,
				    to_epoll(watch->value), on_io, watch);
		if (r < 0)
			return r;
	}
	r = sd_event_source_set_io_events(watch->source,
					  to_epoll(watch->value));
	if (r < 0)
		return r;

	/* With no events asked for, epoll would still report hang-ups. */
	return sd_event_source_set_enabled(
		watch->source, watch->value ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int apply_timeout(struct watch *watch)
{
	int r;

	if (!watch->source) {
		r = sd_event_add_time_relative(loop.event, &watch->source,
					       CLOCK_MONOTONIC, 0, 1000,
					       on_time, watch);
		if (r < 0)
			return r;
	}

	return arm(watch);
}

/* Bring sd-event to what libvirt asked for. Locked; on the loop's thread. */
static void apply(void)
{
	/* Then sd-event takes nothing new; calls wait for their own answers. */
	bool over = sd_event_get_state(loop.event) == SD_EVENT_FINISHED;

	for (struct watch *watch = loop.watches; watch; watch = watch->next) {
		int r = 0;

		if (watch->dead)
			watch->source =
				sd_event_source_disable_unref(watch->source);
		else if (watch->changed && !over)
			r = watch->fd >= 0 ? apply_handle(watch)
					   : apply_timeout(watch);
		watch->changed = false;
		if (r < 0)
			(void)clo_log_errno(CLO_LOG_ERR, r,
					    "cannot watch for libvirt fd=%d",
					    watch->fd);
	}
}

/* Later, from a clean stack: what is to be freed may be locked just now. */
static void poke(void)
{
	uint64_t one = 1;

	if (pthread_equal(pthread_self(), loop.thread))
		apply();
	/* Can only fail if it is readable already. */
	if (write(loop.wake_fd, &one, sizeof(one)) < 0)
		return;
}

static struct watch *find(int id, bool handle)
{
	struct watch *watch = loop.watches;

	while (watch &&
	       (watch->id != id || watch->dead || (watch->fd >= 0) != handle))
		watch = watch->next;
	return watch;
}

static int add(struct watch asked)
{
	struct watch *watch = malloc(sizeof(*watch));
	int id;

	if (!watch)
		return -1;

	*watch = asked;
	watch->changed = true;
	(void)pthread_mutex_lock(&loop.lock);
	id = watch->id = ++loop.last_id;
	watch->next = loop.watches;
	loop.watches = watch;
	poke();
	(void)pthread_mutex_unlock(&loop.lock);
	return id;
}

static void update(int id, bool handle, int value)
{
	struct watch *watch;

	(void)pthread_mutex_lock(&loop.lock);
	watch = find(id, handle);
	if (watch) {
		watch->value = value;
		watch->changed = true;
		poke();
	}
	(void)pthread_mutex_unlock(&loop.lock);
}

static int drop(int id, bool handle)
{
	struct watch *watch;

	(void)pthread_mutex_lock(&loop.lock);
	watch = find(id, handle);
	if (watch) {
		watch->dead = true;
		poke();
	}
	(void)pthread_mutex_unlock(&loop.lock);
	return watch ? 0 : -1;
}

static int add_handle(int fd, int events, virEventHandleCallback callback,
		      void *opaque, virFreeCallback free_opaque)
{
	return add((struct watch){.fd = fd,
				  .value = events,
				  .on_handle = callback,
				  .opaque = opaque,
				  .free_opaque = free_opaque});
}

static void update_handle(int id, int events)
{
	update(id, true, events);
}

static int remove_handle(int id)
{
	return drop(id, true);
}

static int add_timeout(int timeout, virEventTimeoutCallback callback,
		       void *opaque, virFreeCallback free_opaque)
{
	return add((struct watch){.fd = -1,
				  .value = timeout,
				  .on_timeout = callback,
				  .opaque = opaque,
				  .free_opaque = free_opaque});
}

static void update_timeout(int id, int timeout)
{
	update(id, false, timeout);
}

static int remove_timeout(int id)
{
	return drop(id, false);
}

static struct watch *take_dead(void)
{
	struct watch **link = &loop.watches;
	struct watch *watch;

	while (*link && !(*link)->dead)
		link = &(*link)->next;
	watch = *link;
	if (watch)
		*link = watch->next;
	return watch;
}

void clo_virt_loop_reap(void)
{
	struct watch *watch;

	do {
		(void)pthread_mutex_lock(&loop.lock);
		apply();
		watch = take_dead();
		(void)pthread_mutex_unlock(&loop.lock);
		/* Unlocked: it may well remove other watches. */
		if (watch && watch->free_opaque)
			watch->free_opaque(watch->opaque);
		free(watch);
	} while (watch);
}

void clo_virt_loop_hang_up(void)
{
	(void)pthread_mutex_lock(&loop.lock);
	for (const struct watch *watch = loop.watches; watch;
	     watch = watch->next)
		if (watch->fd >= 0 && !watch->dead)
			(void)shutdown(watch->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&loop.lock);
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	uint64_t count;

	(void)source;
	(void)events;
	(void)arg;
	if (read(fd, &count, sizeof(count)) < 0)
		return 0;
	clo_virt_loop_reap();
	return 0;
}

/* libvirt's own way is to print on stderr. */
static void on_error(void *userdata, virErrorPtr error)
{
	(void)userdata;
	clo_log(error->code == VIR_ERR_NO_SUPPORT ? CLO_LOG_DEBUG
						  : CLO_LOG_WARN,
		"libvirt: %s",
		error->message ? error->message : "error without a message");
}

static void release_event(void)
{
	loop.wake = sd_event_source_disable_unref(loop.wake);
	loop.event = sd_event_unref(loop.event);
}

int clo_virt_loop_register(sd_event *event)
{
	int r;

	if (loop.event == event)
		return 0;
	if (loop.event) {
		clo_virt_loop_reap();
		if (loop.watches)
			return -EBUSY;
		release_event();
	}
	if (loop.wake_fd < 0)
		loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop.wake_fd < 0)
		return -errno;
	r = sd_event_add_io(event, &loop.wake, loop.wake_fd, EPOLLIN, on_wake,
			    NULL);
	if (r < 0)
		return r;
	loop.event = sd_event_ref(event);
	loop.thread = pthread_self();
	if (!loop.registered) {
		virSetErrorFunc(NULL, on_error);
		if (virInitialize() < 0) {
			release_event();
			return -ENOSYS;
		}
		virEventRegisterImpl(add_handle, update_handle, remove_handle,
				     add_timeout, update_timeout,
				     remove_timeout);
		loop.registered = true;
	}

	return 0;
}
