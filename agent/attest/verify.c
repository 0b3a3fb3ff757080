/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/verify.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/attest/dsse.h"
#include "agent/attest/json.h"
#include "agent/attest/sha256.h"
#include "agent/attest/verify_impl.h"
#include "agent/base/hex.h"
#include "policy/controls.h"

#define PAYLOAD_DEPTH 64
#define NONCE_MAX 128
#define PERIOD_MAX (31L * 24 * 3600)
#define CLOCK_SKEW 300 /* seconds that two honest clocks may be apart */

void clo_verify_conclude(struct clo_verify_result *result,
			 enum clo_verify_exit exit, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(result->reason, sizeof(result->reason), fmt, args);
	va_end(args);
	for (char *c = result->reason; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	result->exit = exit;
}

int clo_verify_reject(struct clo_verify_result *result, const char *what)
{
	clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC,
			    "signed, but not a sound statement: %s", what);
	return -EBADMSG;
}

static bool is_nonce(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > NONCE_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* The verdict must be the one that the members make. */
static int read_verdict(struct clo_claims *claims,
			struct clo_verify_result *result)
{
	const char *stated = text_of(claims->predicate, "verdict");

	if (clo_statement_verdict(claims->predicate, &claims->verdict) < 0)
		return clo_verify_reject(result, "controls, coverage or gaps");
	if (!stated)
		return clo_verify_reject(result, "verdict");
	if (strcmp(stated, clo_verdict_text(claims->verdict)) != 0) {
		clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC,
				    "it says %s, its members make %s", stated,
				    clo_verdict_text(claims->verdict));
		return -EBADMSG;
	}
	return 0;
}

static const json_t *find_control(const json_t *predicate, const char *id)
{
	const json_t *controls = json_object_get(predicate, "controls");

	for (size_t i = 0; i < json_array_size(controls); i++) {
		const json_t *control = json_array_get(controls, i);

		if (!strcmp(text_of(control, "id"), id))
			return control;
	}
	return NULL;
}

/*
 * A statement cannot pass by leaving out what would fail: what the catalogue
 * calls mandatory is mandatory wherever it appears, and a node's statement
 * carries all of it.
 */
static int check_catalogue(const struct clo_claims *claims,
			   struct clo_verify_result *result)
{
	bool of_node =
		json_is_null(json_object_get(claims->predicate, "scope"));

	for (size_t i = 0; i < clo_controls_count; i++) {
		const char *id = clo_controls[i].id;
		const json_t *control;

		if (!clo_controls[i].mandatory)
			continue;
		control = find_control(claims->predicate, id);
		if (!control && !of_node)
			continue;
		if (json_is_true(json_object_get(control, "mandatory")))
			continue;
		clo_verify_conclude(result, CLO_VERIFY_NOT_AUTHENTIC,
				    "mandatory control %s is %s", id,
				    control ? "not marked so" : "missing");
		return -EBADMSG;
	}
	return 0;
}

static int read_isolation(struct clo_claims *claims,
			  struct clo_verify_result *result)
{
	int r = read_verdict(claims, result);

	return r < 0 ? r : check_catalogue(claims, result);
}

/* The first mandatory control that failed, or that at least did not pass. */
static const json_t *first_bad(const json_t *predicate, bool failed)
{
	const json_t *controls = json_object_get(predicate, "controls");

	for (size_t i = 0; i < json_array_size(controls); i++) {
		const json_t *control = json_array_get(controls, i);
		const char *text = text_of(control, "result");
		bool bad = failed ? strcmp(text, "FAIL") == 0
				  : strcmp(text, "PASS") != 0;

		if (bad && json_is_true(json_object_get(control, "mandatory")))
			return control;
	}
	return NULL;
}

static void conclude_control(const json_t *control, enum clo_verify_exit exit,
			     struct clo_verify_result *result)
{
	const char *detail = text_of(control, "detail");

	clo_verify_conclude(result, exit, "%s reads %s: %s",
			    text_of(control, "id"), text_of(control, "result"),
			    detail ? detail : "-");
}

static void conclude_inconclusive(const struct clo_claims *claims,
				  struct clo_verify_result *result)
{
	const json_t *coverage = json_object_get(claims->predicate, "coverage");
	const json_t *control = first_bad(claims->predicate, false);

	if (control)
		conclude_control(control, CLO_VERIFY_INCONCLUSIVE, result);
	else if (json_is_false(json_object_get(coverage, "complete")))
		clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
				    "coverage: %lld of %lld observed",
				    json_integer_value(json_object_get(
					    coverage, "observed")),
				    json_integer_value(json_object_get(
					    coverage, "expected")));
	else
		clo_verify_conclude(
			result, CLO_VERIFY_INCONCLUSIVE,
			"a gap is open, or no control is mandatory");
}

