/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon: one thread, one event loop. Events of the kernel and of libvirt
 * reconcile at once; an audit with its attestation follows when they settle,
 * and every period.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/core/fencing.h"
#include "agent/core/identity.h"
#include "agent/core/keep.h"
#include "agent/core/observe.h"
#include "agent/core/record.h"
#include "agent/core/requests.h"
#include "agent/core/retain.h"
#include "agent/core/sandbox.h"
#include "agent/core/server.h"
#include "agent/core/tagging.h"
#include "agent/core/tend.h"
#include "agent/options.h"
#include "agent/sys/confine.h"

#define SECOND UINT64_C(1000000)
#define SETTLE (SECOND / 4) /* quiet time before an event's audit */
#define SWEEP (5 * SECOND) /* between looks for flows that have timed out */
#define EXIT_REFUSED 3
#define STOP_SECONDS 25 /* libvirt has 10 for each group of calls */

struct daemon {
	struct clo_options options;
	struct clo_node node;
	struct clo_server *server;
	struct clo_observe *observe;
	struct clo_revoker *revoker;
	struct clo_decider *decider;
	struct clo_meaner *meaner;
	sd_event *event;
	bool refused; /* the TPM is not the node's */
	sd_event_source *period, *settle, *sweep, *netlink, *nft;
};

static void settle_soon(void *userdata)
{
	struct daemon *daemon = userdata;

	(void)sd_event_source_set_time_relative(daemon->settle, SETTLE);
	(void)sd_event_source_set_enabled(daemon->settle, SD_EVENT_ONESHOT);
}

/* Something changed outside: put guards in place now, attest when it settles. */
static void on_change(void *userdata)
{
	struct daemon *daemon = userdata;
	bool changed = false;
	int r;

	r = clo_tend_reconcile(&daemon->node, &changed);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "reconciling");
	if (changed)
		settle_soon(daemon);
}

static void on_link(const struct clo_link *link, bool gone, void *userdata)
{
	(void)link;
	(void)gone;
	(void)userdata; /* the dispatcher lists anew */
}

static int on_netlink(sd_event_source *source, int fd, uint32_t events,
		      void *userdata)
{
	struct daemon *daemon = userdata;
	int r;

	(void)source;
	(void)fd;
	(void)events;
	if (daemon->node.virt)
		clo_virt_refresh(daemon->node.virt); /* whose tap is it? */
	r = clo_rtnl_dispatch(daemon->node.rtnl);
	if (r < 0 && r != -ENOBUFS && r != -EAGAIN)
		return clo_log_errno(CLO_LOG_ERR, r, "rtnetlink");
	on_change(daemon); /* it lists anew, whatever was lost */
	return 0;
}

/* Somebody was at nftables: if at our fence, say so and repair it. */
static int on_nft(sd_event_source *source, int fd, uint32_t events,
		  void *userdata)
{
	struct daemon *daemon = userdata;

	(void)source;
	(void)events;
	if (clo_fencing_broken(&daemon->node, fd))
		settle_soon(daemon);
	return 0;
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	(void)source;
	(void)usec;
	(void)clo_tend_prove(&daemon->node, "event", NULL);
	return 0;
}

/* Good news is attested with what else settles, bad news is repaired. */
static void on_decided(void *userdata)
{
	struct daemon *daemon = userdata;

	if (daemon->node.decisions.failures == 0)
		settle_soon(daemon);
	else
		(void)clo_tend_prove(&daemon->node, "event", NULL);
}

static int on_period(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	uint64_t period = daemon->options.period * SECOND;
	uint64_t now = 0;

	if (daemon->node.virt) /* should an event be lost */
		clo_virt_refresh(daemon->node.virt);
	(void)clo_tend_exceptions(&daemon->node);
	(void)clo_tend_prove(&daemon->node, "period", NULL);
	(void)sd_notifyf(0, "STATUS=%s, %zu taps guarded", daemon->node.verdict,
			 daemon->node.n_known);
	/* from begin to begin, so that the work is part of the period */
	(void)sd_event_now(daemon->event, CLOCK_MONOTONIC, &now);
	(void)sd_event_source_set_time(
		source, usec + period > now ? usec + period : now + period);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	int r;

	(void)usec;
	r = clo_tend_sweep(&daemon->node);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "sweeping flows");
	(void)sd_event_source_set_time_relative(source, SWEEP);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *source,
		     const struct signalfd_siginfo *info, void *userdata)
{
	(void)userdata;
	clo_log(CLO_LOG_INFO, "stopping signal=%u", info->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static json_t *on_request(struct clo_client *client, const json_t *request,
			  enum clo_caller caller, void *userdata)
{
	struct daemon *daemon = userdata;
	json_t *reply =
		clo_observe_answer(&daemon->node, client, request, caller);

	return reply ? reply
		     : clo_request_answer(&daemon->node, request, caller);
}

/* On a fresh boot the kernel has no tables: nothing to compare with. */
static int load_tables(struct clo_node *node)
{
	uint64_t epoch = 0;
	int r;

	if (!node->force)
		return 0;
	r = clo_bpf_epoch(node->bpf, &epoch);
	if (r == 0 && epoch == 0)
		r = clo_bpf_tables_write(node->bpf,
					 node->force->compiled->tables, &epoch);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "policy tables") : 0;
}

/* The saved policy says how many connections the datapath is made for. */
static int open_datapath(struct clo_node *node)
{
	struct clo_bpf_config config = {
		.dir = node->options->pin_dir,
		.attach = node->options->attach,
		.connections = node->options->connections,
	};
	bool adopted;
	int r;

	if (!config.connections && node->force)
		config.connections = node->force->policy->node.connections;
	r = clo_bpf_open(&config, &node->bpf, &adopted);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "datapath in %s",
				     config.dir);
	clo_log(CLO_LOG_INFO, "datapath %s attach=%s",
		adopted ? "adopted" : "loaded", clo_bpf_attach_name(node->bpf));
	return 0;
}

