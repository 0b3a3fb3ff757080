/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/verify.h"
#include "check.h"
#include "fixture_key.h"
#include "policy/controls.h"

/* A sound predicate to be changed, signed and verified. */
#define DIGEST                                                                 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOW 1767323045 /* 2026-01-02T03:04:05Z */

static struct clo_key *key;
static json_t *predicate; /* of a sound statement of node n1 that passes */
static const char *subject;
static struct clo_verify_options options;
static struct clo_verify_result result;

static inline json_t *mandatory_controls(void)
{
	json_t *controls = json_array();

	for (size_t i = 0; i < clo_controls_count; i++) {
		if (clo_controls[i].mandatory)
			(void)json_array_append_new(
				controls,
				json_pack("{s:s,s:s,s:b,s:b,s:s,s:s}", "id",
					  clo_controls[i].id, "result", "PASS",
					  "mandatory", 1, "excepted", 0,
					  "method", "m", "detail", "all good"));
	}
	return controls;
}

static inline int set_up(void **state)
{
	char id[65];

	(void)state;
	key = fixture_key(FIXTURE_KEY_1);
	assert_int_equal(clo_key_id(key, id), 0);
	predicate = json_pack(
		"{s:{s:s,s:s},s:n,s:{s:i,s:n},s:s,s:i,s:n,s:{s:s,s:s},s:o,"
		"s:{s:i,s:i,s:b,s:[],s:[s,s]},s:[]}",
		"node", "name", "n1", "bootId", "b1", "scope", "chain",
		"sequence", 0, "previous", "time", "2026-01-02T03:04:05Z",
		"period", 30, "nonce", "key", "id", id, "protection", "file",
		"controls", mandatory_controls(), "coverage", "expected", 2,
		"observed", 2, "complete", 1, "missing", "sources", "libvirt",
		"rtnetlink", "gaps");
	assert_non_null(predicate);
	subject = "node/n1";
	options = (struct clo_verify_options){.now = NOW, .max_age = -1};
	result = (struct clo_verify_result){0};
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	clo_verify_result_done(&result);
	json_decref(predicate);
	clo_key_free(key);
	return 0;
}

/* Sign any text as a payload and verify it. */
static inline void check_text(const char *text)
{
	char *envelope = NULL;

	assert_int_equal(clo_dsse_sign(key, text, strlen(text), &envelope), 0);
	clo_verify_result_done(&result);
	clo_verify(key, envelope, strlen(envelope), &options, &result);
	assert_true(result.reason[0] != '\0');
	assert_null(strchr(result.reason, '\n'));
	free(envelope);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
