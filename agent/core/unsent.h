/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/sys/bpf.h"

/* How many events the datapath left out at each port, as far as told. */
struct clo_unsent_port {
	uint32_t ifindex;
	uint32_t endpoint; /* 0: an uplink */
	uint64_t count; /* since the port was set up */
};

struct clo_unsent {
	struct clo_unsent_port *ports; /* by ifindex */
	size_t n;
};

void clo_unsent_done(struct clo_unsent *unsent);
/* `grew` is called for each port whose count is another than the last time. */
int clo_unsent_update(struct clo_unsent *unsent,
		      const struct clo_bpf_port *ports, size_t n,
		      void (*grew)(const struct clo_unsent_port *port,
				   void *userdata),
		      void *userdata);
