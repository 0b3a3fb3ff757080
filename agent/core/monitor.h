/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/base/auto.h"
#include "agent/core/flowlog.h"
#include "agent/core/server.h"
#include "agent/sys/bpf.h"
#include "policy/compile.h"

/*
 * Where the events of the datapath go: into the flow log and to the clients
 * of `cloison monitor`. Names them; filters them for each client.
 */
struct clo_monitor;

/* What it needs of the datapath, so that a test can be one; 0 or -errno. */
struct clo_monitor_datapath {
	/* Bytes of each dropped frame that its event carries; 0: none. */
	int (*capture)(void *userdata, uint32_t bytes);
	/* Both: the caller frees *ret. */
	int (*ports)(void *userdata, struct clo_bpf_port **ret_ports,
		     size_t *ret_n);
	int (*flows)(void *userdata, struct clo_bpf_flow **ret_flows,
		     size_t *ret_n);
	void *userdata;
};

/* Takes `log`, also on failure. Captures nothing from now on. */
int clo_monitor_new(const struct clo_monitor_datapath *datapath,
		    struct clo_flowlog *log, struct clo_monitor **ret_monitor);
/* After its clients are gone: after clo_server_free(). */
void clo_monitor_free(struct clo_monitor *monitor);
CLO_DEFINE_FREEP(clo_monitor)

/* Before events are read: the policy in force, if that is another epoch. */
int clo_monitor_policy(struct clo_monitor *monitor,
		       const struct clo_compiled *compiled, uint64_t epoch);
/* One event with the `captured` bytes behind it, to a monitor; returns 0. */
int clo_monitor_event(const struct clo_event *event, const uint8_t *captured,
		      void *userdata);
/* Every second: flushes the log, notes what the datapath left out. */
void clo_monitor_tick(struct clo_monitor *monitor);

/* Requests "monitor" and "flows"; NULL: the request is another one. */
json_t *clo_monitor_answer(struct clo_monitor *monitor,
			   struct clo_client *client, const json_t *request,
			   bool may_write);
/* For `status`: {events, clients, capture, flowLog}. */
json_t *clo_monitor_status(const struct clo_monitor *monitor);
