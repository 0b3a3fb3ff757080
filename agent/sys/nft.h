/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/base/auto.h"

/* nftables of this network namespace, by libnftables. Only nft.c uses it. */
struct clo_nft;

int clo_nft_new(struct clo_nft **ret_nft);
void clo_nft_free(struct clo_nft *nft);
CLO_DEFINE_FREEP(clo_nft)

/*
 * One transaction: all of `commands`, or nothing. -EOPNOTSUPP: the kernel does
 * not know a word of them; -ENOENT: there is no such table; else -EIO.
 */
int clo_nft_run(struct clo_nft *nft, const char *commands);
/* The same, for what a listing prints as JSON. The caller frees. */
int clo_nft_list(struct clo_nft *nft, const char *command, char **ret_json);

/* A descriptor, readable when somebody changed anything; or -errno. */
int clo_nft_watch(void);
/* Read it empty. Was a table of family bridge among what changed? */
bool clo_nft_changed(int fd);
