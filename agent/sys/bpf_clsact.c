/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>

#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"
#include "agent/sys/rtnl.h"

/*
 * Guards as direct-action classifiers. A fixed priority and a handle that
 * nobody else picks by habit: they are how we find our filter again.
 */
#define PRIORITY 1U
#define HANDLE 0xc10U
#define FILTERS_MAX 256U

static void names_freep(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

/* ret_id: of the program behind our handle if it goes by our name, else 0. */
static int find(__u32 ifindex, size_t side, __u32 *ret_id, size_t *ret_total)
{
	struct clo_filter filters[FILTERS_MAX];
	__u32 id = 0;
	size_t n;
	int r;

	r = clo_rtnl_filters(ifindex, clo_bpf_sides[side].egress, filters,
			     FILTERS_MAX, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (filters[i].priority == PRIORITY &&
		    filters[i].handle == HANDLE)
			id = filters[i].prog_id;
	if (id && !clo_bpf_program_named(id, clo_bpf_sides[side].program))
		id = 0;

	*ret_id = id;
	*ret_total = n;
	return 0;
}

static enum bpf_tc_attach_point point(size_t side)
{
	return clo_bpf_sides[side].egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

static int attach(const struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = point(side));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY,
		    .prog_fd = bpf->programs[side], .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &opts);
}

int clo_bpf_clsact_attach(struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = point(side));
	size_t total;
	__u32 id;
	int r;

	r = find(ifindex, side, &id, &total);
	if (r < 0)
		return r;
	if (id == bpf->program_ids[side])
		return 0;
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return r;

	return attach(bpf, ifindex, side);
}

static int detach(__u32 ifindex, size_t side)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = point(side));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	int r;

	r = bpf_tc_detach(&hook, &opts);

	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int clo_bpf_clsact_detach(__u32 ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, qdisc, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	size_t others = 0;
	size_t ours = 0;
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		size_t total;
		__u32 id;

		r = find(ifindex, i, &id, &total);
		if (r < 0)
			return r;
		others += total;
		if (!id)
			continue;
		r = detach(ifindex, i);
		if (r < 0)
			return r;
		ours++;
	}
	if (ours == 0 || others > ours)
		return 0; /* not our qdisc, or not ours alone */
	r = bpf_tc_hook_destroy(&qdisc);

	return r == -ENOENT || r == -ENODEV || r == -EINVAL ? 0 : r;
}

static int refresh(const struct clo_bpf *bpf, __u32 ifindex)
{
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		size_t total;
		__u32 id;

		r = find(ifindex, i, &id, &total);
		if (r < 0)
			return r;
		if (!id || id == bpf->program_ids[i])
			continue;
		r = attach(bpf, ifindex, i);
		if (r < 0 && r != -ENODEV)
			return r;
	}

	return 0;
}

int clo_bpf_clsact_refresh(struct clo_bpf *bpf)
{
	__attribute__((cleanup(names_freep))) struct if_nameindex *names = NULL;
	int r;

	names = if_nameindex();
	if (!names)
		return -errno;
	for (size_t i = 0; names[i].if_index != 0; i++) {
		r = refresh(bpf, names[i].if_index);
		if (r < 0)
			return r;
	}

	return 0;
}

int clo_bpf_clsact_remove(void)
{
	__attribute__((cleanup(names_freep))) struct if_nameindex *names = NULL;
	int r;

	names = if_nameindex();
	if (!names)
		return -errno;
	for (size_t i = 0; names[i].if_index != 0; i++) {
		r = clo_bpf_clsact_detach(names[i].if_index);
		if (r < 0)
			return r;
	}

	return 0;
}
