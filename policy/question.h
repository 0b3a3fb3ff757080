/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/compile.h"

/*
 * Questions about a policy, answered by enumeration over its tables: nothing
 * is sampled. One table lists them; the daemon and `cloison ask` go by it.
 */

/* What a question may be about; each reads what it needs. */
struct clo_asked {
	const struct clo_compiled *compiled;
	const char *of, *other; /* names, see below; NULL: not given */
	const char *service; /* "tcp/443"; NULL: all */
	time_t now;
	time_t within; /* seconds: exceptions that end so soon */
	/* By rule index: packets since `since`; NULL: nobody counted. */
	const uint64_t *packets;
	size_t n_packets;
	time_t since;
};

#define CLO_ANSWER_MAX 10000 /* items of a list; the rest is counted */

struct clo_question {
	const char *name;
	/*
	 * {"verdict": word, ...}, the verdict being "PROVED", "VIOLATED" or
	 * "NOT-COVERED" where the question has one; else "ANSWERED". On a bad
	 * argument: NULL and reterr_text says which; without memory, too.
	 */
	json_t *(*answer)(const struct clo_asked *asked, char reterr_text[160]);
};

extern const struct clo_question clo_questions[];
extern const size_t clo_questions_count;
const struct clo_question *clo_question_find(const char *name);

/*
 * A name is a tenant ("acme"), a scope ("acme/production"), a group, segment or
 * workload ("acme/production/web"), an endpoint ("acme/production/w/0"), a
 * workload alone, a service ("dns"), or an address or cidr, which means what is
 * outside. "group:acme/production/web" is that kind and no other.
 *
 * reach: {"of": name, "endpoints": n, "in": [line...], "out": [line...],
 * "omitted"?: lines}, line = {"from": [set...], "to": [set...], "services":
 * [...], "rules": [...]}, set as clo_named_sets_name() has it or {"kind":
 * "class", "name", "addresses"?: [ranges]}.
 * isolated: {"of", "other", "pairs": n, "verdicts": n, "flows": [line and
 * "packet"|null], "shared": [multicast], "gaps": [texts]}.
 * rules: {"rules": n, "unused": [{"rule", "file", "line", "side"}], "asleep":
 * [{...}], "shadowed": [{..., "by": [rules]}], "redundant": [{...}],
 * "neverHit"?: [{...}], "since"?, "exceptions": [{"exception", "control",
 * "notAfter", "daysLeft"}]}.
 */
