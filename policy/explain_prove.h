/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "policy/contradiction.h"
#include "policy/prove_levels.h"
#include "policy/prove_selftest.h"
#include "policy/witness_frame.h"

/*
 * Proofs as JSON, the shapes of `cloison prove --json`. NULL only without
 * memory.
 */

/*
 * clo_explain_breach with {"fields": {"sourceMac", "destinationMac", "source",
 * "destination", "protocol", "sourcePort"|"type", "destinationPort"}, "hex",
 * "scapy", "replay": "passes"|"unreached"|"differs", "attached": "passes"|
 * "drops"|null, "reason"}; without a packet all of them but replay and reason
 * are null, and it is not replayed. Where the attached program was asked, it
 * has the last word.
 */
json_t *clo_explain_witness(const struct clo_proving *proving,
			    const struct clo_breach *breach,
			    enum clo_replay *ret_replay);

/*
 * {"fields", "hex", "scapy"} of a witness that has a family; *ret_frame is
 * that frame.
 */
json_t *clo_explain_frame(const struct clo_policy *policy,
			  const struct clo_witness *witness,
			  struct clo_witness_frame *ret_frame);

/*
 * What the decision code in the kernel was found to say against the policy:
 * {"from", "to", "service", "kernel": "allowed"|"denied", "policy": the same,
 * "packet": as of a breach, and like there "fields", "hex", "scapy",
 * "attached", "reason", "replay": "reproduces"|"differs": what the program that
 * is attached now does with the frame, "unreached": no frame asks for it,
 * "not run": there is no program to ask}; without a packet all of them but
 * replay and reason are null.
 */
json_t *
clo_explain_contradiction(const struct clo_proving *proving,
			  const struct clo_contradiction *contradiction);

/*
 * {"name", "question", "verdict", "counts": what, "lookedAt", "wrong",
 *  "text": or null, "ms", "differences": [clo_explain_difference],
 *  "proof": null or {"identities", "pairs", "classes", "allowed",
 *  "invariants": [{"number", "name", "control", "verdict", "forbidden",
 *  "broken", "excepted", "gap": or null}]}, "witnesses": [...]}
 *
 * A witness whose replay differs makes the verdict ERROR.
 */
json_t *clo_explain_level(const struct clo_proving *proving,
			  const struct clo_level *level,
			  const struct clo_leveled *leveled, double ms,
			  enum clo_proven *ret_proven);

/*
 * Each level of prove_levels.h that applies, run and explained, as an array;
 * the worst verdict of all. clock: milliseconds, from whenever.
 */
json_t *clo_explain_levels(const struct clo_proving *proving,
			   double (*clock)(void), enum clo_proven *ret_proven);

/*
 * {"passed": all that was planted was found, "planted", "found", "plants":
 * [{"name", "result": "found"|"missed"|"no place", "text"}]}
 */
json_t *clo_explain_selftest(const struct clo_selftest *selftest);
