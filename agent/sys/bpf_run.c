/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"
#include "cloison/shape.h"

/* Run on `data`; cb: the length that clo_shape makes of it, 0: none. */
static int test_run(int program, const struct clo_bpf_frame *frame,
		    const void *data, size_t len, __u32 cb,
		    struct clo_bpf_said *ret_said)
{
	struct __sk_buff before = {
		.ifindex = frame->ifindex,
		.mark = frame->mark,
		.gso_size = frame->gso_size,
		.cb = {cb},
	};
	struct __sk_buff after = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data,
		    .data_size_in = (__u32)len, .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	__u32 reason;
	int r = bpf_prog_test_run_opts(program, &opts);

	if (r < 0)
		return r;
	if (cb && opts.retval == (__u32)TC_ACT_UNSPEC)
		return -EINVAL; /* the frame could not be made */

	reason = CLO_CB_DROP(after.cb[0]);
	*ret_said = (struct clo_bpf_said){
		.drop = opts.retval == TC_ACT_SHOT,
		.redirect = opts.retval == TC_ACT_REDIRECT,
		.reason = reason < CLO_DROP_COUNT ? (enum clo_drop)reason
						  : CLO_DROP_NONE,
		.mark = after.mark,
	};
	return 0;
}

int clo_bpf_run_fd(int program, const struct clo_bpf_frame *frame,
		   struct clo_bpf_said *ret_said)
{
	if (frame->len > UINT16_MAX)
		return -EMSGSIZE;
	return test_run(program, frame, frame->data, frame->len, 0, ret_said);
}

/* As long as the kernel will not take it to begin with: see ebpf/prog/shape.h */
static int run_shaped(const struct clo_bpf *bpf, int program,
		      const struct clo_bpf_frame *frame,
		      struct clo_bpf_said *ret_said)
{
	size_t given =
		frame->len < CLO_SHAPE_HEAD ? frame->len : CLO_SHAPE_HEAD;
	uint8_t head[CLO_SHAPE_HEAD] = {0};
	__u32 key = 0;
	int r;

	memcpy(head, frame->data, given);
	/* it stays there until the next: to take it out waits for all CPUs */
	r = bpf_map_update_elem(bpf->shaped, &key, &program, BPF_ANY);
	return r < 0 ? r
		     : test_run(bpf->calls[CLO_BPF_CALL_SHAPE], frame, head,
				sizeof(head), (__u32)frame->len, ret_said);
}

int clo_bpf_run(struct clo_bpf *bpf, uint32_t prog_id,
		const struct clo_bpf_frame *frame,
		struct clo_bpf_said *ret_said)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	if (prog_id == 0)
		return -ENOENT;
	if (frame->len == 0)
		return -EINVAL;
	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return fd;
	r = clo_bpf_run_fd(fd, frame, ret_said);
	return r == -EINVAL ? run_shaped(bpf, fd, frame, ret_said) : r;
}

int clo_bpf_probe(struct clo_bpf *bpf, uint32_t prog_id, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop)
{
	const struct clo_bpf_frame one = {
		.data = frame, .len = len, .ifindex = ifindex, .mark = mark};
	struct clo_bpf_said said;
	int r;

	r = clo_bpf_run(bpf, prog_id, &one, &said);
	if (r < 0)
		return r;

	*ret_drop = said.drop;
	return 0;
}
