/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/base/log.h"
#include "agent/sys/bpf_impl.h"
#include "agent/sys/rtnl.h"

/* UAPI of Linux 6.6 (TCX); Debian 12's headers are older. */
#define TCX_LINK_TYPE 11U /* BPF_LINK_TYPE_TCX */
#define TCX_BEFORE (1U << 3) /* BPF_F_BEFORE; relative to nothing = first */
#define TCX_PROGRAMS_MAX 64U /* the kernel's own limit for one hook */

#define FILTERS_MAX 256U

struct tcx_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 padding;
	__u32 ifindex; /* 0: the interface is gone */
	__u32 attach_type;
};

/* What one hook runs, in order: TCX programs, then classifiers. */
struct hook_programs {
	__u32 tcx[TCX_PROGRAMS_MAX];
	__u32 n_tcx;
	struct clo_filter filters[FILTERS_MAX];
	size_t n_filters;
};

static int tcx_query(__u32 ifindex, __u32 type, __u32 ids[TCX_PROGRAMS_MAX],
		     __u32 *ret_n)
{
	__u32 n = TCX_PROGRAMS_MAX;
	__u32 flags = 0;
	int r;

	r = bpf_prog_query((int)ifindex, (enum bpf_attach_type)type, 0, &flags,
			   ids, &n);
	if (r < 0)
		return r;
	if (n > TCX_PROGRAMS_MAX)
		return -E2BIG;

	*ret_n = n;
	return 0;
}

bool clo_bpf_tcx_supported(void)
{
	__u32 ids[TCX_PROGRAMS_MAX];
	__u32 n;

	/* The loopback interface is 1 in every network namespace. */
	return tcx_query(1, clo_bpf_sides[0].tcx_type, ids, &n) == 0;
}

static void link_name(__u32 ifindex, size_t side, char ret_name[64])
{
	(void)snprintf(ret_name, 64, "link/%u/%s", ifindex,
		       clo_bpf_sides[side].name);
}

/* -ENOENT: no pin, or one whose interface is gone (then it is removed). */
static int link_open(const struct clo_bpf *bpf, __u32 ifindex, size_t side,
		     int *ret_fd, struct tcx_link_info *ret_info)
{
	struct tcx_link_info info = {0};
	__u32 len = sizeof(info);
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	link_name(ifindex, side, name);
	r = clo_bpf_pin_open(bpf, name, &fd);
	if (r < 0)
		return r;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.type != TCX_LINK_TYPE || info.ifindex != ifindex ||
	    info.attach_type != clo_bpf_sides[side].tcx_type) {
		r = clo_bpf_unpin(bpf, name);
		return r < 0 ? r : -ENOENT;
	}

	*ret_fd = clo_take_fd(&fd);
	*ret_info = info;
	return 0;
}

static void link_dir_remove(const struct clo_bpf *bpf, __u32 ifindex)
{
	char path[CLO_BPF_PATH_MAX];

	/* Stays while it is not empty. */
	if (clo_bpf_path(bpf, path, "link/%u", ifindex) == 0)
		(void)rmdir(path);
}

static int link_create(const struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "link/%u", ifindex);
	r = clo_bpf_dir_make(bpf, name);
	if (r < 0)
		return r;
	fd = bpf_link_create(bpf->programs[side], (int)ifindex,
			     (enum bpf_attach_type)clo_bpf_sides[side].tcx_type,
			     &opts);
	if (fd < 0) {
		link_dir_remove(bpf, ifindex);
		return fd;
	}

	link_name(ifindex, side, name);
	return clo_bpf_pin(bpf, fd, name);
}

static int link_attach(const struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	struct tcx_link_info info;
	CLO_AUTO_FD int fd = -1;
	int r;

	r = link_open(bpf, ifindex, side, &fd, &info);
	if (r == -ENOENT)
		return link_create(bpf, ifindex, side);
	if (r < 0)
		return r;
	if (info.prog_id == bpf->program_ids[side])
		return 0;

	return bpf_link_update(fd, bpf->programs[side], NULL);
}

static int link_remove(const struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	struct tcx_link_info info;
	CLO_AUTO_FD int fd = -1;
	char name[64];
	int r;

	r = link_open(bpf, ifindex, side, &fd, &info);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* Now: dropping the pin alone would detach at some later moment. */
	r = bpf_link_detach(fd);
	if (r < 0 && r != -ENOLINK)
		return r;

	link_name(ifindex, side, name);
	return clo_bpf_unpin(bpf, name);
}

static int links_remove(const struct clo_bpf *bpf, __u32 ifindex)
{
	int r;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		r = link_remove(bpf, ifindex, i);
		if (r < 0)
			return r;
	}

	link_dir_remove(bpf, ifindex);
	return 0;
}

