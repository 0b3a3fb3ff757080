/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The verdict on a new flow: three look-ups in the tables of one generation.
 * Pure: the includer says how a table is read. BPF programs read maps, the
 * host reads struct clo_tables; the prover, trace and the datapath therefore
 * run these same lines.
 */

#include "cloison/abi.h"
#include "ebpf/lib/base.h"

/*
 * One generation's tables, as the includer sees them. The includer defines
 * struct clo_view and these eight before it includes this header; each returns
 * NULL (or CLO_CLASS_NONE) where the table has no such entry.
 */
struct clo_view;
/* family is 4 or 6; addr has 4 or 16 bytes. */
CLO_INLINE const struct clo_addr *clo_view_addr(const struct clo_view *view,
						__u32 space, __u8 family,
						const __u8 *addr);
CLO_INLINE const __u32 *clo_view_cidr(const struct clo_view *view, __u8 family,
				      const __u8 *addr);
CLO_INLINE __u32 clo_view_class(const struct clo_view *view, __u32 slot);
CLO_INLINE const __u32 *clo_view_pair(const struct clo_view *view, __u32 src,
				      __u32 dst);
CLO_INLINE const struct clo_row *clo_view_row(const struct clo_view *view,
					      __u32 row);
CLO_INLINE const __u64 *clo_view_word(const struct clo_view *view, __u32 index);
CLO_INLINE const __u32 *clo_view_rule(const struct clo_view *view, __u32 row,
				      __u32 class);
CLO_INLINE __u32 clo_view_words(const struct clo_view *view); /* per row */

/* One side of a flow after its address was looked up. */
struct clo_side {
	__u32 identity; /* 0: the address has no class */
	__u32 endpoint; /* 0: outside */
	__u32 segment; /* 0: outside */
};

/* What was found on the way; drop is the verdict, NONE = allowed. */
struct clo_verdict {
	enum clo_drop drop;
	__u32 class;
	__u32 row; /* CLO_ROW_NONE: the pair has no row */
	__u32 rule; /* that allowed it, else 0 */
};

#define CLO_ROW_NONE 0xffffffffU

/*
 * Where (protocol, number) stands in the services table. `number` is the
 * destination port in host order or the ICMP type; ignored for others.
 */
CLO_INLINE __u32 clo_judge_slot(__u8 proto, __u16 number)
{
	switch (proto) {
	case IPPROTO_TCP:
		return CLO_SLOT_TCP + number;
	case IPPROTO_UDP:
		return CLO_SLOT_UDP + number;
	case IPPROTO_SCTP:
		return CLO_SLOT_SCTP + number;
	case IPPROTO_ICMP:
		return CLO_SLOT_ICMP + (number & 0xff);
	case IPPROTO_ICMPV6:
		return CLO_SLOT_ICMPV6 + (number & 0xff);
	default:
		return CLO_SLOT_OTHER + proto;
	}
}

/* What stands at that place: the opposite of clo_judge_slot(). */
CLO_INLINE __u8 clo_judge_proto(__u32 slot)
{
	if (slot < CLO_SLOT_UDP)
		return IPPROTO_TCP;
	if (slot < CLO_SLOT_SCTP)
		return IPPROTO_UDP;
	if (slot < CLO_SLOT_ICMP)
		return IPPROTO_SCTP;
	if (slot < CLO_SLOT_ICMPV6)
		return IPPROTO_ICMP;
	if (slot < CLO_SLOT_OTHER)
		return IPPROTO_ICMPV6;
	return (__u8)(slot - CLO_SLOT_OTHER);
}

/* Look-up 1: address -> endpoint identity, else external class. */
CLO_INLINE void clo_judge_side(const struct clo_view *view, __u32 space,
			       __u8 family, const __u8 *addr,
			       struct clo_side *ret)
{
	const struct clo_addr *own = clo_view_addr(view, space, family, addr);
	const __u32 *external;

	if (own) {
		ret->identity = own->identity;
		ret->endpoint = own->endpoint;
		ret->segment = own->segment;
		return;
	}

	external = clo_view_cidr(view, family, addr);
	ret->identity = external ? *external : 0;
	ret->endpoint = 0;
	ret->segment = 0;
}

/* The row of a pair of identities; CLO_ROW_NONE: nothing is allowed. */
CLO_INLINE __u32 clo_judge_row(const struct clo_view *view, __u32 src,
			       __u32 dst)
{
	const __u32 *row;

	if (!src || !dst)
		return CLO_ROW_NONE;
	row = clo_view_pair(view, src, dst);
	return row ? *row : CLO_ROW_NONE;
}

/* Whether classes 64 * index to 64 * index + 63 are allowed, by bit. */
CLO_INLINE __u64 clo_judge_word(const struct clo_view *view, __u32 set,
				__u32 words, __u32 index)
{
	const __u64 *word = clo_view_word(view, set * words + index);

	return word ? *word : 0;
}

/* The rule that allows a class of the row. */
CLO_INLINE __u32 clo_judge_rule(const struct clo_view *view,
				const struct clo_row *row, __u32 index,
				__u32 class)
{
	const __u32 *other =
		row->others ? clo_view_rule(view, index, class) : NULL;

	return other ? *other : row->rule;
}

/* Look-ups 2 and 3: the bit of (source, destination, service class). */
CLO_INLINE void clo_judge_pair(const struct clo_view *view, __u32 src,
			       __u32 dst, __u8 proto, __u16 number,
			       struct clo_verdict *ret)
{
	__u32 words = clo_view_words(view);
	const struct clo_row *row;
	__u64 word;

	ret->class = CLO_CLASS_NONE;
	ret->row = CLO_ROW_NONE;
	ret->rule = 0;
	ret->drop = CLO_DROP_NO_CLASS;
	if (!src || !dst)
		return;

	ret->class = clo_view_class(view, clo_judge_slot(proto, number));
	ret->drop = CLO_DROP_PROTOCOL;
	if (ret->class >= words * 64)
		return;

	ret->drop = CLO_DROP_POLICY;
	ret->row = clo_judge_row(view, src, dst);
	row = ret->row == CLO_ROW_NONE ? NULL : clo_view_row(view, ret->row);
	if (!row)
		return;

	word = clo_judge_word(view, row->set, words, ret->class / 64);
	if (!(word >> (ret->class % 64) & 1))
		return;

	ret->drop = CLO_DROP_NONE;
	ret->rule = clo_judge_rule(view, row, ret->row, ret->class);
}
