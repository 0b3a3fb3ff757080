/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/monitor.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/base/hex.h"
#include "agent/base/log.h"
#include "agent/core/control.h"
#include "agent/core/events.h"
#include "agent/core/flows.h"
#include "agent/core/names.h"
#include "agent/core/unsent.h"

/* One client of `cloison monitor`. */
struct watcher {
	struct clo_monitor *monitor;
	struct clo_client *client; /* NULL: the slot is free */
	struct clo_event_filter filter;
	bool capture;
};

struct clo_monitor {
	struct clo_monitor_datapath datapath;
	struct clo_flowlog *log;
	struct clo_names *names;
	struct clo_unsent unsent;
	struct watcher watchers[CLO_STREAMS_MAX];
	bool capturing;
	uint64_t events;
};

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_offset(void)
{
	return nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_MONOTONIC);
}

int clo_monitor_new(const struct clo_monitor_datapath *datapath,
		    struct clo_flowlog *log, struct clo_monitor **ret_monitor)
{
	CLO_AUTO(clo_flowlog) struct clo_flowlog *taken = log;
	CLO_AUTO(clo_monitor) struct clo_monitor *monitor = NULL;
	int r;

	monitor = calloc(1, sizeof(*monitor));
	if (!monitor)
		return -ENOMEM;
	monitor->datapath = *datapath;
	monitor->log = CLO_TAKE(taken);
	r = clo_names_new(&monitor->names);
	if (r < 0)
		return r;
	/* one that was killed may have left it on */
	r = datapath->capture(datapath->userdata, 0);
	if (r < 0)
		return r;

	*ret_monitor = CLO_TAKE(monitor);
	return 0;
}

void clo_monitor_free(struct clo_monitor *monitor)
{
	if (!monitor)
		return;

	clo_flowlog_free(monitor->log);
	clo_unsent_done(&monitor->unsent);
	clo_names_free(monitor->names);
	free(monitor);
}

int clo_monitor_policy(struct clo_monitor *monitor,
		       const struct clo_compiled *compiled, uint64_t epoch)
{
	if (epoch == clo_names_epoch(monitor->names))
		return 0;
	return clo_names_add(monitor->names, compiled, epoch);
}

/* Frames are for those who may see them: with its time and true length. */
static void add_frame(json_t *object, const struct clo_event *event,
		      const uint8_t *captured, int64_t wall)
{
	char bytes[2 * CLO_CAPTURE_MAX + 1];
	size_t n = event->captured < CLO_CAPTURE_MAX ? event->captured
						     : CLO_CAPTURE_MAX;

	clo_hex_encode(captured, n, bytes);
	(void)json_object_set_new(object, "frame",
				  json_pack("{s:I, s:I, s:s}", "ns",
					    (json_int_t)event->time + wall,
					    "length", (json_int_t)event->len,
					    "bytes", bytes));
}

/* To the log, where `logged`, and to the watchers that `wants` names. */
static void hand_out(struct clo_monitor *monitor, const json_t *object,
		     const bool wants[CLO_STREAMS_MAX], bool logged)
{
	CLO_AUTO_MEM char *text = json_dumps(object, JSON_COMPACT);
	size_t len;

	if (!text)
		return;
	len = strlen(text);
	if (logged)
		clo_flowlog_put(monitor->log, text, len, time(NULL));
	for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
		if (wants[i])
			clo_client_offer(monitor->watchers[i].client, text,
					 len);
}

int clo_monitor_event(const struct clo_event *event, const uint8_t *captured,
		      void *userdata)
{
	struct clo_monitor *monitor = userdata;
	bool plain[CLO_STREAMS_MAX] = {0}, framed[CLO_STREAMS_MAX] = {0};
	json_auto_t *object = NULL;
	int64_t wall = wall_offset();
	bool any_plain = clo_flowlog_enabled(monitor->log);
	bool any_framed = false;

	monitor->events++;
	for (size_t i = 0; i < CLO_STREAMS_MAX; i++) {
		const struct watcher *watcher = &monitor->watchers[i];

		if (!watcher->client ||
		    !clo_event_filter_match(&watcher->filter, event,
					    monitor->names))
			continue;
		framed[i] = watcher->capture && event->captured > 0;
		plain[i] = !framed[i];
		any_plain |= plain[i];
		any_framed |= framed[i];
	}
	if (!any_plain && !any_framed)
		return 0;

	object = clo_event_json(event, monitor->names, wall);
	if (!object)
		return 0; /* out of memory: the datapath goes on */
	hand_out(monitor, object, plain, true);
	if (any_framed) {
		add_frame(object, event, captured, wall);
		hand_out(monitor, object, framed, false);
	}
	return 0;
}

static void on_unsent(const struct clo_unsent_port *port, void *userdata)
{
	struct clo_monitor *monitor = userdata;
	const struct clo_endpoint_name *endpoint =
		clo_names_endpoint(monitor->names, port->endpoint);
	bool wants[CLO_STREAMS_MAX] = {0};
	json_auto_t *object = NULL;
	char now[CLO_TIME_MS];

	for (size_t i = 0; i < CLO_STREAMS_MAX; i++) {
		const struct watcher *watcher = &monitor->watchers[i];

		wants[i] =
			watcher->client &&
			clo_event_filter_concerns(&watcher->filter, endpoint);
	}
	clo_event_time(nanoseconds(CLOCK_REALTIME), now);
	object = json_pack(
		"{s:s, s:s, s:s*, s:I, s:I}", "time", now, "kind", "unsent",
		"endpoint", endpoint ? endpoint->name : NULL, "ifindex",
		(json_int_t)port->ifindex, "unsent", (json_int_t)port->count);
	if (object)
		hand_out(monitor, object, wants, true);
}

