/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/core/audit_impl.h"

/* What the datapath works by besides tables and ports. */

static int check_settings(struct clo_node *node, struct clo_audit *audit)
{
	const char *wrong = NULL;
	int r;

	r = clo_bpf_live_check(node->bpf, &wrong);
	if (r == 0 && !wrong)
		return 0;
	audit->repair |= CLO_REPAIR_LIVE;
	return clo_problem_everyone(clo_problem_add(
		&audit->problems, "net.flow-matrix", "the datapath's %s is %s",
		wrong ? wrong : "settings",
		wrong ? "not what it was set to" : strerrordesc_np(-r)));
}

static int note_place(struct clo_audit *audit, uint32_t endpoint,
		      const char *text, uint32_t ifindex)
{
	audit->repair |= CLO_REPAIR_LIVE;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "net.flow-matrix",
				"endpoint %u %s ifindex %u in the map of "
				"places",
				endpoint, text, ifindex));
}

static int by_ifindex(const void *a, const void *b)
{
	const struct clo_bpf_port *x = a;
	const struct clo_bpf_port *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* An endpoint is behind a tap whose port is its own. */
static bool is_behind(const struct clo_bpf_place *place,
		      const struct clo_bpf_port *ports, size_t n)
{
	const struct clo_bpf_port key = {.ifindex = place->ifindex};
	const struct clo_bpf_port *found =
		n ? bsearch(&key, ports, n, sizeof(key), by_ifindex) : NULL;

	return found && found->port.kind == CLO_PORT_TAP &&
	       found->port.endpoint == place->endpoint;
}

/* As the kernel has them, right or wrong: the ports are audited before. */
struct live {
	struct clo_bpf_place *places;
	size_t n_places;
	struct clo_bpf_port *ports;
	size_t n_ports;
};

static int live_read(struct clo_bpf *bpf, struct live *live)
{
	int r;

	*live = (struct live){0};
	r = clo_bpf_places_read(bpf, &live->places, &live->n_places);
	if (r == 0)
		r = clo_bpf_ports_read(bpf, &live->ports, &live->n_ports);
	if (live->n_ports)
		qsort(live->ports, live->n_ports, sizeof(*live->ports),
		      by_ifindex);
	return r;
}

static void live_done(struct live *live)
{
	free(live->places);
	free(live->ports);
}

static int check_places(struct clo_audit *audit, const struct live *live)
{
	int r = 0;

	for (size_t i = 0; i < live->n_places && r == 0; i++)
		if (!is_behind(&live->places[i], live->ports, live->n_ports))
			r = note_place(audit, live->places[i].endpoint,
				       "leads to", live->places[i].ifindex);
	for (size_t i = 0; i < live->n_ports && r == 0; i++) {
		const struct clo_port *port = &live->ports[i].port;

		if (port->kind == CLO_PORT_TAP &&
		    !clo_bpf_place_of(live->places, live->n_places,
				      port->endpoint))
			r = note_place(audit, port->endpoint, "is missing with",
				       live->ports[i].ifindex);
	}
	return r;
}

int clo_audit_live(struct clo_node *node, struct clo_audit *audit)
{
	struct live live;
	int r;

	r = check_settings(node, audit);
	if (r < 0)
		return r;
	r = live_read(node->bpf, &live);
	r = r == 0 ? check_places(audit, &live)
		   : clo_problem_everyone(clo_problem_add(
			     &audit->problems, "net.flow-matrix",
			     "the map of places cannot be read: %s",
			     strerrordesc_np(-r)));
	live_done(&live);
	return r;
}

/* Of the ports that the kernel has now; they were put right before. */
static int restore_places(struct clo_bpf *bpf)
{
	struct live live;
	int r;

	r = live_read(bpf, &live);
	for (size_t i = 0; i < live.n_places && r == 0; i++)
		if (!is_behind(&live.places[i], live.ports, live.n_ports))
			r = clo_bpf_place_set(bpf, live.places[i].endpoint, 0);
	for (size_t i = 0; i < live.n_ports && r == 0; i++)
		if (live.ports[i].port.kind == CLO_PORT_TAP)
			r = clo_bpf_place_set(bpf, live.ports[i].port.endpoint,
					      live.ports[i].ifindex);
	live_done(&live);
	return r;
}

int clo_audit_live_restore(struct clo_node *node)
{
	int r = clo_bpf_live_restore(node->bpf);

	return r < 0 ? r : restore_places(node->bpf);
}
