/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the confinement*.c files share. Nobody else includes this. */

#include "agent/guard/confinement.h"
#include "agent/guard/tell.h"

/* The numbers that a directory has for names. */
struct clo_listing {
	size_t n;
	bool cut; /* there are more than `max` */
	int numbers[];
};

/* -ENOMEM, or another -errno. */
int clo_listing_new(int dirfd, const char *name, size_t max,
		    struct clo_listing **ret_listing);
void clo_listing_free(struct clo_listing *listing);
CLO_DEFINE_FREEP(clo_listing)

/* The text of a link, to free; -ENAMETOOLONG, -ENOMEM or another -errno. */
int clo_link_read(int dirfd, const char *name, char **ret_text);

/* What it has open, of /proc/PID; -EFBIG: more than is read. */
int clo_held_read(int dirfd, struct clo_confinement *confinement);
/* Whose each is, and whether it may be had. */
void clo_held_check(const struct clo_confinement *confinement,
		    const struct clo_confinement_rule *rule, const char *where,
		    struct clo_tell *tell);
