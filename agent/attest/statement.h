/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "agent/base/auto.h"

/*
 * in-toto Statement v1 with predicate isolation/v1: pure values -> JSON, and
 * the rules for its verdict, which build and verify share.
 *
 * {"_type": "https://in-toto.io/Statement/v1",
 *  "subject": [{"name": "node/<node>" or "scope/<tenant>/<env>",
 *               "digest": {"sha256": tables digest as read back, hex}}],
 *  "predicateType": "https://cloison.example/isolation/v1",
 *  "predicate": {
 *    "node": {"name":, "bootId":, "kernel":, "agent": version},
 *    "scope": "acme/production" or null (the node's own statement),
 *    "chain": {"sequence": n, "previous": sha256 hex of the previous
 *              record's payload in this boot, or null at 0,
 *              "previousBoot": at 0 only: {"bootId":, "sequence":, "digest":}
 *              of the last record before this boot in the node's log, or null
 *              if this is its first},
 *    "time": RFC 3339 UTC, "period": seconds until the scope's next statement
 *              or heartbeat is due,
 *    "nonce": hex or null, "trigger": "apply"|"period"|"start"|"request"|
 *             "event"|"repair"|"stop",
 *    "key": {"id":, "protection": "file" or "tpm"},
 *    "quote": as in node_key.h, of this key, boot, epoch and nonce, where it
 *             is due: an epoch's first, and for each nonce,
 *    "policy": {"digest":, "epoch":, "attached": "tcx"|"clsact",
 *      "matrix"?: "sha256:..." of the flow matrix, while the tables are its},
 *    "programs": [{"name":, "id":, "tag":, "xlated": sha256, "asBuilt":}],
 *    "tables": {"<table>": sha256 as read back, ...},
 *    "proof": {...clo_explain_proof..., and of the node: "readMs":, "proveMs":,
 *              "documents": null or {"verdicts":, "differences":, "first": text
 *              or null, "ms":, "time":} when the compiled tables were compared
 *              with what the documents mean; null until they were,
 *              "decided": null or {"epoch":, "pairs":, "classes":, "verdicts":,
 *              "allowed":, "slots":, "wrong":, "ms":, "time":, "witness"?:
 *              clo_explain_contradiction() of what is wrong} when the decision
 *              code in the kernel was last asked all it can be; null until it
 *              was of the tables of this epoch,
 *              "packetKinds": null or {"kinds":, "run":, "right":, "wrong":,
 *              "taps":, "alike": taps that one of these stands for,
 *              "notCovered": ["kind: why"], "ms":, "time":} of the last run,
 *              "flows": null or {"epoch":, "walked": tracked flows, "kept": of
 *              before that are still allowed, "ended": that are not, "done":,
 *              and when it is: "ms": since the change of tables, "time":}},
 *    "coverage": {"expected": n, "observed": n, "complete": bool,
 *                 "sources": ["libvirt", "rtnetlink"], "missing": [names]},
 *    "controls": [{"id":, "result": "PASS"|"FAIL"|"INCONCLUSIVE"|
 *                  "NOT-ASSESSED", "mandatory": bool, "excepted": bool,
 *                  "method": how it was measured, "detail": one line,
 *                  "evidence": any}],
 *    "gaps": [{"from":, "to": or null while open, "reason":}],
 *    "platform": [{"fact":, "state": "verified"|"contradicted"|
 *                  "not observable", "value":, "source":}],
 *    "verdict": "PASSED"|"FAILED"|"INCONCLUSIVE"}}
 */
#define CLO_STATEMENT_TYPE "https://in-toto.io/Statement/v1"

#define CLO_BOOT_ID_MAX 256 /* bytes, with its 0 */

/* The kinds of records, as the log and the predicates name them. */
enum clo_kind {
	CLO_KIND_ISOLATION,
	CLO_KIND_VIOLATION,
	CLO_KIND_HEARTBEAT,
	CLO_KIND_NODE_KEY, /* node_key.h */
	CLO_KIND_POLICY_ACK,
	CLO_KIND_GAP,
	CLO_KINDS, /* none of them */
};

struct clo_kind_facts {
	const char *name; /* "isolation/v1" */
	const char *type; /* of its predicate */
	bool stands; /* it holds for its scope until the next that does */
	bool event; /* in the stream, not an attestation */
	bool lasting; /* no age and no want of space removes it */
};

extern const struct clo_kind_facts clo_kinds[CLO_KINDS];

/* NULL is the name of none. */
enum clo_kind clo_kind_of_name(const char *name);
enum clo_kind clo_kind_of_type(const char *type);

