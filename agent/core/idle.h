/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * Long work of the event loop, done in turns while nothing else is to be done:
 * after whatever has happened it is asked whether some is due.
 */
struct sd_event;
struct clo_idle;

struct clo_idle_work {
	bool (*is_due)(void *userdata);
	void (*turn)(void *userdata); /* as much as others may wait for */
};

/* work is borrowed. */
int clo_idle_new(struct sd_event *event, const struct clo_idle_work *work,
		 void *userdata, struct clo_idle **ret_idle);
void clo_idle_free(struct clo_idle *idle);
