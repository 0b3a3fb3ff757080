/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/beats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/verify_impl.h"
#include "agent/base/auto.h"

static bool is_authentic(const struct clo_verify_result *result,
			 enum clo_kind kind)
{
	return result->exit != CLO_VERIFY_NOT_AUTHENTIC && result->kind == kind;
}

static int by_digest(const void *a, const void *b)
{
	const struct clo_verify_result *const *x = a, *const *y = b;

	return memcmp((*x)->digest, (*y)->digest, sizeof((*x)->digest));
}

/* The first whose digest is not less. */
static size_t find(struct clo_verify_result *const *statements, size_t n,
		   const uint8_t digest[32])
{
	size_t from = 0;

	while (from < n) {
		size_t middle = from + (n - from) / 2;

		if (memcmp(statements[middle]->digest, digest, 32) < 0)
			from = middle + 1;
		else
			n = middle;
	}
	return from;
}

/* One of another node, boot or scope may name what it likes. */
static bool names(const struct clo_verify_result *beat,
		  const struct clo_verify_result *statement)
{
	return memcmp(beat->named, statement->digest, sizeof(beat->named)) ==
		       0 &&
	       memcmp(beat->place, statement->place, sizeof(beat->place)) == 0;
}

static void settle_beat(struct clo_verify_result *beat,
			const struct clo_verify_result *statement,
			const struct clo_verify_options *options)
{
	if (beat->verdict != statement->verdict)
		clo_verify_conclude(beat, CLO_VERIFY_NOT_AUTHENTIC,
				    "it says %s of a statement that says %s",
				    clo_verdict_text(beat->verdict),
				    clo_verdict_text(statement->verdict));
	else if (beat->lacks_statement)
		clo_verify_conclude(beat, CLO_VERIFY_PASSED,
				    "its statement held, %lld s ago",
				    (long long)(options->now - beat->time));
}

static void settle_statement(struct clo_verify_result *statement,
			     const struct clo_verify_result *beat,
			     const struct clo_verify_options *options)
{
	if (statement->exit == CLO_VERIFY_INCONCLUSIVE && statement->stale &&
	    statement->verdict == CLO_PASSED && beat->exit == CLO_VERIFY_PASSED)
		clo_verify_conclude(statement, CLO_VERIFY_PASSED,
				    "passed; a heartbeat said so %lld s ago",
				    (long long)(options->now - beat->time));
}

int clo_beats_settle(struct clo_verify_result *const *results, size_t n,
		     const struct clo_verify_options *options)
{
	CLO_AUTO_MEM struct clo_verify_result **statements =
		calloc(n + 1, sizeof(struct clo_verify_result *));
	size_t n_statements = 0;

	if (!statements)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (is_authentic(results[i], CLO_KIND_ISOLATION))
			statements[n_statements++] = results[i];
	qsort(statements, n_statements, sizeof(struct clo_verify_result *),
	      by_digest);
	for (size_t i = 0; i < n; i++) {
		struct clo_verify_result *beat = results[i];

		if (!is_authentic(beat, CLO_KIND_HEARTBEAT))
			continue;
		for (size_t k = find(statements, n_statements, beat->named);
		     k < n_statements && names(beat, statements[k]); k++) {
			settle_beat(beat, statements[k], options);
			settle_statement(statements[k], beat, options);
		}
	}
	return 0;
}
