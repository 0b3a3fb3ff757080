/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/unsent.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/base/auto.h"

void clo_unsent_done(struct clo_unsent *unsent)
{
	free(unsent->ports);
	*unsent = (struct clo_unsent){0};
}

static int by_ifindex(const void *a, const void *b)
{
	const struct clo_unsent_port *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static uint64_t told(const struct clo_unsent *unsent,
		     const struct clo_unsent_port *port)
{
	const struct clo_unsent_port *found = NULL;

	if (unsent->n > 0)
		found = bsearch(port, unsent->ports, unsent->n, sizeof(*port),
				by_ifindex);
	return found && found->endpoint == port->endpoint ? found->count : 0;
}

int clo_unsent_update(struct clo_unsent *unsent,
		      const struct clo_bpf_port *ports, size_t n,
		      void (*grew)(const struct clo_unsent_port *port,
				   void *userdata),
		      void *userdata)
{
	CLO_AUTO_MEM struct clo_unsent_port *seen = NULL;

	seen = calloc(n + 1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		seen[i] = (struct clo_unsent_port){
			.ifindex = ports[i].ifindex,
			.endpoint = ports[i].port.endpoint,
			.count = ports[i].meter.unsent};
		if (seen[i].count > 0 &&
		    seen[i].count != told(unsent, &seen[i]))
			grew(&seen[i], userdata);
	}
	qsort(seen, n, sizeof(*seen), by_ifindex);

	free(unsent->ports);
	unsent->ports = CLO_TAKE(seen);
	unsent->n = n;
	return 0;
}