static int link_refresh(const struct clo_bpf *bpf, __u32 ifindex, size_t side)
{
	struct tcx_link_info info;
	CLO_AUTO_FD int fd = -1;
	int r;

	r = link_open(bpf, ifindex, side, &fd, &info);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (info.prog_id == bpf->program_ids[side])
		return 0;
	r = bpf_link_update(fd, bpf->programs[side], NULL);

	return r == -ENOLINK ? 0 : r; /* the interface went just now */
}

int clo_bpf_links_refresh(struct clo_bpf *bpf)
{
	CLO_AUTO_MEM __u32 *ifindexes = NULL;
	size_t n;
	int r;

	r = clo_bpf_pinned_ifindexes(bpf, &ifindexes, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n * CLO_BPF_SIDES; i++) {
		r = link_refresh(bpf, ifindexes[i / CLO_BPF_SIDES],
				 i % CLO_BPF_SIDES);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++)
		link_dir_remove(bpf, ifindexes[i]);

	return 0;
}

int clo_bpf_links_remove(struct clo_bpf *bpf)
{
	CLO_AUTO_MEM __u32 *ifindexes = NULL;
	size_t n;
	int r;

	r = clo_bpf_pinned_ifindexes(bpf, &ifindexes, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = links_remove(bpf, ifindexes[i]);
		if (r < 0)
			return r;
	}

	return 0;
}

int clo_bpf_guard_attach(struct clo_bpf *bpf, uint32_t ifindex)
{
	int r;

	if (ifindex == 0 || ifindex > INT32_MAX)
		return -EINVAL;

	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		r = bpf->tcx ? link_attach(bpf, ifindex, i)
			     : clo_bpf_clsact_attach(bpf, ifindex, i);
		if (r < 0)
			return r;
	}

	/* What an agent with the other mechanism left; ours is on already. */
	return bpf->tcx ? clo_bpf_clsact_detach(ifindex)
			: links_remove(bpf, ifindex);
}

int clo_bpf_guard_detach(struct clo_bpf *bpf, uint32_t ifindex)
{
	int r;

	if (ifindex == 0 || ifindex > INT32_MAX)
		return -EINVAL;
	r = links_remove(bpf, ifindex);
	if (r < 0)
		return r;

	return clo_bpf_clsact_detach(ifindex);
}

static int hook_read(__u32 ifindex, size_t side, struct hook_programs *programs)
{
	const struct clo_bpf_side *s = &clo_bpf_sides[side];
	int r;

	programs->n_tcx = 0;
	r = tcx_query(ifindex, s->tcx_type, programs->tcx, &programs->n_tcx);
	if (r < 0 && r != -EINVAL) /* a kernel without TCX */
		return r;

	return clo_rtnl_filters(ifindex, s->egress, programs->filters,
				FILTERS_MAX, &programs->n_filters);
}

static void hook_judge(const struct clo_bpf *bpf, size_t side,
		       const struct hook_programs *programs,
		       struct clo_bpf_hook *ret_hook)
{
	__u32 total = programs->n_tcx + (__u32)programs->n_filters;
	__u32 found = 0;

	*ret_hook = (struct clo_bpf_hook){0};
	for (__u32 i = total; i-- > 0;) {
		bool tcx = i < programs->n_tcx;
		__u32 id = tcx ? programs->tcx[i]
			       : programs->filters[i - programs->n_tcx].prog_id;

		if (tcx != bpf->tcx || id != bpf->program_ids[side])
			continue;
		found++;
		ret_hook->prog_id = id;
		ret_hook->position = i;
	}
	ret_hook->ours = found == 1;
	ret_hook->others = total - found;
}

int clo_bpf_guard_query(struct clo_bpf *bpf, uint32_t ifindex,
			struct clo_bpf_guard *ret_guard)
{
	CLO_AUTO_MEM struct hook_programs *programs = NULL;
	char name[IF_NAMESIZE];
	int r;

	if (ifindex == 0 || ifindex > INT32_MAX)
		return -EINVAL;
	programs = calloc(CLO_BPF_SIDES, sizeof(*programs));
	if (!programs)
		return -ENOMEM;
	for (size_t i = 0; i < CLO_BPF_SIDES; i++) {
		r = hook_read(ifindex, i, &programs[i]);
		if (r < 0)
			return r;
	}
	/* Without TCX an interface that is gone reads as one without guards. */
	if (!if_indextoname(ifindex, name))
		return errno == ENXIO ? -ENODEV : -errno;

	hook_judge(bpf, 0, &programs[0], &ret_guard->from_guest);
	hook_judge(bpf, 1, &programs[1], &ret_guard->to_guest);
	return 0;
}
