/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/key.h"

/* The public test keys 1 to 3 of RFC 8032, 7.1: the same in every run. */
#define FIXTURE_KEY_1                                                          \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
#define FIXTURE_KEY_2                                                          \
	"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7"
#define FIXTURE_KEY_3                                                          \
	"MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3"

/* Load one of them through a file that is gone when this returns. */
static inline struct clo_key *fixture_key(const char *base64)
{
	char path[] = "/tmp/clo-fixture-XXXXXX";
	struct clo_key *key = NULL;
	int fd = mkstemp(path);
	int n;
	int r;

	assert(fd >= 0);
	n = dprintf(fd,
		    "-----BEGIN PRIVATE KEY-----\n"
		    "%s\n"
		    "-----END PRIVATE KEY-----\n",
		    base64);
	close(fd);
	assert(n > 0);
	r = clo_key_load(path, &key);
	(void)unlink(path);
	assert(r == 0);
	return key;
}
