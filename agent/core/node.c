/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/node.h"

#include <errno.h>
#include <string.h>

#include "agent/base/log.h"

static void forget_announced(struct clo_node *node, size_t i)
{
	clo_virt_domain_done(&node->announced[i].domain);
	node->announced[i] = node->announced[--node->n_announced];
}

void clo_node_retract(struct clo_node *node, const char *uuid)
{
	for (size_t i = node->n_announced; i-- > 0;)
		if (strcmp(node->announced[i].domain.uuid, uuid) == 0)
			forget_announced(node, i);
}

int clo_node_announce(struct clo_node *node, struct clo_virt_domain *domain)
{
	struct clo_announced *grown;

	clo_node_retract(node, domain->uuid);
	grown = reallocarray(node->announced, node->n_announced + 1,
			     sizeof(*grown));
	if (!grown) {
		clo_virt_domain_done(domain);
		return -ENOMEM;
	}
	node->announced = grown;
	grown[node->n_announced++] = (struct clo_announced){
		*domain, node->virt ? clo_virt_begun(node->virt) : 0};
	*domain = (struct clo_virt_domain){0};
	return 0;
}

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
	for (size_t i = node->n_announced; i-- > 0;)
		if (node->announced[i].list < clo_virt_taken(node->virt))
			forget_announced(node, i);
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

bool clo_node_confined(const struct clo_node *node, const char *uuid)
{
	for (size_t i = 0; i < node->n_confined; i++)
		if (strcmp(node->confined[i], uuid) == 0)
			return true;
	return false;
}

int clo_node_confine(struct clo_node *node, const char *uuid)
{
	char(*grown)[37];

	if (clo_node_confined(node, uuid))
		return 0;
	grown = reallocarray(node->confined, node->n_confined + 1,
			     sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	node->confined = grown;
	memcpy(grown[node->n_confined++], uuid, sizeof(*grown));
	return 0;
}

static bool runs(const struct clo_node *node, const char *uuid)
{
	for (size_t i = 0; i < node->n_domains; i++)
		if (strcmp(node->domains[i].uuid, uuid) == 0)
			return true;
	return false;
}

/* Domains that end come back as new ones. */
static void mark_confined(struct clo_node *node,
			  struct clo_inventory *inventory)
{
	for (size_t i = node->n_confined; i-- > 0;)
		if (!runs(node, node->confined[i]))
			memcpy(node->confined[i],
			       node->confined[--node->n_confined],
			       sizeof(*node->confined));
	for (size_t i = 0; i < inventory->n_taps; i++)
		inventory->taps[i].confined =
			clo_node_confined(node, inventory->taps[i].domain);
}

static bool is_announced(const struct clo_node *node, const char *uuid)
{
	for (size_t i = 0; i < node->n_announced; i++)
		if (strcmp(node->announced[i].domain.uuid, uuid) == 0)
			return true;
	return false;
}

/* Those that were announced, and who else runs; borrowed. */
static int merge_domains(const struct clo_node *node,
			 struct clo_virt_domain **ret_domains, size_t *ret_n)
{
	struct clo_virt_domain *domains;
	size_t n = 0;

	domains = calloc(node->n_announced + node->n_domains + 1,
			 sizeof(*domains));
	if (!domains)
		return -ENOMEM;
	for (size_t i = 0; i < node->n_announced; i++)
		domains[n++] = node->announced[i].domain;
	for (size_t i = 0; i < node->n_domains; i++)
		if (!is_announced(node, node->domains[i].uuid))
			domains[n++] = node->domains[i];

	*ret_domains = domains;
	*ret_n = n;
	return 0;
}

int clo_node_preview(struct clo_node *node, const struct clo_policy *policy,
		     struct clo_inventory **ret_inventory)
{
	CLO_AUTO_MEM struct clo_virt_domain *domains = NULL;
	CLO_AUTO_MEM struct clo_link *links = NULL;
	size_t n_domains = 0;
	size_t n_links = 0;
	int r;

	r = clo_rtnl_list(node->rtnl, &links, &n_links);
	if (r < 0)
		return r;
	r = merge_domains(node, &domains, &n_domains);
	if (r < 0)
		return r;
	return clo_inventory_make(policy, links, n_links, domains, n_domains,
				  !node->virt || node->domains_seen ||
					  node->n_announced,
				  ret_inventory);
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
	mark_confined(node, inventory);

	clo_inventory_free(node->inventory);
	node->inventory = CLO_TAKE(inventory);
	return 0;
}

void clo_node_forget(struct clo_node *node)
{
	while (node->n_announced > 0)
		forget_announced(node, node->n_announced - 1);
	free(node->announced);
	free(node->confined);
	clo_virt_domains_free(node->domains, node->n_domains);
	node->announced = NULL;
	node->confined = NULL;
	node->n_confined = 0;
	node->domains = NULL;
	node->n_domains = 0;
}
