/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a process that carries the log waits for: its end, and more log. */
struct clo_wait {
	int end, changes; /* signalfd, inotify on the log */
	int hints; /* eventfd: whatever else may be news; the user's to write */
};

/* Before any thread is made: they inherit the blocked signals. */
int clo_wait_begin(const char *log, struct clo_wait *ret_wait);
void clo_wait_done(const struct clo_wait *wait);

/*
 * Until there may be more in the log or a hint (if that is asked for), or the
 * time is over. True: the end.
 */
bool clo_wait_for(const struct clo_wait *wait, int milliseconds, bool news);

/* Milliseconds before try number `attempt`, from 0: 0.5 s to 60 s, of it the
 * half by chance. */
unsigned int clo_wait_delay(unsigned int attempt, uint32_t chance);
uint32_t clo_wait_chance(void);
/* Before the next try. True: the end. */
bool clo_wait_retry(const struct clo_wait *wait, unsigned int attempt);
