/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

int clo_bpf_run(struct clo_bpf *bpf, uint32_t prog_id,
		const struct clo_bpf_frame *frame,
		struct clo_bpf_said *ret_said)
{
	struct __sk_buff before = {
		.ifindex = frame->ifindex,
		.mark = frame->mark,
		.gso_size = frame->gso_size,
	};
	struct __sk_buff after = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
		    .data_size_in = (__u32)frame->len, .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	CLO_AUTO_FD int fd = -1;
	__u32 reason;
	int r;

	(void)bpf;
	if (frame->len > UINT16_MAX)
		return -EMSGSIZE;
	if (prog_id == 0)
		return -ENOENT;
	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return fd;
	r = bpf_prog_test_run_opts(fd, &opts);
	if (r < 0)
		return r;

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
