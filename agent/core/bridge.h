/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/inventory.h"

/*
 * What a governed bridge is told of its guarded taps: nothing is flooded to
 * them but multicast and broadcast, and the MAC of each endpoint is fixed to
 * its tap. Taps that are no port of a governed bridge are left alone.
 */

/* -ENODEV: it went away. */
int clo_bridge_settle(const struct clo_tap *tap);
/* The tap is no longer that MAC's. */
void clo_bridge_unfix(uint32_t ifindex, const uint8_t mac[6]);
/* The tap is no longer ours: as if it had never been. */
void clo_bridge_release(uint32_t ifindex);
/* Undo what fixes other MACs to the taps of the inventory. */
int clo_bridge_sweep(const struct clo_inventory *inventory);
