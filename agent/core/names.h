/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/auto.h"
#include "policy/compile.h"

/*
 * What the numbers in events and connections mean: names of the last policies,
 * by epoch. Copies, so that an event may be read after its policy is gone.
 */
struct clo_names;

struct clo_endpoint_name {
	uint32_t id;
	uint32_t tenant_len; /* "acme" of "acme/production/web/0" */
	uint32_t scope_len; /* "acme/production" */
	char *name;
};

int clo_names_new(struct clo_names **ret_names); /* 0 or -ENOMEM */
void clo_names_free(struct clo_names *names);
CLO_DEFINE_FREEP(clo_names)

/* The policy in force from `epoch` on; 0 or -ENOMEM, then nothing changes. */
int clo_names_add(struct clo_names *names, const struct clo_compiled *compiled,
		  uint64_t epoch);
/* Of the newest policy; 0: none yet. */
uint64_t clo_names_epoch(const struct clo_names *names);

/* Ids are the same in all policies. NULL: outside, or not known. */
const struct clo_endpoint_name *
clo_names_endpoint(const struct clo_names *names, uint32_t id);
/* "acme/production/web-to-db"; NULL: none, or that epoch is not known. */
const char *clo_names_rule(const struct clo_names *names, uint64_t epoch,
			   uint32_t rule);

/* `name` is `prefix` or lies below it: whole parts between '/'. */
bool clo_name_under(const char *name, const char *prefix);
/* Endpoints of the newest policy below `prefix`. */
size_t clo_names_count(const struct clo_names *names, const char *prefix);