static int open_log(struct clo_node *node)
{
	CLO_AUTO_MEM char *path = NULL;

	if (asprintf(&path, "%s/log.sqlite", node->options->state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return clo_record_open(node, path);
}

static int open_node(struct daemon *daemon)
{
	struct clo_node *node = &daemon->node;
	int r;

	node->options = &daemon->options;
	node->started = time(NULL);
	r = clo_identity_init(&daemon->options, &node->key_path);
	if (r < 0)
		return r;
	r = clo_key_load(node->key_path, &node->key);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "signing key %s",
				     node->key_path);
	r = clo_identity_boot(node->boot_id);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "boot id");
	r = clo_identity_open(node);
	daemon->refused = r == -EKEYREJECTED;
	if (r < 0)
		return r;

	r = clo_force_restore(daemon->options.state_dir, &node->force);
	if (r < 0)
		return r;
	/* the datapath has a lock: nobody else writes policy and log */
	r = open_datapath(node);
	if (r < 0)
		return r;
	clo_keep_sweep(daemon->options.state_dir);
	r = open_log(node);
	if (r == 0)
		r = clo_identity_record(node);
	return r < 0 ? r : load_tables(node);
}

static int watch_links(struct daemon *daemon)
{
	struct clo_node *node = &daemon->node;
	int r;

	r = clo_rtnl_new(on_link, NULL, &node->rtnl);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "rtnetlink");
	r = sd_event_add_io(daemon->event, &daemon->netlink,
			    clo_rtnl_fd(node->rtnl), EPOLLIN, on_netlink,
			    daemon);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "rtnetlink") : 0;
}

/* After the confinement: its threads have what this one has at that moment. */
static int watch_libvirt(struct daemon *daemon)
{
	int r;

	if (!daemon->options.libvirt[0])
		return 0;
	r = clo_virt_new(daemon->event, daemon->options.libvirt, on_change,
			 daemon, &daemon->node.virt);
	if (r == 0)
		r = clo_virt_suspender_new(daemon->event,
					   daemon->options.libvirt,
					   &daemon->node.suspender);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "libvirt") : 0;
}

static int watch_clock(struct daemon *daemon)
{
	static const int signals[] = {SIGTERM, SIGINT};
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < CLO_ARRAY_LEN(signals); i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;

	r = sd_event_add_signal(daemon->event, NULL, SIGTERM, on_signal,
				daemon);
	if (r >= 0)
		r = sd_event_add_signal(daemon->event, NULL, SIGINT, on_signal,
					daemon);
	if (r >= 0)
		r = sd_event_add_time_relative(
			daemon->event, &daemon->period, CLOCK_MONOTONIC,
			daemon->options.period * SECOND, 0, on_period, daemon);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->event, &daemon->settle,
					       CLOCK_MONOTONIC, SETTLE, 0,
					       on_settled, daemon);
	if (r >= 0)
		r = sd_event_source_set_enabled(daemon->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->event, &daemon->sweep,
					       CLOCK_MONOTONIC, SWEEP, 0,
					       on_sweep, daemon);
	if (r >= 0)
		r = sd_event_set_watchdog(daemon->event, true);
	return r < 0 ? r : 0;
}

/* The first proof should know the domains; a mute libvirt is not waited for. */
static int await_libvirt(struct daemon *daemon)
{
	const uint64_t slice = SECOND / 10;
	int r = 0;

	for (uint64_t waited = 0; daemon->node.virt && r >= 0 &&
				  !clo_virt_known(daemon->node.virt) &&
				  waited < CLO_LIBVIRT_GRACE * SECOND;
	     waited += slice)
		r = sd_event_run(daemon->event, slice);
	return r < 0 && r != -ESTALE ? r : 0; /* ESTALE: told to stop */
}

