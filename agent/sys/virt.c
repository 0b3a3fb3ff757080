/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/virt.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/base/log.h"
#include "agent/sys/virt_impl.h"

#define RETRY_MIN_SECONDS 1U
#define RETRY_MAX_SECONDS 30U

static const int event_ids[] = {
	VIR_DOMAIN_EVENT_ID_LIFECYCLE,
	VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
	VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
	VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
};

/*
 * Either a connection, or an attempt on its way, or a timer for the next one.
 * Callbacks from libvirt only leave a note and enable `later`: the work is done
 * on a clean stack, once however many events came. Domains are listed on a
 * thread: libvirtd does not describe a domain that it is starting, and that may
 * wait for a hook, which waits for us.
 */
struct clo_virt {
	sd_event *event;
	char *uri;
	void (*on_change)(void *userdata);
	void *userdata;
	virConnectPtr connection;
	int subscriptions[CLO_ARRAY_LEN(event_ids)];
	size_t n_subscriptions;
	bool closable;
	bool lost;
	struct clo_virt_open *open;
	unsigned int retry_seconds;
	struct clo_virt_list *list; /* under way */
	bool again; /* something came up meanwhile */
	uint64_t begun, taken; /* numbers of lists */
	bool known; /* it was listed since it is connected */
	bool fresh; /* `domains` was not taken yet */
	struct clo_virt_domain *domains;
	size_t n_domains;
	sd_event_source *listed;
	sd_event_source *opened;
	sd_event_source *retry;
	sd_event_source *later;
};

static void note(struct clo_virt *virt)
{
	(void)sd_event_source_set_enabled(virt->later, SD_EVENT_ONESHOT);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain,
			int event, int detail, void *userdata)
{
	(void)connection;
	(void)domain;
	(void)event;
	(void)detail;
	note(userdata);
	return 0;
}

static void on_device(virConnectPtr connection, virDomainPtr domain,
		      const char *alias, void *userdata)
{
	(void)connection;
	(void)domain;
	(void)alias;
	note(userdata);
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type,
			const char *uri, void *userdata)
{
	(void)connection;
	(void)domain;
	(void)type;
	(void)uri;
	note(userdata);
}

static void on_close(virConnectPtr connection, int reason, void *userdata)
{
	struct clo_virt *virt = userdata;

	(void)connection;
	clo_log(CLO_LOG_WARN, "connection to libvirt lost reason=%d", reason);
	virt->lost = true;
	note(virt);
}

static virConnectDomainEventGenericCallback callback_of(int id)
{
	switch (id) {
	case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle);
	case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_metadata);
	default:
		return VIR_DOMAIN_EVENT_CALLBACK(on_device);
	}
}

static int subscribe_all(struct clo_virt *virt)
{
	/* Drivers inside the process cannot be lost and refuse this one. */
	virt->closable = virConnectRegisterCloseCallback(
				 virt->connection, on_close, virt, NULL) == 0;
	for (size_t i = 0; i < CLO_ARRAY_LEN(event_ids); i++) {
		int id = virConnectDomainEventRegisterAny(
			virt->connection, NULL, event_ids[i],
			callback_of(event_ids[i]), virt, NULL);

		if (id < 0)
			return -EIO;
		virt->subscriptions[virt->n_subscriptions++] = id;
	}

	return 0;
}

static int subscribe(struct clo_virt *virt)
{
	struct clo_virt_deadline deadline;
	int r;

	r = clo_virt_deadline_start(&deadline);
	if (r < 0)
		return r;
	r = subscribe_all(virt);
	clo_virt_deadline_stop(&deadline);
	return r;
}

/* What is being listed is not waited for. */
static void list_drop(struct clo_virt *virt)
{
	if (!virt->list)
		return;

	clo_virt_loop_hang_up();
	virt->listed = sd_event_source_disable_unref(virt->listed);
	clo_virt_list_free(CLO_TAKE(virt->list));
	virt->lost = true;
}

