/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <jansson.h>

#include "agent/core/setting.h"
#include "policy/compile.h"
#include "policy/flaw.h"
#include "policy/matrix_digest.h"
#include "policy/prove.h"

/*
 * A set of documents that was parsed, compiled and proven: what is, or could
 * be, in force. Owns the whole chain from the documents to the tables.
 */
struct clo_force {
	json_t *documents; /* [{"name":, "text":}], as received */
	json_t *held; /* their texts by SHA-256; NULL until asked for: held.h */
	time_t accepted; /* when the documents passed as current */
	time_t compiled_at;
	struct clo_policy *policy; /* may share with that of another force */
	struct clo_compiled *compiled;
	struct clo_quota *quotas; /* by key */
	size_t n_quotas;
	bool *excepted; /* by rule index */
	struct clo_proof proof;
	struct clo_proved *proved; /* what the next proof can build on */
	char matrix[CLO_MATRIX_DIGEST]; /* of what was compiled */
	double ms_parse, ms_compile, ms_prove;
};

/*
 * `before`, unless NULL, has been read and proven: only what differs is anew.
 * `accepted` is the time by which the documents are judged (an expired
 * exception is a flaw); `now` decides which exceptions are in force. They are
 * the same for new documents; a policy read back keeps the former, so that an
 * exception that ends takes its rules with it and nothing else.
 *
 * 0; -EINVAL with flaws; -EKEYREJECTED if an invariant breaks: then *ret_force
 * is filled all the same, for its proof says how, and must not be applied;
 * -EBADMSG, -ENOMEM.
 */
int clo_force_make(const struct clo_force *before, json_t *documents,
		   time_t accepted, time_t now, struct clo_force **ret_force,
		   struct clo_flaws *flaws);
void clo_force_free(struct clo_force *force);
CLO_DEFINE_FREEP(clo_force)

/* Only its first step: the documents as a policy. */
int clo_force_parse(json_t *documents, time_t accepted,
		    struct clo_policy **ret_policy, struct clo_flaws *flaws);

/* Breaches of the proof that no exception admits. */
size_t clo_force_breaches(const struct clo_force *force);

/* Keep its documents: clo_keep_save(). */
int clo_force_save(const struct clo_force *force, const char *state_dir);
/* Another was saved and did not come into force: keep this, or none if NULL. */
void clo_force_put_back(const struct clo_force *force, const char *state_dir);
/*
 * What was saved, in force as of now; *ret_force stays if nothing was. Errors
 * are logged.
 */
int clo_force_restore(const char *state_dir, struct clo_force **ret_force);
/* An exception began or ended since this was compiled. */
bool clo_force_outdated(const struct clo_force *force, time_t now);
