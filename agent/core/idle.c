/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

struct clo_idle {
	const struct clo_idle_work *work;
	void *userdata;
	sd_event_source *post; /* looks, after anything has happened */
	sd_event_source *turn; /* works, while there is something to do */
};

static int on_turn(sd_event_source *source, void *userdata)
{
	struct clo_idle *idle = userdata;

	idle->work->turn(idle->userdata);
	return idle->work->is_due(idle->userdata)
		       ? 0
		       : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int on_post(sd_event_source *source, void *userdata)
{
	struct clo_idle *idle = userdata;

	(void)source;
	return idle->work->is_due(idle->userdata)
		       ? sd_event_source_set_enabled(idle->turn, SD_EVENT_ON)
		       : 0;
}

int clo_idle_new(struct sd_event *event, const struct clo_idle_work *work,
		 void *userdata, struct clo_idle **ret_idle)
{
	struct clo_idle *idle = calloc(1, sizeof(*idle));
	int r;

	if (!idle)
		return -ENOMEM;
	idle->work = work;
	idle->userdata = userdata;
	r = sd_event_add_post(event, &idle->post, on_post, idle);
	if (r >= 0)
		r = sd_event_add_defer(event, &idle->turn, on_turn, idle);
	if (r >= 0)
		r = sd_event_source_set_priority(idle->turn,
						 SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(idle->turn, SD_EVENT_OFF);
	if (r < 0) {
		clo_idle_free(idle);
		return r;
	}

	*ret_idle = idle;
	return 0;
}

void clo_idle_free(struct clo_idle *idle)
{
	if (!idle)
		return;

	sd_event_source_disable_unref(idle->post);
	sd_event_source_disable_unref(idle->turn);
	free(idle);
}
