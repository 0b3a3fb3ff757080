/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "agent/attest/removal.h"
#include "agent/attest/statement.h"
#include "agent/base/auto.h"

/*
 * Do statements, in any order, make whole chains? Each boot of a node has one:
 * sequences from 0 without a hole, each with the digest of the payload before;
 * the first names the last of the boot before, which is the last of that boot
 * if any of it is here. What a signed gap says was removed may be missing.
 */
struct clo_links;

struct clo_link_of {
	const char *node, *boot; /* copied */
	const struct clo_chain_place *chain; /* as it says itself */
	const uint8_t *digest; /* 32 bytes, of its payload */
};

int clo_links_new(struct clo_links **ret_links);
void clo_links_free(struct clo_links *links);
CLO_DEFINE_FREEP(clo_links)

int clo_links_add(struct clo_links *links, const struct clo_link_of *of);
/* So many from there on were removed. */
int clo_links_remove(struct clo_links *links, const char *node,
		     const struct clo_removed *removed);
/*
 * 0: whole; -ENOENT: something is missing; -EBADMSG: two statements contradict
 * each other. With one line in ret_reason; the worse of the two.
 */
int clo_links_check(struct clo_links *links, char ret_reason[200]);
