/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Fragments. The first one of a datagram is judged as the packet that it is,
 * and leaves its ports behind; a later one takes these ports and is then a
 * packet of that flow like any other. One that comes before its first takes
 * those of the last datagram between the same addresses: it passes only as
 * part of a flow that fragments already, and only its own first fragment can
 * make a whole of it. Pure.
 */

#include "ebpf/lib/bind.h"
#include "ebpf/lib/conn.h"
#include "ebpf/lib/frag.h"
#include "ebpf/lib/hook.h"

/*
 * The includer defines these: the entry or NULL; put overwrites, 0 if done.
 * Nothing is called between lock and unlock.
 */
CLO_INLINE struct clo_frag *clo_view_frag(const struct clo_view *view,
					  const struct clo_frag_key *key);
CLO_INLINE int clo_view_frag_put(const struct clo_view *view,
				 const struct clo_frag_key *key,
				 const struct clo_frag *frag);
CLO_INLINE void clo_view_frag_lock(struct clo_frag *frag);
CLO_INLINE void clo_view_frag_unlock(struct clo_frag *frag);

/* Whose slots: the sender's; of what came from outside, the receiver's. */
CLO_INLINE int clo_datagram_owner(const struct clo_hook *hook,
				  const struct clo_frame *frame, int to_guest,
				  struct clo_frag_key *ret)
{
	ret->endpoint = hook->port->endpoint;
	ret->slot = to_guest ? CLO_FRAG_RECEIVED : 0;
	if (hook->port->kind != CLO_PORT_UPLINK)
		return 1;
	ret->endpoint = clo_bind_owner(hook->view, hook->port,
				       frame->tuple.family, frame->tuple.dst);
	ret->slot = CLO_FRAG_RECEIVED;
	return ret->endpoint != 0;
}

/* An entry on its way into the table, empty. */
CLO_INLINE struct clo_frag *clo_datagram_fresh(const struct clo_hook *hook)
{
	struct clo_frag *fresh = (void *)hook->work->frag;

	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->begun = hook->now;
	return fresh;
}

CLO_INLINE struct clo_frag *clo_datagram_find(const struct clo_hook *hook,
					      const struct clo_frag_key *key,
					      const struct clo_frag_id *id)
{
	struct clo_frag *frag = clo_view_frag(hook->view, key);

	if (!frag || !clo_frag_same(&frag->id, id) ||
	    frag->begun + CLO_FRAG_SECONDS * CLO_SECOND < hook->now)
		return NULL;
	return frag;
}

CLO_INLINE void clo_datagram_take(struct clo_frame *frame,
				  const struct clo_frag_head *head)
{
	frame->tuple.sport = head->sport;
	frame->tuple.dport = head->dport;
	frame->tuple.type = head->type;
}

/*
 * An entry for a datagram of which a later fragment came first, with the head
 * of the last datagram between the same two; NULL if there is none.
 */
CLO_INLINE struct clo_frag *clo_datagram_early(const struct clo_hook *hook,
					       struct clo_frag_key *key,
					       struct clo_frag *fresh)
{
	const __u32 slot = key->slot, id = fresh->id.id;
	const struct clo_frag *last;

	fresh->id.id = 0;
	key->slot = CLO_FRAG_PAIRS + (slot & CLO_FRAG_RECEIVED) +
		    clo_frag_slot(&fresh->id);
	last = clo_datagram_find(hook, key, &fresh->id);
	if (!last)
		return NULL;

	key->slot = slot;
	fresh->id.id = id;
	fresh->head = last->head;
	fresh->head.first = 0;
	if (clo_view_frag_put(hook->view, key, fresh))
		return NULL;
	return clo_view_frag(hook->view, key);
}

/* Before a fragment is judged: does it fit, and whose ports has it? */
CLO_INLINE enum clo_drop clo_datagram_before(const struct clo_hook *hook,
					     struct clo_frame *frame,
					     int to_guest)
{
	struct clo_frag *fresh = clo_datagram_fresh(hook);
	struct clo_frag_key key;
	struct clo_frag *frag;
	enum clo_drop drop;

	if (!clo_datagram_owner(hook, frame, to_guest, &key))
		return CLO_DROP_NOT_FOR_SEGMENT;
	clo_frag_id_init(frame, &fresh->id);
	key.slot += clo_frag_slot(&fresh->id);
	frag = clo_datagram_find(hook, &key, &fresh->id);
	if (!frag && frame->frag == CLO_FRAG_FIRST)
		return CLO_DROP_NONE;
	if (!frag)
		frag = clo_datagram_early(hook, &key, fresh);
	if (!frag)
		return CLO_DROP_FRAGMENT;

	clo_view_frag_lock(frag);
	drop = clo_frag_add(&frag->ranges, frame->frag_from, frame->frag_to,
			    frame->frag_last);
	clo_view_frag_unlock(frag);
	if (!drop && frame->frag == CLO_FRAG_LATER)
		clo_datagram_take(frame, &frag->head);
	return drop;
}

/* After a first fragment was judged: what becomes of the others. */
CLO_INLINE enum clo_drop clo_datagram_after(const struct clo_hook *hook,
					    const struct clo_frame *frame,
					    int to_guest, enum clo_drop drop)
{
	struct clo_frag *fresh = clo_datagram_fresh(hook);
	struct clo_frag_key key;
	struct clo_frag *frag;

	if (!clo_datagram_owner(hook, frame, to_guest, &key))
		return CLO_DROP_NOT_FOR_SEGMENT;
	clo_frag_id_init(frame, &fresh->id);
	fresh->head.sport = frame->tuple.sport;
	fresh->head.dport = frame->tuple.dport;
	fresh->head.proto = frame->tuple.proto;
	fresh->head.type = frame->tuple.type;
	fresh->head.first = 1;

	key.slot += clo_frag_slot(&fresh->id);
	frag = clo_datagram_find(hook, &key, &fresh->id);
	if (drop) {
		fresh->ranges.dead = CLO_FRAG_REFUSED;
		if (frag)
			frag->ranges.dead = CLO_FRAG_REFUSED;
		else
			(void)clo_view_frag_put(hook->view, &key, fresh);
		return drop;
	}
	if (frag) {
		frag->head = fresh->head;
	} else {
		(void)clo_frag_add(&fresh->ranges, frame->frag_from,
				   frame->frag_to, frame->frag_last);
		if (clo_view_frag_put(hook->view, &key, fresh))
			return CLO_DROP_FRAGMENT;
	}

	fresh->id.id = 0;
	key.slot = CLO_FRAG_PAIRS + (key.slot & CLO_FRAG_RECEIVED) +
		   clo_frag_slot(&fresh->id);
	(void)clo_view_frag_put(hook->view, &key, fresh);
	return CLO_DROP_NONE;
}