/*
 * violation/v1:
 * At once, when an audit finds what the one before did not: of the members above
 * node, scope, chain, time, period, nonce (null), trigger, key, verdict
 * ("FAILED"), and "violations": [{"control":, "detail": one line}], not empty.
 */

/*
 * policy-ack/v1:
 * What became of a policy bundle (policy_bundle.h) that its signature vouches
 * for: of the members above node, scope (null), chain, time, period, nonce
 * (null), key, and "bundle": {"revision":, "digest": sha256 of its payload},
 * "outcome": as below, "reason": one line, "policy": {"digest": or null,
 * "epoch":} of the tables that are in force after it, as read back, "verdict":
 * "PASSED" if it was applied, else "FAILED".
 */
enum clo_outcome {
	CLO_OUTCOME_APPLIED,
	CLO_OUTCOME_REFUSED, /* by the parser or the prover; nothing changed */
	CLO_OUTCOME_FAILED, /* nothing changed; it is tried again */
	CLO_OUTCOME_REPLAYED, /* not the newest that was seen: a violation */
	CLO_OUTCOME_FOREIGN, /* for another node */
	CLO_OUTCOME_EXPIRED,
	CLO_OUTCOME_OVERRIDDEN, /* it was in force; an operator has ended that */
	CLO_OUTCOMES, /* none of them */
};

const char *clo_outcome_text(enum clo_outcome outcome);
enum clo_outcome clo_outcome_of(const char *text); /* NULL is none */

enum clo_verdict_word {
	CLO_PASSED,
	CLO_FAILED,
	CLO_INCONCLUSIVE,
};

/*
 * heartbeat/v1: an audit found what the last statement of the scope says; it
 * still holds at this time. Of the members above node, scope, chain, time,
 * period, nonce (null), key, verdict (the statement's), and "statement":
 * {"sequence": in this boot, "digest": sha256 hex of its payload}.
 */

/*
 * gap/v1: what there is no attestation of. Of the members above node, scope,
 * chain, time, period, nonce (null), key, verdict ("INCONCLUSIVE"), and "gap":
 *   {"kind": "unwatched", "from":, "to": or null while open, "reason":}
 * nobody watched: once when it is known, and of one that was open once more
 * when it is over; of the node and of each scope, as each is concerned; or, of
 * the node alone,
 *   {"kind": "removed", "from":, "to": times of the first and the last of them,
 *    "reason": "retention"|"space", "count": n, "digest": sha256 hex of their
 *    entries' hashes in the log's tree, one after the other,
 *    "removed": [{"bootId":, "sequence": the first's, "entry": its index in the
 *                 tree, "count": n}], in the order of the log}
 * records that were removed from the log with this one's commit; what comes
 * after the first of each follows it in its boot.
 */

/* A record's place in its boot, and at 0 what was there before the boot. */
struct clo_chain_place {
	uint64_t sequence;
	uint8_t previous[32]; /* unless sequence is 0 */
	char boot_id[CLO_BOOT_ID_MAX]; /* of the boot before; "": none */
	uint64_t boot_sequence; /* of its last record, as its digest */
	uint8_t boot_digest[32];
};

/* The member "chain"; NULL without memory. */
json_t *clo_chain_place_make(const struct clo_chain_place *chain);
/* -EBADMSG: no such member. boot_id is filled where previousBoot is given. */
int clo_chain_place_read(const json_t *json, struct clo_chain_place *ret_chain);

const char *clo_verdict_text(enum clo_verdict_word verdict);

/*
 * The verdict that a predicate's own members make: FAILED if a mandatory
 * control reads FAIL; PASSED if every mandatory control reads PASS, at least
 * one control is mandatory, coverage is complete (expected = observed) and no
 * gap is open; INCONCLUSIVE else. -EBADMSG if a member is missing or of the
 * wrong shape.
 */
int clo_statement_verdict(const json_t *predicate,
			  enum clo_verdict_word *ret_verdict);

/*
 * Wrap a finished predicate (without "verdict"; it is computed and set here)
 * into a statement and give its canonical text: jansson, JSON_COMPACT |
 * JSON_SORT_KEYS. Takes nothing; caller frees *ret_text.
 */
int clo_statement_seal(json_t *predicate, const char *subject,
		       const uint8_t tables_digest[32], char **ret_text,
		       enum clo_verdict_word *ret_verdict);

/* The same for any predicate that is whole. */
int clo_statement_wrap(json_t *predicate, enum clo_kind kind,
		       const char *subject, const uint8_t tables_digest[32],
		       char **ret_text);

/* RFC 3339 UTC, seconds: "2026-01-02T03:04:05Z". */
void clo_time_format(time_t t, char ret_text[21]);
int clo_time_parse(const char *text, time_t *ret_time); /* -EINVAL */
