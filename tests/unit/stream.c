/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/stream/names.h"
#include "agent/stream/wait.h"
#include "check.h"

static void test_tokens(void **state)
{
	char token[CLO_STREAM_NODE_MAX];
	char name[80];

	(void)state;
	assert_int_equal(clo_stream_token("hv-1", token), 0);
	assert_string_equal(token, "hv-1");
	/* what means something in a subject does not any more */
	assert_int_equal(clo_stream_token("a.*>= b", token), 0);
	assert_string_equal(token, "a=2e=2a=3e=3d=20b");
	assert_int_equal(clo_stream_token("", token), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[79] = '\0';
	assert_int_equal(clo_stream_token(name, token), -EINVAL);
	memset(name, '.', 22);
	name[22] = '\0';
	assert_int_equal(clo_stream_token(name, token), -EINVAL);
}

static void test_subjects(void **state)
{
	static const char *const wrong[] = {"acme",  "/test", "acme/",
					    "a/b/c", "a.b/c", "a/*"};
	char subject[CLO_STREAM_SUBJECT_MAX];

	(void)state;
	assert_int_equal(
		clo_stream_subject("isolation/v1", "acme/test", "n", subject),
		0);
	assert_string_equal(subject, "att.v1.acme.test.n");
	assert_int_equal(
		clo_stream_subject("heartbeat/v1", "acme/test", "n", subject),
		0);
	assert_string_equal(subject, "att.v1.acme.test.n");
	assert_int_equal(
		clo_stream_subject("gap/v1", "acme/test", "n", subject), 0);
	assert_string_equal(subject, "evt.v1.acme.test.n");
	assert_int_equal(clo_stream_subject("violation/v1", "", "n", subject),
			 0);
	assert_string_equal(subject, "evt.v1._._.n");
	assert_int_equal(clo_stream_subject("policy-ack/v1", "", "n", subject),
			 0);
	assert_string_equal(subject, "att.v1._._.n");
	for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++)
		assert_int_equal(clo_stream_subject("isolation/v1", wrong[i],
						    "n", subject),
				 -EINVAL);
	clo_stream_wildcard("att", "n", subject);
	assert_string_equal(subject, "att.v1.*.*.n");
}

static void test_ids(void **state)
{
	static const char *const wrong[] = {
		"",     "n",      "n/",     "n/b",
		"n/b/", "m/b/1",  "n/b/-1", "n/b/1x",
		"n//1", "nn/b/1", "n/b/ 1", "n/b/99999999999999999999"};
	char id[CLO_STREAM_ID_MAX];
	int64_t sequence;
	char boot[64];

	(void)state;
	assert_int_equal(clo_stream_id("n", "b", 42, id), 0);
	assert_string_equal(id, "n/b/42");
	assert_int_equal(clo_stream_id_parse(id, "n", boot, &sequence), 0);
	assert_string_equal(boot, "b");
	assert_int_equal(sequence, 42);
	for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++)
		assert_int_equal(
			clo_stream_id_parse(wrong[i], "n", boot, &sequence),
			-EINVAL);
}

static void test_delays(void **state)
{
	(void)state;
	assert_int_equal(clo_wait_delay(0, 0), 250);
	assert_int_equal(clo_wait_delay(0, 250), 500);
	assert_int_equal(clo_wait_delay(1, 0), 500);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int delay = clo_wait_delay(i, i * 7919);

		assert_true(delay >= 250 && delay <= 60000);
		assert_true(i < 7 || delay >= 30000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