static void conclude_isolation(const struct clo_claims *claims, int64_t age,
			       struct clo_verify_result *result)
{
	if (claims->verdict == CLO_FAILED)
		conclude_control(first_bad(claims->predicate, true),
				 CLO_VERIFY_FAILED, result);
	else if (claims->verdict == CLO_INCONCLUSIVE)
		conclude_inconclusive(claims, result);
	else
		clo_verify_conclude(result, CLO_VERIFY_PASSED,
				    "%s passed, %lld s ago", claims->subject,
				    (long long)age);
}

/* NULL: no statement of that kind is verified here. */
static const struct clo_kind_reader *kind_reader(enum clo_kind kind)
{
	static const struct clo_kind_reader isolation = {read_isolation,
							 conclude_isolation};

	if (kind == CLO_KIND_ISOLATION)
		return &isolation;
	return kind < CLO_KINDS && clo_kind_readers[kind].read
		       ? &clo_kind_readers[kind]
		       : NULL;
}

static int read_frame(const json_t *statement, struct clo_claims *claims,
		      struct clo_verify_result *result)
{
	const json_t *subjects = json_object_get(statement, "subject");
	const json_t *subject = json_array_get(subjects, 0);
	const char *type = text_of(statement, "_type");

	if (!type || strcmp(type, CLO_STATEMENT_TYPE) != 0)
		return clo_verify_reject(result, "_type");
	claims->kind = clo_kind_of_type(text_of(statement, "predicateType"));
	if (!kind_reader(claims->kind))
		return clo_verify_reject(result, "predicateType");

	claims->subject = text_of(subject, "name");
	if (json_array_size(subjects) != 1 || !claims->subject ||
	    !is_digest(text_of(json_object_get(subject, "digest"), "sha256")))
		return clo_verify_reject(result, "subject");

	claims->predicate = json_object_get(statement, "predicate");
	if (!json_is_object(claims->predicate))
		return clo_verify_reject(result, "predicate");
	return 0;
}

/* The signed subject must be the node or scope that the members speak of. */
static int check_place(const struct clo_claims *claims,
		       struct clo_verify_result *result)
{
	const json_t *node = json_object_get(claims->predicate, "node");
	const json_t *scope = json_object_get(claims->predicate, "scope");
	const char *name = text_of(node, "name");
	const char *boot_id = text_of(node, "bootId");
	const char *subject = claims->subject;
	const char *prefix = json_is_null(scope) ? "node/" : "scope/";
	const char *of = json_is_null(scope) ? name : json_string_value(scope);

	if (!name || !name[0] || !boot_id || !boot_id[0])
		return clo_verify_reject(result, "node");
	if (!of || !of[0])
		return clo_verify_reject(result, "scope");
	if (strncmp(subject, prefix, strlen(prefix)) != 0 ||
	    strcmp(subject + strlen(prefix), of) != 0)
		return clo_verify_reject(result,
					 "subject is not what it speaks of");
	return 0;
}

static int check_chain(const struct clo_claims *claims,
		       struct clo_verify_result *result)
{
	struct clo_chain_place chain;

	return clo_chain_place_read(json_object_get(claims->predicate, "chain"),
				    &chain) < 0
		       ? clo_verify_reject(result, "chain")
		       : 0;
}

static int read_time(struct clo_claims *claims,
		     struct clo_verify_result *result)
{
	const char *text = text_of(claims->predicate, "time");
	const json_t *period = json_object_get(claims->predicate, "period");
	const json_t *nonce = json_object_get(claims->predicate, "nonce");

	if (!text || clo_time_parse(text, &claims->time) < 0)
		return clo_verify_reject(result, "time");

	claims->period = json_integer_value(period);
	if (claims->period < 1 || claims->period > PERIOD_MAX)
		return clo_verify_reject(result, "period");

	claims->nonce = json_string_value(nonce);
	if (claims->nonce ? !is_nonce(claims->nonce) : !json_is_null(nonce))
		return clo_verify_reject(result, "nonce");
	return 0;
}

static int check_key(const struct clo_claims *claims, const struct clo_key *key,
		     struct clo_verify_result *result)
{
	const char *id =
		text_of(json_object_get(claims->predicate, "key"), "id");
	char own_id[65];

	if (clo_key_id(key, own_id) < 0 || !id || strcmp(id, own_id) != 0)
		return clo_verify_reject(result,
					 "key.id is not the signing key");
	return 0;
}

static int read_statement(const json_t *statement, const struct clo_key *key,
			  struct clo_claims *claims,
			  struct clo_verify_result *result)
{
	int r;

