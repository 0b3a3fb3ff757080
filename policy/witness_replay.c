/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ebpf/lib/frame.h"
#include "policy/host_view.h"
#include "policy/witness_frame.h"

const char *clo_replay_text(enum clo_replay replay)
{
	static const char *const texts[] = {
		[CLO_REPLAY_PASSES] = "passes",
		[CLO_REPLAY_UNREACHED] = "unreached",
		[CLO_REPLAY_DIFFERS] = "differs",
	};

	return texts[replay];
}

/* 0: it is outside. */
static uint32_t space_of(const struct clo_tables *tables, uint32_t identity)
{
	const struct clo_identity *own =
		clo_tables_find(tables, CLO_TABLE_IDENTITIES, &identity);

	return own ? own->space : 0;
}

/* Each side where it is at home, or where it is seen from. */
static bool sides_are(const struct clo_view *view,
		      const struct clo_breach *breach, uint32_t src_space,
		      uint32_t dst_space)
{
	const struct clo_witness *witness = &breach->witness;
	struct clo_side src;
	struct clo_side dst;

	clo_judge_side(view, src_space ? src_space : dst_space, witness->family,
		       witness->src, &src);
	clo_judge_side(view, dst_space ? dst_space : src_space, witness->family,
		       witness->dst, &dst);
	return src.identity == breach->pair.src &&
	       dst.identity == breach->pair.dst &&
	       src.endpoint == witness->src_endpoint &&
	       dst.endpoint == witness->dst_endpoint;
}

static enum clo_drop parse(const struct clo_witness_frame *witness,
			   struct clo_frame *ret_frame)
{
	const struct clo_packet packet = {
		.data = witness->bytes,
		.end = witness->bytes + witness->len,
		.len = (uint32_t)witness->len,
	};
	enum clo_drop drop = clo_frame_link(&packet, ret_frame);

	return drop ? drop : clo_frame_parse(&packet, ret_frame);
}

static uint16_t number_of(const struct clo_frame *frame)
{
	const struct clo_tuple *tuple = &frame->tuple;

	if (tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6)
		return tuple->type;
	return ntohs(tuple->dport);
}

/* An address speaks for the endpoint that it is bound to. */
static enum clo_replay replay_binding(const struct clo_view *view,
				      const struct clo_breach *breach,
				      const struct clo_frame *frame)
{
	struct clo_side side;

	clo_judge_side(view, space_of(view->tables, breach->pair.src),
		       frame->tuple.family, frame->tuple.src, &side);
	return side.endpoint == breach->witness.src_endpoint &&
			       side.identity == breach->pair.src
		       ? CLO_REPLAY_PASSES
		       : CLO_REPLAY_DIFFERS;
}

/* As the sender's tap: both addresses are looked up in its space. */
static bool asks_for(const struct clo_view *view, struct clo_pair pair,
		     const struct clo_frame *frame)
{
	uint32_t src_space = space_of(view->tables, pair.src);
	uint32_t space =
		src_space ? src_space : space_of(view->tables, pair.dst);
	struct clo_side src;
	struct clo_side dst;

	if (frame->kind != CLO_FRAME_FLOW && frame->kind != CLO_FRAME_MESSAGE)
		return false;
	clo_judge_side(view, space, frame->tuple.family, frame->tuple.src,
		       &src);
	clo_judge_side(view, space, frame->tuple.family, frame->tuple.dst,
		       &dst);
	return src.identity == pair.src && dst.identity == pair.dst;
}

static enum clo_replay replay_frame(const struct clo_view *view,
				    const struct clo_breach *breach,
				    const struct clo_frame *frame)
{
	struct clo_verdict verdict;

	if (!asks_for(view, breach->pair, frame))
		return CLO_REPLAY_UNREACHED;
	clo_judge_pair(view, breach->pair.src, breach->pair.dst,
		       frame->tuple.proto, number_of(frame), &verdict);
	return verdict.drop == CLO_DROP_NONE && verdict.rule == breach->rule
		       ? CLO_REPLAY_PASSES
		       : CLO_REPLAY_DIFFERS;
}

enum clo_replay clo_witness_replay(const struct clo_tables *tables,
				   const struct clo_breach *breach,
				   const struct clo_witness_frame *witness)
{
	const struct clo_view view = {tables};
	const struct clo_witness *says = &breach->witness;
	uint32_t src_space = space_of(tables, breach->pair.src);
	uint32_t dst_space = space_of(tables, breach->pair.dst);
	struct clo_verdict verdict;
	struct clo_frame frame;
	enum clo_drop drop = parse(witness, &frame);

	if (breach->class == CLO_CLASS_NONE)
		return drop ? CLO_REPLAY_DIFFERS
			    : replay_binding(&view, breach, &frame);
	clo_judge_pair(&view, breach->pair.src, breach->pair.dst, says->proto,
		       says->number, &verdict);
	if (verdict.drop || verdict.class != breach->class ||
	    verdict.rule != breach->rule ||
	    !sides_are(&view, breach, src_space, dst_space))
		return CLO_REPLAY_DIFFERS;
	if (drop)
		return CLO_REPLAY_UNREACHED;
	if (memcmp(frame.tuple.src, says->src, sizeof(says->src)) != 0 ||
	    memcmp(frame.tuple.dst, says->dst, sizeof(says->dst)) != 0)
		return CLO_REPLAY_DIFFERS;
	return replay_frame(&view, breach, &frame);
}

bool clo_witness_reaches(const struct clo_tables *tables, struct clo_pair pair,
			 const struct clo_witness_frame *witness)
{
	const struct clo_view view = {tables};
	struct clo_frame frame;

	return parse(witness, &frame) == CLO_DROP_NONE &&
	       asks_for(&view, pair, &frame);
}
