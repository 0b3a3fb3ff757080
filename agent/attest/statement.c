/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/statement.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/json.h"
#include "agent/base/hex.h"

#define CONTROLS_MAX 256
#define LAST_SECOND 253402300799 /* of the year 9999 */

#define FACTS(kind) .name = (kind), .type = "https://cloison.example/" kind

const struct clo_kind_facts clo_kinds[CLO_KINDS] = {
	[CLO_KIND_ISOLATION] = {FACTS("isolation/v1"), .stands = true},
	[CLO_KIND_VIOLATION] = {FACTS("violation/v1"), .event = true,
				.lasting = true},
	[CLO_KIND_HEARTBEAT] = {FACTS("heartbeat/v1")},
	[CLO_KIND_NODE_KEY] = {FACTS("node-key/v1"), .stands = true,
			       .lasting = true},
	[CLO_KIND_POLICY_ACK] = {FACTS("policy-ack/v1"), .lasting = true},
	[CLO_KIND_GAP] = {FACTS("gap/v1"), .event = true, .lasting = true},
};

static const char *const verdict_texts[] = {
	[CLO_PASSED] = "PASSED",
	[CLO_FAILED] = "FAILED",
	[CLO_INCONCLUSIVE] = "INCONCLUSIVE",
};

static const char *const outcome_texts[] = {
	[CLO_OUTCOME_APPLIED] = "applied",
	[CLO_OUTCOME_REFUSED] = "refused",
	[CLO_OUTCOME_FAILED] = "failed",
	[CLO_OUTCOME_REPLAYED] = "replayed",
	[CLO_OUTCOME_FOREIGN] = "foreign",
	[CLO_OUTCOME_EXPIRED] = "expired",
	[CLO_OUTCOME_OVERRIDDEN] = "overridden",
};

_Static_assert(CLO_ARRAY_LEN(outcome_texts) == CLO_OUTCOMES, "one text each");

/* What the mandatory controls say. */
struct tally {
	size_t mandatory;
	size_t passed;
	size_t failed;
};

enum clo_kind clo_kind_of_name(const char *name)
{
	size_t i = 0;

	while (i < CLO_KINDS && (!name || strcmp(clo_kinds[i].name, name) != 0))
		i++;
	return (enum clo_kind)i;
}

enum clo_kind clo_kind_of_type(const char *type)
{
	size_t i = 0;

	while (i < CLO_KINDS && (!type || strcmp(clo_kinds[i].type, type) != 0))
		i++;
	return (enum clo_kind)i;
}

const char *clo_verdict_text(enum clo_verdict_word verdict)
{
	assert((size_t)verdict < CLO_ARRAY_LEN(verdict_texts));
	return verdict_texts[verdict];
}

const char *clo_outcome_text(enum clo_outcome outcome)
{
	assert(outcome < CLO_OUTCOMES);
	return outcome_texts[outcome];
}

enum clo_outcome clo_outcome_of(const char *text)
{
	size_t i = 0;

	while (i < CLO_OUTCOMES &&
	       (!text || strcmp(outcome_texts[i], text) != 0))
		i++;
	return (enum clo_outcome)i;
}

void clo_time_format(time_t t, char ret_text[21])
{
	const struct tm *done;
	struct tm tm;
	size_t n;

	/* A clock that far off is shown at the edge of what can be written. */
	if (t < 0)
		t = 0;
	if (t > LAST_SECOND)
		t = LAST_SECOND;
	done = gmtime_r(&t, &tm);
	assert(done);
	n = strftime(ret_text, 21, "%Y-%m-%dT%H:%M:%SZ", &tm);
	assert(n == 20);
}

int clo_time_parse(const char *text, time_t *ret_time)
{
	struct tm tm = {0};
	const char *end;
	char again[21];
	time_t t;

	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end != '\0')
		return -EINVAL;

	/* strptime() forgives spaces, short numbers and the 31st of June. */
	t = timegm(&tm);
	clo_time_format(t, again);
	if (strcmp(text, again) != 0)
		return -EINVAL;

	*ret_time = t;
	return 0;
}

static bool is_time(const json_t *value)
{
	time_t t;

	return json_is_string(value) &&
	       clo_time_parse(json_string_value(value), &t) == 0;
}

static bool is_strings(const json_t *value)
{
	if (!json_is_array(value))
		return false;

	for (size_t i = 0; i < json_array_size(value); i++) {
		if (!json_is_string(json_array_get(value, i)))
			return false;
	}
	return true;
}

