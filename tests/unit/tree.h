/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Real images of three workloads in a tree of their own; needs root. */

#include "agent/guard/chain.h"

enum tree_who {
	WEB,
	TEST,
	OTHER,
	N_WHO
};

extern const char *const tree_names[N_WHO];

struct tree {
	const void *with; /* the test's initial state */
	char top[32]; /* "/run/clo-chain-XXXXXX" */
	char dir[N_WHO][80];
	char base[64];
	const char *bases[1];
	struct clo_profile profiles[N_WHO];
	const struct clo_profile *others[N_WHO];
	int root;
	bool running;
	struct clo_findings findings;
	struct clo_uses uses;
};

/* Good for the next three calls. */
char *tree_path(const struct tree *tree, const char *name);
void tree_run(const char **argv);
/* Its own, 0600. */
void tree_own(const struct tree *tree, const char *name, enum tree_who who);
/* An image of a workload's; `backing` as it is to be written. */
void tree_make(const struct tree *tree, const char *name, enum tree_who who,
	       const char *format, const char *backing);
int tree_set_up(void **state);
int tree_tear_down(void **state);
void tree_look_at(struct tree *tree, enum tree_who who, const char *disk,
		  enum clo_image_format format, bool writable);
