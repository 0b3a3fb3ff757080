/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

/* Ports below CLO_PORTS_NEAR lie in memory that the guards read as we write. */
static bool is_near(__u32 ifindex)
{
	return ifindex < CLO_PORTS_NEAR;
}

/*
 * The meter of an interface: the one that it has, else a free one. Our own book
 * says which, not the entry in the kernel: that may be another hand's.
 */
static int meter_choose(const struct clo_bpf *bpf, __u32 ifindex,
			__u32 *ret_slot)
{
	__u32 found = 0;

	for (__u32 i = 1; i < CLO_METERS; i++) { /* 0 is nobody's */
		if (bpf->meter_owner[i] == ifindex) {
			*ret_slot = i;
			return 0;
		}
		if (!found && !bpf->meter_owner[i])
			found = i;
	}
	if (!found)
		return -ENOSPC;

	*ret_slot = found;
	return 0;
}

static void meter_free(struct clo_bpf *bpf, __u32 ifindex)
{
	for (__u32 i = 1; i < CLO_METERS; i++)
		if (bpf->meter_owner[i] == ifindex)
			bpf->meter_owner[i] = 0;
}

/* fresh: nothing of what an earlier port used counts any more. */
static int meter_write(const struct clo_bpf *bpf, __u32 slot, bool fresh,
		       const struct clo_bucket limits[CLO_BUCKET_COUNT])
{
	struct clo_bpf_memory memory;
	struct clo_meter *meter;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_METERS],
			       slot * sizeof(*meter), sizeof(*meter), true,
			       &memory);
	if (r < 0)
		return r;

	meter = memory.at;
	if (fresh)
		memset(meter, 0, sizeof(*meter));
	for (size_t i = 0; i < CLO_BUCKET_COUNT; i++) {
		struct clo_bucket *bucket = &meter->bucket[i];

		__atomic_store_n(&bucket->burst, limits[i].burst,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&bucket->cost, limits[i].cost,
				 __ATOMIC_RELAXED);
	}
	clo_bpf_memory_unmap(&memory);
	return 0;
}

static int port_get(const struct clo_bpf *bpf, __u32 ifindex,
		    struct clo_port *ret_port)
{
	int fd = bpf->maps[is_near(ifindex) ? CLO_BPF_MAP_PORTS
					    : CLO_BPF_MAP_PORTS_FAR];
	int r;

	r = bpf_map_lookup_elem(fd, &ifindex, ret_port);
	if (r == -ENOENT)
		*ret_port = (struct clo_port){0};

	return r == -ENOENT ? 0 : r;
}

static void port_kind(struct clo_port *port, __u8 kind)
{
	__atomic_store_n(&port->kind, kind, __ATOMIC_RELEASE);
}

/* All that says whose frames these are; without kind, mode and flags. */
static bool same_identity(const struct clo_port *a, const struct clo_port *b)
{
	return a->endpoint == b->endpoint && a->space == b->space &&
	       a->segment == b->segment && a->slot == b->slot &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static bool is_blank(const struct clo_port *port)
{
	static const struct clo_port blank = {0};

	return memcmp(port, &blank, sizeof(blank)) == 0;
}

/*
 * A guard reads one field after the other. So a port that becomes another's is
 * first nobody's, until no guard is left that saw it before.
 */
static int near_set(const struct clo_bpf *bpf, __u32 ifindex,
		    const struct clo_port *port)
{
	struct clo_bpf_memory memory;
	struct clo_port *place;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_PORTS],
			       ifindex * sizeof(*place), sizeof(*place), true,
			       &memory);
	if (r < 0)
		return r;

	place = memory.at;
	if (!same_identity(place, port) ||
	    (place->kind != CLO_PORT_NONE && place->kind != port->kind)) {
		port_kind(place, CLO_PORT_NONE);
		r = is_blank(place) ? 0 : clo_bpf_grace(bpf);
		if (r == 0) {
			place->endpoint = port->endpoint;
			place->space = port->space;
			place->segment = port->segment;
			place->slot = port->slot;
			memcpy(place->mac, port->mac, sizeof(place->mac));
		}
	}
	if (r == 0) {
		__atomic_store_n(&place->mode, port->mode, __ATOMIC_RELAXED);
		__atomic_store_n(&place->flags, port->flags, __ATOMIC_RELAXED);
		port_kind(place, port->kind);
	}
	clo_bpf_memory_unmap(&memory);
	return r;
}

static int near_clear(const struct clo_bpf *bpf, __u32 ifindex)
{
	struct clo_bpf_memory memory;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_PORTS],
			       ifindex * sizeof(struct clo_port),
			       sizeof(struct clo_port), true, &memory);
	if (r < 0)
		return r;

	port_kind(memory.at, CLO_PORT_NONE);
	clo_bpf_memory_unmap(&memory);
	return 0;
}

/* The endpoint may be behind another tap by now. */
static int local_clear(const struct clo_bpf *bpf, __u32 endpoint, __u32 ifindex)
{
	int fd = bpf->maps[CLO_BPF_MAP_LOCAL];
	__u32 named = 0;
	int r;

	r = bpf_map_lookup_elem(fd, &endpoint, &named);
	if (r == 0 && named == ifindex)
		r = bpf_map_delete_elem(fd, &endpoint);

	return r == -ENOENT ? 0 : r;
}

/* What the port leaves behind when it becomes `next`. */
static int leave(struct clo_bpf *bpf, __u32 ifindex, const struct clo_port *old,
		 const struct clo_port *next)
{
	if (old->kind != CLO_PORT_TAP ||
	    (next->kind == CLO_PORT_TAP && next->endpoint == old->endpoint))
		return 0;

	return local_clear(bpf, old->endpoint, ifindex);
}