static bool is_result(const char *text)
{
	static const char *const results[] = {
		"PASS",
		"FAIL",
		"INCONCLUSIVE",
		"NOT-ASSESSED",
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(results); i++) {
		if (!strcmp(text, results[i]))
			return true;
	}
	return false;
}

static bool is_repeated(const json_t *controls, size_t index)
{
	const char *id = json_string_value(
		json_object_get(json_array_get(controls, index), "id"));

	for (size_t i = 0; i < index; i++) {
		const json_t *other = json_array_get(controls, i);

		if (!strcmp(json_string_value(json_object_get(other, "id")),
			    id))
			return true;
	}
	return false;
}

/* One control's shape; what it says is added to the tally. */
static int count_control(const json_t *control, struct tally *tally)
{
	const char *id = json_string_value(json_object_get(control, "id"));
	const char *result =
		json_string_value(json_object_get(control, "result"));
	const json_t *mandatory = json_object_get(control, "mandatory");
	const json_t *excepted = json_object_get(control, "excepted");

	if (!id || !id[0] || !result || !is_result(result) ||
	    !json_is_boolean(mandatory) ||
	    (excepted && !json_is_boolean(excepted)))
		return -EBADMSG;

	/* A breach that was allowed is still a breach. */
	if (json_is_true(excepted) && !strcmp(result, "PASS"))
		return -EBADMSG;

	if (json_is_true(mandatory)) {
		tally->mandatory++;
		tally->passed += !strcmp(result, "PASS");
		tally->failed += !strcmp(result, "FAIL");
	}
	return 0;
}

static int count_controls(const json_t *controls, struct tally *ret_tally)
{
	struct tally tally = {0};
	int r;

	if (!json_is_array(controls) ||
	    json_array_size(controls) > CONTROLS_MAX)
		return -EBADMSG;

	for (size_t i = 0; i < json_array_size(controls); i++) {
		r = count_control(json_array_get(controls, i), &tally);
		if (r < 0)
			return r;
		if (is_repeated(controls, i))
			return -EBADMSG;
	}

	*ret_tally = tally;
	return 0;
}

static int read_coverage(const json_t *coverage, bool *ret_complete)
{
	const json_t *expected = json_object_get(coverage, "expected");
	const json_t *observed = json_object_get(coverage, "observed");
	const json_t *complete = json_object_get(coverage, "complete");
	const json_t *missing = json_object_get(coverage, "missing");
	bool equal;

	if (!json_is_integer(expected) || !json_is_integer(observed) ||
	    !json_is_boolean(complete) || !is_strings(missing) ||
	    !is_strings(json_object_get(coverage, "sources")))
		return -EBADMSG;

	equal = json_integer_value(expected) == json_integer_value(observed);
	if (json_integer_value(expected) < 0 ||
	    json_integer_value(observed) < 0 ||
	    json_is_true(complete) != equal ||
	    (equal && json_array_size(missing) > 0))
		return -EBADMSG;

	*ret_complete = equal;
	return 0;
}

static int read_gaps(const json_t *gaps, bool *ret_open)
{
	bool open = false;

	if (!json_is_array(gaps))
		return -EBADMSG;

	for (size_t i = 0; i < json_array_size(gaps); i++) {
		const json_t *gap = json_array_get(gaps, i);
		const json_t *to = json_object_get(gap, "to");

		if (!is_time(json_object_get(gap, "from")) ||
		    !(json_is_null(to) || is_time(to)) ||
		    !json_is_string(json_object_get(gap, "reason")))
			return -EBADMSG;
		open = open || json_is_null(to);
	}

	*ret_open = open;
	return 0;
}

int clo_statement_verdict(const json_t *predicate,
			  enum clo_verdict_word *ret_verdict)
{
	struct tally tally;
	bool complete;
	bool open;
	int r;

	r = count_controls(json_object_get(predicate, "controls"), &tally);
	if (r < 0)
		return r;
	r = read_coverage(json_object_get(predicate, "coverage"), &complete);
	if (r < 0)
		return r;
	r = read_gaps(json_object_get(predicate, "gaps"), &open);
	if (r < 0)
		return r;