/* Each subscription holds the connection, so closing alone is not enough. */
static void disconnect(struct clo_virt *virt)
{
	struct clo_virt_deadline deadline;
	bool watched;

	if (!virt->connection)
		return;

	list_drop(virt);
	watched = clo_virt_deadline_start(&deadline) == 0;
	if (virt->lost || !watched)
		clo_virt_loop_hang_up(); /* no call will wait any more */
	while (virt->n_subscriptions > 0)
		(void)virConnectDomainEventDeregisterAny(
			virt->connection,
			virt->subscriptions[--virt->n_subscriptions]);
	if (virt->closable)
		(void)virConnectUnregisterCloseCallback(virt->connection,
							on_close);
	(void)virConnectClose(virt->connection);
	if (watched)
		clo_virt_deadline_stop(&deadline);
	virt->connection = NULL;
	virt->closable = false;
	virt->lost = false;
	virt->known = false;
	virt->again = false;
	clo_virt_loop_reap();
}

static void retry_later(struct clo_virt *virt)
{
	int r;

	r = sd_event_source_set_time_relative(
		virt->retry, (uint64_t)virt->retry_seconds * 1000000);
	if (r >= 0)
		r = sd_event_source_set_enabled(virt->retry, SD_EVENT_ONESHOT);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r,
				    "cannot retry libvirt; giving up on it");
	virt->retry_seconds *= 2;
	if (virt->retry_seconds > RETRY_MAX_SECONDS)
		virt->retry_seconds = RETRY_MAX_SECONDS;
}

static int on_opened(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	struct clo_virt *virt = userdata;

	(void)source;
	(void)fd;
	(void)events;
	virt->connection = clo_virt_open_take(virt->open);
	virt->opened = sd_event_source_disable_unref(virt->opened);
	clo_virt_open_free(CLO_TAKE(virt->open));
	if (virt->connection && subscribe(virt) < 0)
		disconnect(virt);
	if (!virt->connection) {
		clo_log(CLO_LOG_WARN,
			"no connection to libvirt uri=%s retry=%us", virt->uri,
			virt->retry_seconds);
		retry_later(virt);
		return 0;
	}

	virt->retry_seconds = RETRY_MIN_SECONDS;
	note(virt);
	return 0;
}

static int connect_start(struct clo_virt *virt)
{
	CLO_AUTO(clo_virt_open) struct clo_virt_open *open = NULL;
	int r;

	r = clo_virt_open_new(virt->uri, &open);
	if (r < 0)
		return r;
	r = sd_event_add_io(virt->event, &virt->opened, clo_virt_open_fd(open),
			    EPOLLIN, on_opened, virt);
	if (r < 0)
		return r;

	virt->open = CLO_TAKE(open);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct clo_virt *virt = userdata;
	int r;

	(void)source;
	(void)usec;
	r = connect_start(virt);
	if (r < 0) {
		(void)clo_log_errno(CLO_LOG_WARN, r,
				    "cannot start to connect to libvirt");
		retry_later(virt);
	}
	return 0;
}

static void give_up(struct clo_virt *virt)
{
	disconnect(virt);
	retry_later(virt);
	virt->on_change(virt->userdata);
}

static void ask(struct clo_virt *virt);

static int on_listed(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	struct clo_virt *virt = userdata;
	struct clo_virt_domain *domains = NULL;
	size_t n = 0;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	r = clo_virt_list_take(virt->list, &domains, &n);
	virt->listed = sd_event_source_disable_unref(virt->listed);
	clo_virt_list_free(CLO_TAKE(virt->list));
	virt->lost |= r == -ENOTCONN;
	virt->known = r == 0;
	if (virt->lost) {
		clo_virt_domains_free(domains, n);
		give_up(virt);
		return 0;
	}
	if (r < 0) {
		(void)clo_log_errno(CLO_LOG_WARN, r, "listing domains");
	} else {
		clo_virt_domains_free(virt->domains, virt->n_domains);
		virt->domains = domains;
		virt->n_domains = n;
		virt->fresh = true;
		virt->taken = virt->begun;
	}
	if (virt->again)
		ask(virt);
	virt->on_change(virt->userdata);
	return 0;
}