/* Guards first, then the proof, then answers. */
static int begin(struct daemon *daemon)
{
	bool changed;
	int r;

	(void)clo_tend_exceptions(&daemon->node);
	if (daemon->node.force)
		(void)clo_sandbox_settle(&daemon->node);
	(void)clo_tend_reconcile(&daemon->node, &changed);
	r = clo_tend_sweep(&daemon->node);
	if (r < 0)
		(void)clo_log_errno(CLO_LOG_ERR, r, "sweeping flows");
	r = await_libvirt(daemon);
	if (r < 0)
		return r;
	(void)clo_tend_prove(&daemon->node, "start", NULL);
	r = clo_server_start(daemon->server);
	if (r < 0)
		return r;
	(void)sd_notify(0, "READY=1");
	clo_log(CLO_LOG_INFO, "ready version=" CLO_VERSION);
	return 0;
}

static int run(struct daemon *daemon)
{
	int r;

	r = sd_event_default(&daemon->event);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "event loop");
	r = watch_clock(daemon);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "event loop");
	r = open_node(daemon);
	if (r < 0)
		return r;
	r = watch_links(daemon);
	if (r == 0)
		r = clo_fencing_watch(daemon->event, on_nft, daemon,
				      &daemon->nft);
	if (r < 0)
		return r;
	r = clo_observe_new(daemon->event, &daemon->node, &daemon->observe);
	if (r == 0)
		r = clo_revoker_new(daemon->event, &daemon->node,
				    &daemon->revoker);
	if (r == 0)
		r = clo_decider_new(daemon->event, &daemon->node, on_decided,
				    daemon, &daemon->decider);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "event sources");
	r = clo_server_new(daemon->event, daemon->options.socket, on_request,
			   daemon, &daemon->server);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "control socket %s",
				     daemon->options.socket);
	r = clo_confine();
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "confinement");
	r = watch_libvirt(daemon);
	if (r < 0)
		return r;
	r = clo_meaner_new(daemon->event, &daemon->node, settle_soon, daemon,
			   &daemon->meaner);
	if (r == 0)
		r = begin(daemon);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "starting");
	return sd_event_loop(daemon->event);
}

static void release(struct daemon *daemon)
{
	struct clo_node *node = &daemon->node;

	if (node->store)
		clo_retain_end(node);
	/* Nothing is lost if a libvirt that does not let go is cut short. */
	(void)alarm(STOP_SECONDS);
	clo_server_free(daemon->server);
	clo_virt_suspender_free(node->suspender);
	clo_virt_free(node->virt);
	daemon->netlink = sd_event_source_disable_unref(daemon->netlink);
	daemon->nft = sd_event_source_disable_unref(daemon->nft);
	daemon->period = sd_event_source_disable_unref(daemon->period);
	daemon->settle = sd_event_source_disable_unref(daemon->settle);
	daemon->sweep = sd_event_source_disable_unref(daemon->sweep);
	clo_revoker_free(daemon->revoker);
	clo_decider_free(daemon->decider);
	clo_meaner_free(daemon->meaner);
	clo_observe_free(daemon->observe);
	clo_rtnl_free(node->rtnl);
	clo_node_forget(node);
	clo_fencing_done(node);
	clo_tagging_done(node);
	clo_kinds_done(&node->kinds);
	clo_inventory_free(node->inventory);
	clo_decisions_forget(node);
	clo_force_free(node->force);
	clo_bpf_free(node->bpf);
	json_decref(node->last);
	json_decref(node->told);
	clo_standings_done(&node->standings);
	free(node->known);
	free(node->key_path);
	clo_store_free(node->store);
	clo_key_free(node->key);
	clo_identity_close(node);
	sd_event_unref(daemon->event);
}

static int remove_all(const struct clo_options *options)
{
	int r = clo_bpf_remove(options->pin_dir);
	int fence = clo_fencing_remove();

	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "removing %s",
				     options->pin_dir);
	return fence;
}

int main(int argc, char **argv)
{
	struct daemon daemon = {0};
	CLO_AUTO_MEM char *key_path = NULL;
	enum clo_action action;
	int r;

	r = clo_options_parse(argc, argv, &daemon.options, &action);
	if (r < 0)
		return r == -EINVAL ? 2 : 1;
	switch (action) {
	case CLO_ACTION_DONE:
		return 0;
	case CLO_ACTION_INIT:
		return clo_identity_init(&daemon.options, &key_path) < 0;
	case CLO_ACTION_REENROL:
		return clo_identity_init(&daemon.options, &key_path) < 0 ||
		       clo_identity_reenrol(&daemon.options) < 0;
	case CLO_ACTION_REMOVE:
		return remove_all(&daemon.options) < 0;
	case CLO_ACTION_FENCE:
		return clo_fencing_begin(daemon.options.state_dir) < 0;
	case CLO_ACTION_RUN:
		break;
	}

	r = run(&daemon);
	release(&daemon);
	return daemon.refused ? EXIT_REFUSED : r < 0;
}
