/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/replay.h"

#include <errno.h>

int clo_replay_frame(struct clo_bpf *bpf, enum clo_replay_way way,
		     const struct clo_bpf_frame *frame,
		     struct clo_replay *ret_replay)
{
	const struct clo_bpf_hook *hook;
	struct clo_bpf_guard guard;
	struct clo_replay replay;
	int r;

	r = clo_bpf_guard_query(bpf, frame->ifindex, &guard);
	if (r < 0)
		return r;
	hook = way == CLO_REPLAY_TO ? &guard.to_guest : &guard.from_guest;
	if (hook->prog_id == 0)
		return -ENOENT;

	replay = (struct clo_replay){
		.prog_id = hook->prog_id,
		.ours = hook->ours && hook->position == 0,
	};
	r = clo_bpf_run(bpf, hook->prog_id, frame, &replay.said);
	if (r < 0)
		return r;

	*ret_replay = replay;
	return 0;
}
