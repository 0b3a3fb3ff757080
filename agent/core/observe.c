/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/observe.h"

#include <errno.h>
#include <stdio.h>

#include "agent/base/log.h"
#include "agent/core/monitor.h"

#define SECOND UINT64_C(1000000)
#define AT_ONCE 512 /* events; then others have their turn */

struct clo_observe {
	struct clo_node *node;
	sd_event_source *events, *second;
};

static int capture(void *userdata, uint32_t bytes)
{
	return clo_bpf_capture_set(userdata, bytes);
}

static int ports(void *userdata, struct clo_bpf_port **ret_ports, size_t *ret_n)
{
	return clo_bpf_ports_read(userdata, ret_ports, ret_n);
}

static int flows(void *userdata, struct clo_bpf_flow **ret_flows, size_t *ret_n)
{
	return clo_bpf_flows_read(userdata, ret_flows, ret_n);
}

static int open_monitor(struct clo_node *node)
{
	const struct clo_monitor_datapath datapath = {
		.capture = capture,
		.ports = ports,
		.flows = flows,
		.userdata = node->bpf,
	};
	struct clo_flowlog *flowlog = NULL;
	CLO_AUTO_MEM char *dir = NULL;
	int r;

	if (asprintf(&dir, "%s/flows", node->options->state_dir) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	r = clo_flowlog_new(dir, &node->options->flow_log, &flowlog);
	if (r < 0)
		return r;
	return clo_monitor_new(&datapath, flowlog, &node->monitor);
}

/* Names of the policy in force, before anything is named by them. */
static int learn(struct clo_node *node)
{
	uint64_t epoch = 0;
	int r;

	if (!node->force)
		return 0;
	r = clo_bpf_epoch(node->bpf, &epoch);
	return r < 0 ? r
		     : clo_monitor_policy(node->monitor, node->force->compiled,
					  epoch);
}

static int on_events(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	struct clo_observe *observe = userdata;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	/* without its names an event is worth less, but not nothing */
	(void)learn(observe->node);
	r = clo_bpf_events_drain(observe->node->bpf, AT_ONCE);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "reading events") : 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct clo_observe *observe = userdata;

	(void)usec;
	clo_monitor_tick(observe->node->monitor);
	(void)sd_event_source_set_time_relative(source, SECOND);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int clo_observe_new(sd_event *event, struct clo_node *node,
		    struct clo_observe **ret_observe)
{
	CLO_AUTO(clo_observe) struct clo_observe *observe = NULL;
	int r;

	observe = calloc(1, sizeof(*observe));
	if (!observe)
		return -ENOMEM;
	observe->node = node;
	r = open_monitor(node);
	if (r == 0)
		r = clo_bpf_events_open(node->bpf, clo_monitor_event,
					node->monitor);
	if (r >= 0)
		r = sd_event_add_io(event, &observe->events,
				    clo_bpf_events_fd(node->bpf), EPOLLIN,
				    on_events, observe);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &observe->second,
					       CLOCK_MONOTONIC, SECOND, 0,
					       on_second, observe);
	if (r < 0)
		return r;
	*ret_observe = CLO_TAKE(observe);
	return 0;
}

void clo_observe_free(struct clo_observe *observe)
{
	if (!observe)
		return;

	(void)sd_event_source_disable_unref(observe->events);
	(void)sd_event_source_disable_unref(observe->second);
	clo_monitor_free(observe->node->monitor);
	observe->node->monitor = NULL;
	free(observe);
}

json_t *clo_observe_answer(struct clo_node *node, struct clo_client *client,
			   const json_t *request, enum clo_caller caller)
{
	if (caller == CLO_CALLER_GATEWAY || caller == CLO_CALLER_STREAM)
		return NULL;
	(void)learn(node);
	return clo_monitor_answer(node->monitor, client, request,
				  caller == CLO_CALLER_ROOT);
}
