/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Blocks in the state directory that are held for the time when the disk is
 * full: for the next policy, and for the log when a daemon starts.
 */

/* At least so many bytes, beside what is always held; as far as there are. */
void clo_reserve_hold(const char *state_dir, size_t size);
/*
 * clo_file_replace() with them if need be; then twice as much is held as this
 * took.
 */
int clo_reserve_replace(const char *state_dir, const char *name,
			const char *text);
/* Give them back; false: there were none. */
bool clo_reserve_drop(const char *state_dir);
