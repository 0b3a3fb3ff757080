/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/attest/key.h"
#include "agent/attest/store.h"
#include "agent/core/decisions.h"
#include "agent/core/flowlog.h"
#include "agent/core/force.h"
#include "agent/core/inventory.h"
#include "agent/core/kinds.h"
#include "agent/core/meaning.h"
#include "agent/core/revoke.h"
#include "agent/core/setting.h"
#include "agent/core/standing.h"
#include "agent/guard/fence.h"
#include "agent/sys/bpf.h"
#include "agent/sys/rtnl.h"
#include "agent/sys/tpm.h"
#include "agent/sys/virt.h"
#include "agent/sys/virt_suspend.h"

/*
 * Everything the daemon knows, in one place. One thread; the event loop calls
 * into core/, core/ never calls the loop.
 */
struct clo_options {
	const char *state_dir; /* policy, key, log */
	const char *pin_dir; /* on a bpffs */
	const char *socket;
	const char *emulator; /* the wrapper that sandboxed domains name */
	const char *libvirt; /* URI; "" = no libvirt on this node */
	unsigned int period; /* seconds between proofs */
	unsigned int
		statement_period; /* between statements that say the same */
	unsigned int connections; /* tracked at most; 0: the default */
	enum clo_attach attach;
	struct clo_flowlog_limits flow_log;
	const char
		*tpm; /* see clo_tpm_open(), or "none"; NULL: if there is one */
	const char *policy_trust; /* file of who may sign policy bundles */
};

/* A tap that was guarded, and how; zero setting: it has no port. */
struct clo_known {
	uint32_t ifindex;
	uint32_t master; /* the governed bridge that it was settled in */
	struct clo_setting setting;
};

/* Seconds after the start in which libvirt may still be connecting. */
#define CLO_LIBVIRT_GRACE 10

/* A domain that a hook tells of, before libvirt lists it. */
struct clo_announced {
	struct clo_virt_domain domain;
	uint64_t list; /* a list begun after this one knows better */
};

struct clo_node {
	const struct clo_options *options;
	struct clo_bpf *bpf;
	struct clo_rtnl *rtnl;
	struct clo_virt *virt; /* NULL if there is no libvirt */
	struct clo_virt_suspender *suspender; /* the same */
	struct clo_store *store;
	struct clo_monitor *monitor; /* NULL until events are read */
	struct clo_key *key; /* of the file */
	char *key_path;
	/* With a TPM; NULL without. */
	struct clo_key *boot_key; /* signs statements */
	struct clo_tpm *tpm;
	struct clo_tpm_identity *identity;
	uint64_t quoted_epoch; /* the last; 0: none */
	char boot_id[37];
	time_t started;

	struct clo_force *force; /* policy in force, NULL before the first */
	struct clo_decisions decisions; /* of its tables */
	struct clo_meaning meaning; /* of its documents */
	struct clo_kinds kinds; /* of the last run */
	struct clo_revoke revoke; /* of the tables in force */

	/* As of the last look; domains stay while libvirt does not answer. */
	struct clo_inventory *inventory;
	struct clo_virt_domain *domains;
	size_t n_domains;
	char (*confined)
		[37]; /* UUIDs of domains in quarantine while they run */
	size_t n_confined;
	struct clo_announced *announced;
	size_t n_announced;
	bool domains_seen; /* libvirt has answered at least once */
	int64_t libvirt_gap; /* id of the open gap; 0 = none */

	/* Taps that carry our guard, by what clo_tend_reconcile() did. */
	struct clo_known *known;
	size_t n_known;
	struct clo_nft *nft; /* NULL until the fence was wanted */
	struct clo_fence_state fence; /* as it was put up */
	bool fence_refused; /* by this kernel */
	struct clo_tags *tags; /* NULL: none */
	int tags_refused; /* why the kernel did not take them; 0: not asked */
	int tags_error; /* of the last try to have them follow the policy */
	int unrecorded_error;
	bool quotas_settled; /* the kernel's accounts are this policy's */
	bool quotas_stale; /* and there may be others */
	bool log_full; /* has no room for what passed */
	uint64_t flows_live; /* as of the last sweep */
	uint64_t flows_ended; /* by timing out, since the start */

	uint8_t head[32]; /* of the chain, as this process appended it */
	bool head_known;
	time_t unrecorded; /* since then audits are not in the log; 0: all are */
	struct clo_standings standings; /* of the scopes, as this run stated */
	struct json_t *told; /* what the last audit found: control by text */

	/* Result of the last proof, for `status`; JSON predicate. */
	struct json_t *last; /* owned reference or NULL */
	time_t last_time; /* or of the heartbeat that says that it holds */
	double challenges_due; /* ms: until when those of strangers are spent */
	double bundles_due; /* the same, of bundles from the stream */
	char bundle_refused[200]; /* why the last was not let in, as logged */
	double ms_readback;
	char verdict[16]; /* "" before the first */
};

/* What signs the statements of this start. */
static inline const struct clo_key *clo_node_signer(const struct clo_node *node)
{
	return node->boot_key ? node->boot_key : node->key;
}

/* Ask kernel and libvirt who is there; keep what was known where one is mute. */
int clo_node_look(struct clo_node *node);
/* What the inventory would be under another policy, changing nothing. */
int clo_node_preview(struct clo_node *node, const struct clo_policy *policy,
		     struct clo_inventory **ret_inventory);
/*
 * A domain is about to run, or does so no more: what its taps are is known
 * before libvirt lists it. Takes what *domain owns, also on error.
 */
int clo_node_announce(struct clo_node *node, struct clo_virt_domain *domain);
void clo_node_retract(struct clo_node *node, const char *uuid);
/* Its taps drop all, from the next look on until it or the policy ends. */
int clo_node_confine(struct clo_node *node, const char *uuid);
bool clo_node_confined(const struct clo_node *node, const char *uuid);
/* Who runs; what clo_node_look() made of it stays. */
void clo_node_forget(struct clo_node *node);
