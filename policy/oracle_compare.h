/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/compile.h"
#include "policy/prove.h"

/*
 * Tables against what the documents mean: every (pair, service class) of them,
 * with the owner of each bit, against policy/oracle.h. One packet of each class
 * stands for all only if classes are right, so that is shown first: every
 * address of every endpoint, and every block outside that the policy or the
 * tables tell apart, must be meant by the same rules as its identity; and every
 * range of ports that either tells apart must be served by the same rules as
 * its class. Multicast groups are no flows and are left to the compiler.
 */

#define CLO_ORACLE_TEXT 400

struct clo_oracle_difference {
	char text[CLO_ORACLE_TEXT]; /* one line */
	/*
	 * A packet that shows it, judged by the documents and by the tables;
	 * what the tables say of a class that no packet has shows in the text.
	 */
	bool has_packet;
	struct clo_witness packet;
	bool meant, allowed; /* by the documents; by the tables */
	const struct clo_rule_doc *meant_by, *allowed_by; /* or NULL */
};

struct clo_oracle_report {
	uint64_t rules; /* that are not asleep */
	uint64_t parties; /* addresses and blocks, each with its identity */
	uint64_t ranges; /* of services, each with its class */
	uint64_t identities; /* with a party; the others meet no packet */
	uint64_t classes;
	uint64_t pairs; /* identities squared */
	uint64_t verdicts; /* pairs x classes, each bit and its owner */
	uint64_t allowed; /* of them */
	uint64_t differences; /* of all that was compared */
	struct clo_oracle_difference first;
};

/*
 * The tables may be those of `compiled` or others that should be like them.
 * `now` as when they were compiled. Returns 0, also with differences, or
 * -ENOMEM.
 */
int clo_oracle_compare(const struct clo_compiled *compiled,
		       const struct clo_tables *tables, time_t now,
		       struct clo_oracle_report *ret_report);

/*
 * Where it may not take all of a CPU: asked again and again, `wait` may take
 * its time, and ends the comparison by a negative return, which is passed on.
 */
struct clo_oracle_pace {
	int (*wait)(void *userdata); /* NULL: at full speed */
	void *userdata;
};

int clo_oracle_compare_paced(const struct clo_compiled *compiled,
			     const struct clo_tables *tables, time_t now,
			     const struct clo_oracle_pace *pace,
			     struct clo_oracle_report *ret_report);

/*
 * {"rules", "parties", "ranges", "identities", "classes", "pairs", "verdicts",
 * "allowed", "differences": counts, "first": null or {"text", "packet": as in
 * breaches or null, "documents": "allow"|"deny", "tables":, "documentsRule":
 * name or null, "tablesRule":}}. NULL without memory.
 */
json_t *clo_oracle_explain(const struct clo_oracle_report *report);