	r = read_frame(statement, claims, result);
	if (r < 0)
		return r;
	r = check_place(claims, result);
	if (r < 0)
		return r;
	r = check_chain(claims, result);
	if (r < 0)
		return r;
	r = read_time(claims, result);
	if (r < 0)
		return r;
	r = check_key(claims, key, result);
	if (r < 0)
		return r;
	return kind_reader(claims->kind)->read(claims, result);
}

/* Failed wins over stale: old bad news is no better for its age. */
static void judge(const struct clo_claims *claims,
		  const struct clo_verify_options *options,
		  struct clo_verify_result *result)
{
	const struct clo_kind_reader *reader = kind_reader(claims->kind);
	int64_t max_age =
		options->max_age < 0 ? 3 * claims->period : options->max_age;
	int64_t age = options->now - claims->time;

	result->stale =
		age > max_age && !(reader->ageless && options->max_age < 0);
	if (claims->verdict != CLO_FAILED && age < -CLOCK_SKEW)
		clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
				    "dated %lld s in the future",
				    -(long long)age);
	else if (claims->verdict != CLO_FAILED && result->stale)
		clo_verify_conclude(result, CLO_VERIFY_INCONCLUSIVE,
				    "stale: %lld s old, at most %lld allowed",
				    (long long)age, (long long)max_age);
	else
		reader->conclude(claims, age, result);
}

/* NULL: the options ask for no more than it has. */
static const char *missing(const struct clo_claims *claims,
			   const struct clo_verify_options *options)
{
	const json_t *key = json_object_get(claims->predicate, "key");
	const char *protection = text_of(key, "protection");

	if (options->nonce &&
	    (!claims->nonce || strcasecmp(options->nonce, claims->nonce) != 0))
		return "it does not carry the nonce asked for";
	if (options->protection &&
	    (!protection || strcmp(protection, options->protection) != 0))
		return "its key is not protected as asked for";
	return NULL;
}

static int note_claims(const struct clo_claims *claims,
		       struct clo_verify_result *result)
{
	const json_t *node = json_object_get(claims->predicate, "node");
	CLO_AUTO_MEM char *place = NULL;

	result->kind = claims->kind;
	result->verdict = claims->verdict;
	result->time = claims->time;
	if (asprintf(&place, "%s\n%s\n%s", text_of(node, "name"),
		     text_of(node, "bootId"), claims->subject) < 0) {
		place = NULL;
		return -ENOMEM;
	}
	return clo_sha256(place, strlen(place), result->place);
}

static int open_envelope(const struct clo_key *key, const char *envelope,
			 size_t len, struct clo_verify_result *result)
{
	CLO_AUTO_MEM char *payload = NULL;
	size_t payload_len;
	int r;

	r = clo_dsse_open(key, envelope, len, &payload, &payload_len);
	if (r == -EBADMSG)
		clo_verify_conclude(
			result, CLO_VERIFY_NOT_AUTHENTIC,
			"not an envelope with a good signature of this key");
	if (r < 0)
		return r;

	r = clo_sha256(payload, payload_len, result->digest);
	if (r == 0)
		r = clo_json_parse(payload, payload_len, PAYLOAD_DEPTH,
				   &result->statement);
	return r == -EBADMSG ? clo_verify_reject(result, "not strict JSON") : r;
}

void clo_verify(const struct clo_key *key, const char *envelope, size_t len,
		const struct clo_verify_options *options,
		struct clo_verify_result *ret_result)
{
	clo_verify_signed(key, envelope, len, options, ret_result);
	if (options->protection && ret_result->exit != CLO_VERIFY_NOT_AUTHENTIC)
		clo_verify_conclude(ret_result, CLO_VERIFY_NOT_AUTHENTIC,
				    "no node-key record of a trusted "
				    "attestation key vouches for its key");
}

void clo_verify_signed(const struct clo_key *key, const char *envelope,
		       size_t len, const struct clo_verify_options *options,
		       struct clo_verify_result *ret_result)
{
	struct clo_claims claims = {0};
	const char *lacks;
	int r;

	*ret_result = (struct clo_verify_result){0};
	clo_verify_conclude(ret_result, CLO_VERIFY_INCONCLUSIVE,
			    "the check itself failed");

	r = open_envelope(key, envelope, len, ret_result);
	if (r < 0)
		return;
	r = read_statement(ret_result->statement, key, &claims, ret_result);
	if (r < 0)
		return;
	r = note_claims(&claims, ret_result);
	if (r < 0)
		return;
	lacks = missing(&claims, options);
	if (lacks) {
		clo_verify_conclude(ret_result, CLO_VERIFY_NOT_AUTHENTIC, "%s",
				    lacks);
		return;
	}

	judge(&claims, options, ret_result);
	assert(ret_result->reason[0] != '\0');
}

void clo_verify_result_done(struct clo_verify_result *result)
{
	json_decref(result->statement);
	result->statement = NULL;
}