void clo_monitor_tick(struct clo_monitor *monitor)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	int r;

	r = monitor->datapath.ports(monitor->datapath.userdata, &ports, &n);
	if (r == 0)
		(void)clo_unsent_update(&monitor->unsent, ports, n, on_unsent,
					monitor);
	clo_flowlog_flush(monitor->log, time(NULL));
}

/* Frames are captured while at least one watcher wants them. */
static int settle_capture(struct clo_monitor *monitor)
{
	bool wanted = false;
	int r;

	for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
		wanted |= monitor->watchers[i].client &&
			  monitor->watchers[i].capture;
	if (wanted == monitor->capturing)
		return 0;
	r = monitor->datapath.capture(monitor->datapath.userdata,
				      wanted ? CLO_CAPTURE_MAX : 0);
	if (r == 0)
		monitor->capturing = wanted;
	return r;
}

static void on_ended(void *userdata)
{
	struct watcher *watcher = userdata;
	int r;

	clo_event_filter_done(&watcher->filter);
	watcher->client = NULL;
	watcher->capture = false;
	r = settle_capture(watcher->monitor);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r,
				    "frames are still captured");
}

static json_t *refuse(enum clo_exit code, const char *text)
{
	return json_pack("{s:b, s:s, s:i}", "ok", 0, "error", text, "exit",
			 (int)code);
}

static struct watcher *free_watcher(struct clo_monitor *monitor)
{
	for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
		if (!monitor->watchers[i].client)
			return &monitor->watchers[i];
	return NULL;
}

/* The reply that begins the stream: how many endpoints the filter names. */
static json_t *welcome(const struct clo_monitor *monitor,
		       const struct clo_event_filter *filter)
{
	const char *prefix =
		filter->endpoint ? filter->endpoint : filter->tenant;

	return json_pack("{s:b, s:{s:o}}", "ok", 1, "result", "endpoints",
			 prefix ? json_integer((json_int_t)clo_names_count(
					  monitor->names, prefix))
				: json_null());
}

static json_t *watch(struct clo_monitor *monitor, struct clo_client *client,
		     const json_t *request, bool may_write)
{
	bool capture = json_is_true(json_object_get(request, "capture"));
	struct watcher *watcher = free_watcher(monitor);
	const char *text = "";
	int r = watcher ? 0 : -EBUSY;

	if (capture && !may_write)
		return refuse(CLO_EXIT_FORBIDDEN,
			      "only root may see what is in frames");
	if (r == 0 &&
	    clo_event_filter_init(&watcher->filter, request, &text) < 0)
		return refuse(CLO_EXIT_USAGE, text);
	if (r == 0)
		r = clo_client_stream(client, on_ended, watcher);
	if (r < 0 && watcher)
		clo_event_filter_done(&watcher->filter);
	if (r < 0)
		return refuse(CLO_EXIT_FAILED,
			      "too many clients monitor already");

	watcher->monitor = monitor;
	watcher->client = client;
	watcher->capture = capture;
	r = settle_capture(monitor);
	if (r < 0) {
		watcher->capture = false;
		(void)clo_log_errno(CLO_LOG_ERR, r, "frames are not captured");
	}
	return welcome(monitor, &watcher->filter);
}

static json_t *list_flows(struct clo_monitor *monitor, const json_t *request)
{
	const json_t *member = json_object_get(request, "endpoint");
	const char *endpoint = json_string_value(member);
	CLO_AUTO_MEM struct clo_bpf_flow *flows = NULL;
	json_t *result;
	size_t n = 0;
	int r;

	if (member && !json_is_null(member) && !endpoint)
		return refuse(CLO_EXIT_USAGE, "endpoint is no name");
	if (endpoint && clo_names_count(monitor->names, endpoint) == 0)
		return refuse(CLO_EXIT_USAGE, "no such endpoint");
	r = monitor->datapath.flows(monitor->datapath.userdata, &flows, &n);
	if (r < 0)
		return refuse(CLO_EXIT_FAILED, "the flows cannot be read");

	result = clo_flows_json(flows, n, monitor->names, endpoint,
				(uint64_t)nanoseconds(CLOCK_MONOTONIC_COARSE));
	return result ? json_pack("{s:b, s:o}", "ok", 1, "result", result)
		      : NULL;
}

json_t *clo_monitor_answer(struct clo_monitor *monitor,
			   struct clo_client *client, const json_t *request,
			   bool may_write)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	if (op && strcmp(op, "monitor") == 0)
		return watch(monitor, client, request, may_write);
	if (op && strcmp(op, "flows") == 0)
		return list_flows(monitor, request);
	return NULL;
}

json_t *clo_monitor_status(const struct clo_monitor *monitor)
{
	json_int_t clients = 0;

	for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
		clients += monitor->watchers[i].client != NULL;
	return json_pack("{s:I, s:I, s:b, s:o}", "events",
			 (json_int_t)monitor->events, "clients", clients,
			 "capture", (int)monitor->capturing, "flowLog",
			 clo_flowlog_status(monitor->log));
}
