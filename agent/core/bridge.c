/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/bridge.h"

#include <errno.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/sys/rtnl.h"

/* The MAC first: from then on the bridge needs not flood to reach it. */
int clo_bridge_settle(const struct clo_tap *tap)
{
	int r = 0;

	if (!tap->master)
		return 0;
	if (tap->interface)
		r = clo_rtnl_fdb_add(tap->ifindex, tap->interface->mac);
	if (r < 0)
		return r;
	return clo_rtnl_flood_set(tap->ifindex, false);
}

void clo_bridge_unfix(uint32_t ifindex, const uint8_t mac[6])
{
	int r = clo_rtnl_fdb_del(ifindex, mac);

	/* a tap that left its bridge has taken its MACs along */
	if (r < 0 && r != -ENOENT && r != -ENODEV && r != -EOPNOTSUPP)
		(void)clo_log_errno(CLO_LOG_WARN, r, "MAC not released");
}

void clo_bridge_release(uint32_t ifindex)
{
	int r = clo_rtnl_flood_set(ifindex, true);

	if (r < 0 && r != -ENODEV && r != -EOPNOTSUPP)
		(void)clo_log_errno(CLO_LOG_WARN, r, "flooding not restored");
}

int clo_bridge_sweep(const struct clo_inventory *inventory)
{
	CLO_AUTO_MEM struct clo_fdb *fixed = NULL;
	size_t n = 0;
	int r;

	r = clo_rtnl_fdb_list(&fixed, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct clo_tap *tap =
			clo_inventory_find(inventory, fixed[i].ifindex);

		if (!tap || !tap->master ||
		    (tap->interface &&
		     memcmp(tap->interface->mac, fixed[i].mac, 6) == 0))
			continue;
		clo_bridge_unfix(fixed[i].ifindex, fixed[i].mac);
	}
	return r;
}