	if (tally.failed > 0)
		*ret_verdict = CLO_FAILED;
	else if (tally.mandatory > 0 && tally.passed == tally.mandatory &&
		 complete && !open)
		*ret_verdict = CLO_PASSED;
	else
		*ret_verdict = CLO_INCONCLUSIVE;
	return 0;
}

json_t *clo_chain_place_make(const struct clo_chain_place *chain)
{
	char previous[65] = "";
	char digest[65] = "";

	clo_hex_encode(chain->previous, sizeof(chain->previous), previous);
	if (chain->sequence > 0)
		return json_pack("{s:I, s:s}", "sequence",
				 (json_int_t)chain->sequence, "previous",
				 previous);
	clo_hex_encode(chain->boot_digest, sizeof(chain->boot_digest), digest);
	return json_pack(
		"{s:i, s:n, s:o}", "sequence", 0, "previous", "previousBoot",
		chain->boot_id[0] ? json_pack("{s:s, s:I, s:s}", "bootId",
					      chain->boot_id, "sequence",
					      (json_int_t)chain->boot_sequence,
					      "digest", digest)
				  : json_null());
}

static int read_sequence(const json_t *json, uint64_t *ret_sequence)
{
	const json_t *sequence = json_object_get(json, "sequence");

	if (!json_is_integer(sequence) || json_integer_value(sequence) < 0)
		return -EBADMSG;
	*ret_sequence = (uint64_t)json_integer_value(sequence);
	return 0;
}

static int read_digest(const json_t *json, uint8_t ret_digest[32])
{
	const char *text = json_string_value(json);

	return text && clo_hex_decode(text, 32, ret_digest) == 0 ? 0 : -EBADMSG;
}

/* Only the first record of a boot says it. */
static int read_boot(const json_t *json, struct clo_chain_place *chain)
{
	const char *boot_id =
		json_string_value(json_object_get(json, "bootId"));

	if (!json || json_is_null(json))
		return json && chain->sequence > 0 ? -EBADMSG : 0;
	if (chain->sequence > 0 || !boot_id || !boot_id[0] ||
	    strlen(boot_id) >= sizeof(chain->boot_id) ||
	    read_sequence(json, &chain->boot_sequence) < 0)
		return -EBADMSG;
	(void)snprintf(chain->boot_id, sizeof(chain->boot_id), "%s", boot_id);
	return read_digest(json_object_get(json, "digest"), chain->boot_digest);
}

int clo_chain_place_read(const json_t *json, struct clo_chain_place *ret_chain)
{
	const json_t *previous = json_object_get(json, "previous");
	struct clo_chain_place chain = {0};
	int r;

	r = read_sequence(json, &chain.sequence);
	if (r == 0 && chain.sequence > 0)
		r = read_digest(previous, chain.previous);
	else if (r == 0 && !json_is_null(previous))
		r = -EBADMSG;
	if (r == 0)
		r = read_boot(json_object_get(json, "previousBoot"), &chain);
	if (r == 0)
		*ret_chain = chain;
	return r;
}

int clo_statement_wrap(json_t *predicate, enum clo_kind kind,
		       const char *subject, const uint8_t tables_digest[32],
		       char **ret_text)
{
	CLO_AUTO(clo_json) json_t *statement = NULL;
	char digest[65];
	char *text;

	clo_hex_encode(tables_digest, 32, digest);
	statement = json_pack("{s:s,s:[{s:s,s:{s:s}}],s:s,s:O}", "_type",
			      CLO_STATEMENT_TYPE, "subject", "name", subject,
			      "digest", "sha256", digest, "predicateType",
			      clo_kinds[kind].type, "predicate", predicate);
	if (!statement)
		return -EINVAL; /* a subject that is not UTF-8 */
	text = json_dumps(statement, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return -ENOMEM;

	*ret_text = text;
	return 0;
}

int clo_statement_seal(json_t *predicate, const char *subject,
		       const uint8_t tables_digest[32], char **ret_text,
		       enum clo_verdict_word *ret_verdict)
{
	enum clo_verdict_word verdict;
	int r;

	r = clo_statement_verdict(predicate, &verdict);
	if (r < 0)
		return r;
	if (json_object_set_new(predicate, "verdict",
				json_string(clo_verdict_text(verdict))) < 0)
		return -ENOMEM;
	r = clo_statement_wrap(predicate, CLO_KIND_ISOLATION, subject,
			       tables_digest, ret_text);
	if (r == 0)
		*ret_verdict = verdict;
	return r;
}
