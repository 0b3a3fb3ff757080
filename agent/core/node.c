/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/node.h"

#include <errno.h>

#include "agent/base/log.h"

static int look_domains(struct clo_node *node)
{
	struct clo_virt_domain *domains = NULL;
	size_t n = 0;
	int r;

	r = clo_virt_take(node->virt, &domains, &n);
	if (r < 0)
		return r == -EAGAIN ? 0 : r;

	clo_virt_domains_free(node->domains, node->n_domains);
	node->domains = domains;
	node->n_domains = n;
	node->domains_seen = true;
	return 0;
}

/* libvirt's silence is a gap in what is observed, open while it lasts. */
static int note_silence(struct clo_node *node, bool silent)
{
	time_t now = time(NULL);
	int r = 0;

	if (silent && !node->domains_seen &&
	    now - node->started < CLO_LIBVIRT_GRACE)
		return 0; /* it has not had its chance yet */
	if (silent && node->libvirt_gap == 0)
		r = clo_store_gap_open(node->store, now,
				       "libvirt does not answer",
				       &node->libvirt_gap);
	else if (!silent && node->libvirt_gap != 0) {
		r = clo_store_gap_close(node->store, node->libvirt_gap, now);
		node->libvirt_gap = 0;
	}
	return r;
}

int clo_node_preview(struct clo_node *node, const struct clo_policy *policy,
		     struct clo_inventory **ret_inventory)
{
	CLO_AUTO_MEM struct clo_link *links = NULL;
	size_t n_links = 0;
	int r;

	r = clo_rtnl_list(node->rtnl, &links, &n_links);
	if (r < 0)
		return r;
	return clo_inventory_make(
		policy, links, n_links, node->domains, node->n_domains,
		!node->virt || node->domains_seen, ret_inventory);
}

int clo_node_look(struct clo_node *node)
{
	CLO_AUTO(clo_inventory) struct clo_inventory *inventory = NULL;
	bool silent = false;
	int r;

	if (node->virt) {
		r = look_domains(node);
		if (r == -ENOMEM)
			return r;
		silent = r < 0;
		r = note_silence(node, silent);
		if (r < 0)
			(void)clo_log_errno(CLO_LOG_ERR, r,
					    "a gap could not be recorded");
	}

	r = clo_node_preview(node, node->force ? node->force->policy : NULL,
			     &inventory);
	if (r < 0)
		return r;
	inventory->domains_known = !silent;

	clo_inventory_free(node->inventory);
	node->inventory = CLO_TAKE(inventory);
	return 0;
}
