/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/flaw.h"
#include "policy/model.h"
#include "policy/tables.h"

/*
 * Model -> tables, with the names that the kernel does not need. The indices
 * are those of the tables.
 */

struct clo_identity_name {
	char *name; /* "acme/production/front{web,db}" or "external 10.0.0.0/8" */
	char *scope; /* "acme/production", or NULL for external classes */
	char *group; /* "web,db": groups only, "" for none; NULL for external */
};

/* Service class c: which (protocol, numbers) it is, and one of them. */
struct clo_class_name {
	char *name; /* "tcp/443", "udp/5000-5100", "icmp", "other" */
	uint8_t proto; /* a representative that really is in the class */
	uint16_t number;
};

#define CLO_CLASSES_MAX 16384U

/* What a rule is to the tables. */
enum clo_rule_use {
	CLO_RULE_MET =
		1 << 0, /* some pair of identities is between its sides */
	CLO_RULE_OWNS = 1 << 1, /* some bit is its: no earlier rule grants it */
	CLO_RULE_NEEDED = 1 << 2, /* some bit is granted by no other rule */
};

struct clo_compiled {
	const struct clo_policy *policy; /* borrowed */
	time_t now; /* which exceptions are in force */
	struct clo_tables *tables;
	struct clo_identity_name *identities; /* gen.identities, [0] unused */
	struct clo_class_name *classes; /* gen.classes */
	const struct clo_rule_doc **rules; /* gen.rules, [0] NULL */
	/*
	 * By rule index: the exception in force (not_before <= now < not_after)
	 * that lists the rule and, if the rule breaks an invariant, is one to
	 * that invariant's control. NULL: not excepted.
	 */
	const struct clo_exception_doc **excepted;
	uint8_t *uses; /* by rule index: of enum clo_rule_use */
};

/*
 * A rule that only exceptions list which are not in force at `now` keeps its
 * index and sets no bit: it comes and goes with its exception. A flow from one
 * external class to another touches no endpoint and is never compiled.
 *
 * 0, -EINVAL with flaws (too many classes, id collision, ...) or -ENOMEM. The
 * policy must outlive the result.
 */
int clo_compile(const struct clo_policy *policy, time_t now,
		struct clo_compiled **ret_compiled, struct clo_flaws *flaws);
void clo_compiled_free(struct clo_compiled *compiled);
CLO_DEFINE_FREEP(clo_compiled)

/* The flags that the identities of the tenant's endpoints have. */
uint8_t clo_tenant_flags(const struct clo_tenant_doc *tenant);
