/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a tagged task tries, and what it must be able to do: bpf/tags.c. */

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define FIRST 64900U
#define OURS (FIRST + 1) /* the attacker's */
#define THEIRS (FIRST + 2)

extern struct tagged {
	char dir[32]; /* 0777 and root's */
	const char *mount; /* a directory to mount on */
	pid_t victim; /* THEIRS */
	int listener; /* its */
	int pair[2]; /* from the host to the child */
} tagged;

enum {
	AS_ROOT = 1, /* root in the tenant's cgroup */
	AS_USER = 2, /* the tenant's user, in no cgroup of its */
	AS_BOTH = AS_ROOT | AS_USER,
};

struct attempt {
	const char *name;
	long (*run)(void);
	unsigned int as;
	const char *sent; /* a file that the host sends it */
	int flags;
};

extern const struct attempt tagged_attacks[];
extern const size_t tagged_n_attacks;
extern const struct attempt tagged_lawful[];
extern const size_t tagged_n_lawful;

/* In the directory; good for the next three calls. */
const char *tagged_at(const char *name);
struct sockaddr_un tagged_address(void); /* where the victim listens */
