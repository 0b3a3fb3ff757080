/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/fencing.h"

#include <errno.h>

#include "agent/base/log.h"
#include "agent/guard/fence.h"

/* What a policy says of it; the caller frees the names of uplinks. */
static int describe(const struct clo_policy *policy, struct clo_fence *fence,
		    const char ***ret_uplinks)
{
	const struct clo_node_doc *doc = &policy->node;
	const char **uplinks = calloc(doc->n_uplinks + 1, sizeof(*uplinks));

	if (!uplinks)
		return -ENOMEM;
	for (size_t i = 0; i < doc->n_uplinks; i++)
		uplinks[i] = doc->uplinks[i].interface;
	*fence = (struct clo_fence){
		.bridges = (const char *const *)doc->bridges,
		.n_bridges = doc->n_bridges,
		.uplinks = uplinks,
		.n_uplinks = doc->n_uplinks,
	};
	*ret_uplinks = uplinks;
	return 0;
}

/* Taps with a guard on them; the caller frees. */
static int list_ports(const struct clo_node *node, uint32_t **ret_ports,
		      size_t *ret_n)
{
	uint32_t *ports = calloc(node->n_known + 1, sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < node->n_known; i++)
		ports[i] = node->known[i].ifindex;
	*ret_ports = ports;
	*ret_n = node->n_known;
	return 0;
}

static int settle(struct clo_node *node, struct clo_fence *fence)
{
	CLO_AUTO_MEM uint32_t *ports = NULL;
	int r;

	r = list_ports(node, &ports, &fence->n_ports);
	if (r < 0)
		return r;
	fence->ports = ports;
	fence->others = node->inventory->others;
	fence->n_others = node->inventory->n_others;
	return clo_fence_apply(node->nft, fence, &node->fence);
}

int clo_fencing_settle(struct clo_node *node)
{
	CLO_AUTO_MEM const char **uplinks = NULL;
	struct clo_fence fence;
	int r;

	if (!node->force || node->fence_refused)
		return 0;
	if (!node->nft) {
		r = clo_nft_new(&node->nft);
		if (r < 0)
			return r;
	}
	r = describe(node->force->policy, &fence, &uplinks);
	if (r < 0)
		return r;
	r = settle(node, &fence);
	if (r == -EOPNOTSUPP) { /* said once; the audit says it each time */
		node->fence_refused = true;
		clo_log(CLO_LOG_ERR, "no fence: this kernel has no nftables "
				     "for bridges");
		return 0;
	}
	return r;
}

void clo_fencing_renew(struct clo_node *node)
{
	clo_fence_state_done(&node->fence);
	node->fence_refused = false;
}

int clo_fencing_audit(struct clo_node *node, struct clo_audit *audit)
{
	struct clo_findings findings = {0};
	int r;

	if (!node->force)
		return 0;
	r = clo_fence_check(node->nft, &node->fence, &findings);
	for (size_t i = 0; r == 0 && i < findings.n; i++)
		if (!clo_problem_add(&audit->problems, findings.list[i].control,
				     "%s %s", findings.list[i].where,
				     findings.list[i].text))
			r = -ENOMEM;
	if (r == 0 && findings.n > 0) {
		audit->repair |= CLO_REPAIR_FENCE;
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.fail-closed",
			"the fence around the bridges is not as it was put "
			"up"));
	}
	clo_findings_done(&findings);
	return r;
}

int clo_fencing_watch(sd_event *event, sd_event_io_handler_t on_change,
		      void *userdata, sd_event_source **ret_source)
{
	CLO_AUTO_FD int fd = clo_nft_watch();
	int r;

	if (fd == -EPROTONOSUPPORT)
		return 0; /* no nftables, no fence that could break */
	r = fd < 0 ? fd
		   : sd_event_add_io(event, ret_source, fd, EPOLLIN, on_change,
				     userdata);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(*ret_source, true);
	if (r < 0)
		return clo_log_errno(CLO_LOG_ERR, r, "nftables");
	(void)clo_take_fd(&fd);
	return 0;
}

bool clo_fencing_broken(struct clo_node *node, int fd)
{
	struct clo_findings findings = {0};
	bool broken;

	if (!clo_nft_changed(fd) || !node->force || !node->fence.rules)
		return false; /* there was none to break */
	broken = clo_fence_check(node->nft, &node->fence, &findings) < 0 ||
		 findings.n > 0;
	clo_findings_done(&findings);
	return broken;
}

int clo_fencing_begin(const char *state_dir)
{
	CLO_AUTO_MEM const char **uplinks = NULL;
	CLO_AUTO(clo_force) struct clo_force *force = NULL;
	CLO_AUTO(clo_nft) struct clo_nft *nft = NULL;
	struct clo_fence fence;
	int r;

	r = clo_force_restore(state_dir, &force);
	if (r < 0 || !force)
		return r;
	r = describe(force->policy, &fence, &uplinks);
	if (r == 0)
		r = clo_nft_new(&nft);
	if (r == 0)
		r = clo_fence_begin(nft, &fence);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "fence") : 0;
}

int clo_fencing_remove(void)
{
	CLO_AUTO(clo_nft) struct clo_nft *nft = NULL;
	int r;

	r = clo_nft_new(&nft);
	if (r == 0)
		r = clo_fence_remove(nft);
	if (r < 0 && r != -ENOENT && r != -EOPNOTSUPP)
		return clo_log_errno(CLO_LOG_ERR, r, "removing the fence");
	return 0;
}

void clo_fencing_done(struct clo_node *node)
{
	clo_fence_state_done(&node->fence);
	clo_nft_free(node->nft);
	node->nft = NULL;
}
