/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "policy/oracle_compare.h"

/*
 * The policy in force against what its documents mean, by the evaluator that
 * walks the rules (policy/oracle.h). That takes long where rules are many, so
 * it is done on a thread, which takes a tenth of one CPU at most. The thread
 * shares the documents, which nobody changes, and parses and compiles all of
 * them itself: it reads nothing that an apply could take away, and counts only
 * if it came to the same tables.
 */
struct clo_node;
struct sd_event;
struct clo_meaner; /* in the event loop */

struct clo_meaning {
	uint8_t tables[32]; /* digest of those that were compared */
	time_t at; /* 0: none yet */
	int error; /* why they could not be; 0: what follows is of them */
	uint64_t verdicts;
	uint64_t differences;
	char first[CLO_ORACLE_TEXT]; /* "": none */
	double ms; /* of CPU */
};

/* It is of the policy in force, whatever came of it. */
bool clo_meaning_known(const struct clo_node *node);

/* on_news: it became known. After clo_confine(): the thread has what it has. */
int clo_meaner_new(struct sd_event *event, struct clo_node *node,
		   void (*on_news)(void *userdata), void *userdata,
		   struct clo_meaner **ret_meaner);
/* A thread that runs is told to end, and awaited. */
void clo_meaner_free(struct clo_meaner *meaner);
