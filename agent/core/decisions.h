/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/core/enumerate.h"

/*
 * The decision code over the tables in force, behind all that is answered: an
 * apply and an audit do not wait for it. It is asked from the event loop, a
 * page at a time, and anew where other tables come into force meanwhile; of
 * the same tables again as often as it is cheap. Until that is done nothing
 * is said to be proven of them.
 */
struct clo_node;
struct sd_event;
struct clo_decider; /* in the event loop */

struct clo_decisions {
	struct clo_enumeration last; /* that ended; epoch 0: none yet */
	struct clo_enumerating *now; /* NULL: none is under way */
	uint64_t asked; /* epoch of the last that ended or failed */
	int error; /* why it failed; 0: it is `last` */
	unsigned int failures; /* in a row: something wrong, or failed */
	double due; /* clo_milliseconds(): the same tables again */
	bool news; /* of other tables, or bad: not told yet */
};

/* There is something to ask, or to tell. */
bool clo_decisions_are_due(const struct clo_node *node);
/* Pages for about so long, or until it is done. */
void clo_decisions_some(struct clo_node *node, double ms);
/* Until what is due is done: for who asks for a proof. */
void clo_decisions_finish(struct clo_node *node);
/* Nothing was asked of these tables. Before what they belong to goes. */
void clo_decisions_forget(struct clo_node *node);

/* Is that enumeration of the tables in force? 0: of others, or none. */
bool clo_decisions_known(const struct clo_node *node, uint64_t epoch);

/* on_news: one ended that an audit should tell of. */
int clo_decider_new(struct sd_event *event, struct clo_node *node,
		    void (*on_news)(void *userdata), void *userdata,
		    struct clo_decider **ret_decider);
void clo_decider_free(struct clo_decider *decider);
