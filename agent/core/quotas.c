/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/quotas.h"

#include <errno.h>
#include <stdlib.h>

int clo_quotas_settle(struct clo_node *node)
{
	CLO_AUTO_MEM struct clo_bpf_account *accounts = NULL;
	const struct clo_quota *quotas = node->force->quotas;
	size_t n_quotas = node->force->n_quotas;
	CLO_AUTO_MEM bool *right = calloc(n_quotas + 1, sizeof(*right));
	size_t n = 0;
	int r;

	if (!right)
		return -ENOMEM;
	r = clo_bpf_accounts_read(node->bpf, &accounts, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const struct clo_quota *want =
			clo_quotas_find(quotas, n_quotas, accounts[i].key);

		if (want)
			right[want - quotas] =
				accounts[i].account.parent == want->parent &&
				accounts[i].account.limit == want->limit;
		else
			node->quotas_stale = true;
	}
	for (size_t i = n_quotas; r == 0 && i-- > 0;) /* parents first */
		if (!right[i])
			r = clo_bpf_account_set(node->bpf, quotas[i].key,
						quotas[i].parent,
						quotas[i].limit);
	node->quotas_settled = r == 0;
	return r;
}

int clo_quotas_drop(struct clo_node *node)
{
	CLO_AUTO_MEM struct clo_bpf_account *accounts = NULL;
	bool left = false;
	size_t n = 0;
	int r;

	if (!node->force || !node->quotas_stale)
		return 0;
	r = clo_bpf_accounts_read(node->bpf, &accounts, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (clo_quotas_find(node->force->quotas, node->force->n_quotas,
				    accounts[i].key))
			continue;
		if (accounts[i].account.used)
			left = true;
		else
			r = clo_bpf_account_del(node->bpf, accounts[i].key);
	}
	if (r == 0)
		node->quotas_stale = left;
	return r;
}