/* List the domains, once more if that is under way. */
static void ask(struct clo_virt *virt)
{
	int r;

	virt->again = virt->list != NULL;
	if (virt->again)
		return;
	virt->begun++;
	r = clo_virt_list_new(virt->connection, &virt->list);
	if (r == 0)
		r = sd_event_add_io(virt->event, &virt->listed,
				    clo_virt_list_fd(virt->list), EPOLLIN,
				    on_listed, virt);
	if (r >= 0)
		return;
	list_drop(virt);
	virt->lost = true;
	note(virt);
	(void)clo_log_errno(CLO_LOG_WARN, r, "cannot list domains");
}

static int on_later(sd_event_source *source, void *userdata)
{
	struct clo_virt *virt = userdata;

	(void)source;
	if (virt->lost)
		give_up(virt);
	else if (virt->connection)
		ask(virt);
	return 0;
}

static int add_sources(struct clo_virt *virt)
{
	int r;

	r = sd_event_add_defer(virt->event, &virt->later, on_later, virt);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(virt->later, SD_EVENT_OFF);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(virt->event, &virt->retry,
				       CLOCK_MONOTONIC, 0, 0, on_retry, virt);
	if (r < 0)
		return r;

	return sd_event_source_set_enabled(virt->retry, SD_EVENT_OFF);
}

int clo_virt_new(sd_event *event, const char *uri,
		 void (*on_change)(void *userdata), void *userdata,
		 struct clo_virt **ret_virt)
{
	CLO_AUTO(clo_virt) struct clo_virt *virt = NULL;
	int r;

	assert(on_change);
	virt = calloc(1, sizeof(*virt));
	if (!virt)
		return -ENOMEM;
	virt->on_change = on_change;
	virt->userdata = userdata;
	virt->retry_seconds = RETRY_MIN_SECONDS;
	virt->event = sd_event_ref(event);
	virt->uri = strdup(uri);
	if (!virt->uri)
		return -ENOMEM;
	r = clo_virt_loop_register(event);
	if (r < 0)
		return r;
	r = add_sources(virt);
	if (r < 0)
		return r;
	r = connect_start(virt);
	if (r < 0)
		return r;

	*ret_virt = CLO_TAKE(virt);
	return 0;
}

void clo_virt_free(struct clo_virt *virt)
{
	if (!virt)
		return;

	disconnect(virt);
	virt->opened = sd_event_source_disable_unref(virt->opened);
	virt->retry = sd_event_source_disable_unref(virt->retry);
	virt->later = sd_event_source_disable_unref(virt->later);
	clo_virt_open_free(virt->open);
	clo_virt_domains_free(virt->domains, virt->n_domains);
	clo_virt_loop_reap();
	sd_event_unref(virt->event);
	free(virt->uri);
	free(virt);
}

void clo_virt_refresh(struct clo_virt *virt)
{
	note(virt);
}

bool clo_virt_known(const struct clo_virt *virt)
{
	return virt->connection && !virt->lost && virt->known;
}

uint64_t clo_virt_begun(const struct clo_virt *virt)
{
	return virt->begun;
}

uint64_t clo_virt_taken(const struct clo_virt *virt)
{
	return virt->taken;
}

int clo_virt_take(struct clo_virt *virt, struct clo_virt_domain **ret_domains,
		  size_t *ret_n)
{
	if (!clo_virt_known(virt))
		return -ENOTCONN;
	if (!virt->fresh)
		return -EAGAIN;

	*ret_domains = CLO_TAKE(virt->domains);
	*ret_n = virt->n_domains;
	virt->n_domains = 0;
	virt->fresh = false;
	return 0;
}
