/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kind_run.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "ebpf/lib/flow.h"
#include "ebpf/lib/frame.h"

#define REACH 1000U /* of the sequence numbers of a flow */
#define LONG_AGO (86400 * CLO_SECOND)

/*
 * A frame may come late for a limit; in quarantine most is refused, and what
 * follows a refused first fragment.
 */
static bool is_right(const struct clo_kind_subject *subject, int want,
		     bool sequence, const struct clo_bpf_said *said)
{
	bool audited = subject->mode == CLO_MODE_AUDIT;

	if (said->drop != (said->reason != CLO_DROP_NONE && !audited))
		return false;
	if ((int)said->reason == want)
		return true;
	return subject->mode == CLO_MODE_QUARANTINE &&
	       (said->reason == CLO_DROP_QUARANTINE ||
		(sequence && said->reason == CLO_DROP_FRAGMENT));
}

static bool is_limited(const struct clo_bpf_said *said)
{
	return said->reason == CLO_DROP_RATE ||
	       said->reason == CLO_DROP_MULTICAST_RATE;
}

/*
 * Needs what others left behind, or leaves something itself: a first fragment,
 * also a refused one, takes a place that a datagram of the guest may have.
 */
static bool needs_twin(const struct clo_kind_vector *kind)
{
	return kind->flow != CLO_KIND_FLOW_NONE || kind->n_before > 0 ||
	       ((kind->base == CLO_BASE_FRAGMENT4 ||
		 kind->base == CLO_BASE_FRAGMENT6) &&
		kind->want[0] == CLO_KIND_JUDGED);
}

/* As its sender would: the packet itself, or the one that an error quotes. */
static bool flow_of(const uint8_t *bytes, size_t len,
		    struct clo_frame_quote *ret_quote, bool *ret_error)
{
	const struct clo_packet packet = {
		.data = bytes, .end = bytes + len, .len = (uint32_t)len};
	struct clo_frame frame;

	if (clo_frame_link(&packet, &frame) != CLO_DROP_NONE ||
	    clo_frame_parse(&packet, &frame) != CLO_DROP_NONE)
		return false;
	*ret_error = frame.kind == CLO_FRAME_ERROR;
	if (*ret_error)
		return clo_frame_quoted(&packet, &frame, ret_quote);
	ret_quote->tuple = frame.tuple;
	ret_quote->seq = frame.seq;
	return true;
}

static uint64_t coarse_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * CLO_SECOND + (uint64_t)t.tv_nsec;
}

/* Between the subject's endpoint, on side `own`, and the outside. */
static struct clo_conn flow_made(const struct clo_kind_subject *subject,
				 enum clo_kind_flow how, uint64_t epoch,
				 uint32_t seq, int own)
{
	bool from = subject->way == CLO_KIND_FROM;
	uint64_t now = coarse_now();
	struct clo_conn conn = {
		.epoch = epoch,
		.seen = now,
		.opened = now,
		.state = CLO_CONN_ESTABLISHED,
	};

	conn.endpoint[own] = subject->endpoint;
	if (subject->way != CLO_KIND_TO)
		conn.ifindex[from ? own : !own] = subject->tap->ifindex;
	if (how == CLO_KIND_FLOW_OTHERS)
		conn.endpoint[own] ^= 1;
	if (how == CLO_KIND_FLOW_EARLIER)
		conn.epoch--;
	if (how == CLO_KIND_FLOW_OVER)
		conn.seen -= LONG_AGO;
	if (how == CLO_KIND_FLOW_ELSEWHERE)
		seq += CLO_FLOW_REACH;
	for (int i = 0; i < 2; i++) {
		conn.ack[i] = seq;
		conn.next[i] = seq + REACH;
	}
	return conn;
}

/* The flow that the frame in the runner belongs to, or is about. */
static int put_flow(struct clo_kind_runner *runner,
		    const struct clo_kind_subject *subject,
		    enum clo_kind_flow how, size_t len)
{
	struct clo_frame_quote quote;
	struct clo_flow flow = {0};
	struct clo_conn conn;
	uint64_t epoch;
	bool error;
	int r;

	if (!flow_of(runner->frame, len, &quote, &error))
		return -EBADMSG;
	r = clo_bpf_epoch(runner->bpf, &epoch);
	if (r < 0)
		return r;
	clo_flow_init(&quote.tuple, subject->space, &flow);
	/* what an error quotes went the other way */
	conn = flow_made(subject, how, epoch, quote.seq,
			 (subject->way == CLO_KIND_FROM) != error ? flow.src
								  : !flow.src);
	return clo_bpf_twin_flow(runner->twin, flow.family, &flow.key, &conn);
}

/* The twin, with nothing left in it of the kind before. */
static int ready_twin(struct clo_kind_runner *runner)
{
	if (!runner->twin && runner->no_twin == 0)
		runner->no_twin = clo_bpf_twin_get(runner->bpf, &runner->twin);
	return runner->twin ? clo_bpf_twin_clear(runner->twin)
			    : runner->no_twin;
}

static const char *why_not(int error)
{
	switch (error) {
	case -EINVAL:
		return "the kernel runs no program on it";
	case -ESTALE:
		return "the program that is attached has no twin";
	default:
		return "its program could not be run";
	}
}

/* One packet: built, then judged. */
static int run_packet(struct clo_kind_runner *runner,
		      struct clo_kind_subject *subject,
		      const struct clo_kind_vector *packet, bool first,
		      struct clo_kind_outcome *outcome, const char **ret_why)
{
	struct clo_bpf_frame frame = {.data = runner->frame,
				      .ifindex = subject->tap->ifindex,
				      .gso_size = packet->segment_size};
	bool twin = needs_twin(packet);
	int r = 0;

	outcome->want = clo_kind_want(subject, packet, ret_why);
	if (outcome->want < 0)
		return 0;
	memset(runner->frame, 0, sizeof(runner->frame));
	outcome->len = frame.len =
		clo_kind_build(packet, &subject->ends, runner->frame);
	if (first && packet->flow != CLO_KIND_FLOW_NONE)
		r = put_flow(runner, subject, packet->flow, frame.len);
	if (r == 0)
		r = twin ? clo_bpf_twin_run(runner->twin, subject->prog_id,
					    &frame, &outcome->said)
			 : clo_bpf_run(runner->bpf, subject->prog_id, &frame,
				       &outcome->said);
	if (r < 0) {
		*ret_why = why_not(r);
		return r == -ENOMEM ? r : 0;
	}
	if (is_limited(&outcome->said))
		*ret_why = "the guest's limit was used up";
	outcome->right = is_right(subject, outcome->want, packet->n_before > 0,
				  &outcome->said);
	return 0;
}

int clo_kind_run(struct clo_kind_runner *runner,
		 struct clo_kind_subject *subject,
		 const struct clo_kind_vector *kind,
		 struct clo_kind_outcome *ret_outcome, const char **ret_why)
{
	struct clo_kind_outcome outcome = {0};
	int r;

	if (needs_twin(kind) && ready_twin(runner) < 0) {
		*ret_why = "no twin of its program could be loaded";
		return 0; /* the kernel may lack memory for it: no more is lost */
	}
	subject->ends.id = runner->id++;
	for (size_t i = 0; i <= kind->n_before; i++) {
		const struct clo_kind_vector packet = clo_kind_packet(kind, i);

		outcome.packet = i;
		r = run_packet(runner, subject, &packet, i == 0, &outcome,
			       ret_why);
		if (r < 0)
			return r;
		if (*ret_why || !outcome.right)
			break;
	}
	*ret_outcome = outcome;
	return 0;
}