static int port_write(struct clo_bpf *bpf, __u32 ifindex,
		      const struct clo_port *port)
{
	int r = 0;

	if (port->kind == CLO_PORT_TAP)
		r = bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_LOCAL],
					&port->endpoint, &ifindex, BPF_ANY);
	if (r < 0)
		return r;
	if (is_near(ifindex))
		return near_set(bpf, ifindex, port);

	/* The kernel exchanges the whole entry. */
	return bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_PORTS_FAR], &ifindex,
				   port, BPF_ANY);
}

int clo_bpf_port_set(struct clo_bpf *bpf, uint32_t ifindex,
		     const struct clo_port *port,
		     const struct clo_bucket limits[CLO_BUCKET_COUNT])
{
	struct clo_port next = *port;
	struct clo_port old;
	int r;

	if (ifindex == 0 || ifindex > INT32_MAX ||
	    (port->kind != CLO_PORT_TAP && port->kind != CLO_PORT_UPLINK))
		return -EINVAL;
	r = port_get(bpf, ifindex, &old);
	if (r < 0)
		return r;
	next.reserved = 0;
	r = meter_choose(bpf, ifindex, &next.slot);
	if (r < 0)
		return r;
	r = meter_write(bpf, next.slot,
			old.kind == CLO_PORT_NONE || old.slot != next.slot,
			limits);
	if (r < 0)
		return r;
	r = leave(bpf, ifindex, &old, &next);
	if (r < 0)
		return r;
	r = port_write(bpf, ifindex, &next);
	if (r < 0)
		return r;

	bpf->meter_owner[next.slot] = ifindex;
	return 0;
}

int clo_bpf_port_del(struct clo_bpf *bpf, uint32_t ifindex)
{
	struct clo_port old;
	int r;

	r = port_get(bpf, ifindex, &old);
	if (r < 0)
		return r;
	if (old.kind == CLO_PORT_NONE)
		return 0;

	r = is_near(ifindex)
		    ? near_clear(bpf, ifindex)
		    : bpf_map_delete_elem(bpf->maps[CLO_BPF_MAP_PORTS_FAR],
					  &ifindex);
	if (r < 0 && r != -ENOENT)
		return r;
	meter_free(bpf, ifindex);
	if (old.kind != CLO_PORT_TAP)
		return 0;

	return local_clear(bpf, old.endpoint, ifindex);
}

/* A growing list of ports. */
struct ports {
	struct clo_bpf_port *port;
	size_t n;
	size_t room;
};

static int ports_add(struct ports *ports, __u32 ifindex,
		     const struct clo_port *port)
{
	struct clo_bpf_port *larger;

	if (port->kind == CLO_PORT_NONE)
		return 0;
	if (ports->n == ports->room) {
		size_t room = ports->room * 2 + 16;

		larger = reallocarray(ports->port, room, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		ports->port = larger;
		ports->room = room;
	}
	ports->port[ports->n++] =
		(struct clo_bpf_port){ifindex, *port, {{{0}}}};
	return 0;
}

static int add_near(const struct clo_bpf *bpf, struct ports *ports)
{
	struct clo_bpf_memory memory;
	const struct clo_port *port;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_PORTS], 0,
			       CLO_PORTS_NEAR * sizeof(*port), false, &memory);
	if (r < 0)
		return r;

	port = memory.at;
	for (__u32 i = 0; r == 0 && i < CLO_PORTS_NEAR; i++)
		r = ports_add(ports, i, &port[i]);
	clo_bpf_memory_unmap(&memory);
	return r;
}

static int add_far(const struct clo_bpf_batch *batch, void *userdata)
{
	for (size_t i = 0; i < batch->n; i++) {
		struct clo_port port;
		__u32 ifindex;
		int r;

		memcpy(&ifindex, batch->keys + i * sizeof(ifindex),
		       sizeof(ifindex));
		memcpy(&port, batch->values + i * sizeof(port), sizeof(port));
		r = ports_add(userdata, ifindex, &port);
		if (r < 0)
			return r;
	}

	return 0;
}

static int add_meters(const struct clo_bpf *bpf, struct ports *ports)
{
	struct clo_bpf_memory memory;
	const struct clo_meter *meters;
	int r;

	r = clo_bpf_memory_map(bpf->maps[CLO_BPF_MAP_METERS], 0,
			       CLO_METERS * sizeof(*meters), false, &memory);
	if (r < 0)
		return r;

	meters = memory.at;
	for (size_t i = 0; i < ports->n; i++)
		if (ports->port[i].port.slot < CLO_METERS)
			ports->port[i].meter = meters[ports->port[i].port.slot];
	clo_bpf_memory_unmap(&memory);
	return 0;
}

int clo_bpf_ports_read(struct clo_bpf *bpf, struct clo_bpf_port **ret_ports,
		       size_t *ret_n)
{
	struct ports ports = {0};
	int r;

	r = add_near(bpf, &ports);
	if (r == 0)
		r = clo_bpf_map_walk(bpf->maps[CLO_BPF_MAP_PORTS_FAR],
				     sizeof(__u32), sizeof(struct clo_port),
				     add_far, &ports);
	if (r == 0)
		r = add_meters(bpf, &ports);
	if (r < 0) {
		free(ports.port);
		return r;
	}

	*ret_ports = ports.port;
	*ret_n = ports.n;
	return 0;
}

int clo_bpf_meters_adopt(struct clo_bpf *bpf)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n;
	int r;

	r = clo_bpf_ports_read(bpf, &ports, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		__u32 slot = ports[i].port.slot;

		if (slot && slot < CLO_METERS && !bpf->meter_owner[slot])
			bpf->meter_owner[slot] = ports[i].ifindex;
	}

	return 0;
}
