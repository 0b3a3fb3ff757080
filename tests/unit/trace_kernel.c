/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/core/trace.h"
#include "check.h"

/* What the attached program says against what the tables say. */

enum {
	IFINDEX = 7,
	PROGRAM = 41,
	RULE = 1,
};

/* The kernel: how the next run ends and what it counts. */
static struct {
	bool drop;
	enum clo_drop reason; /* counted; NONE: nothing is */
	bool passed; /* as in audit mode */
	bool hit; /* RULE is */
	bool unguarded;
	int error; /* of the run */
	unsigned int runs;
	unsigned int expired;
} kernel;

static struct clo_bpf_drop counts[CLO_DROP_COUNT];
static struct clo_hits hits[RULE + 1];

int clo_bpf_guard_query(struct clo_bpf *bpf, uint32_t ifindex,
			struct clo_bpf_guard *ret_guard)
{
	(void)bpf;
	assert_int_equal(ifindex, IFINDEX);
	*ret_guard = (struct clo_bpf_guard){
		.from_guest = {.ours = !kernel.unguarded, .prog_id = PROGRAM},
		.to_guest = {.ours = !kernel.unguarded, .prog_id = PROGRAM}};
	return 0;
}

int clo_bpf_probe(struct clo_bpf *bpf, uint32_t prog_id, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop)
{
	(void)bpf;
	(void)mark;
	(void)frame;
	assert_int_equal(prog_id, PROGRAM);
	assert_int_equal(ifindex, IFINDEX);
	assert_int_equal(len, 60);
	kernel.runs++;
	if (kernel.error)
		return kernel.error;
	if (kernel.reason) {
		counts[kernel.reason].key =
			(struct clo_drop_key){.ifindex = IFINDEX,
					      .reason = (uint16_t)kernel.reason,
					      .passed = kernel.passed};
		counts[kernel.reason].count++;
	}
	hits[RULE].flows += kernel.hit;
	*ret_drop = kernel.drop;
	return 0;
}

int clo_bpf_drops_read(struct clo_bpf *bpf, struct clo_bpf_drop **ret_drops,
		       size_t *ret_n)
{
	(void)bpf;
	*ret_drops = malloc(sizeof(counts));
	assert_non_null(*ret_drops);
	memcpy(*ret_drops, counts, sizeof(counts));
	*ret_n = CLO_DROP_COUNT;
	return 0;
}

int clo_bpf_hits_read(struct clo_bpf *bpf, struct clo_hits **ret_hits,
		      size_t *ret_n)
{
	(void)bpf;
	*ret_hits = malloc(sizeof(hits));
	assert_non_null(*ret_hits);
	memcpy(*ret_hits, hits, sizeof(hits));
	*ret_n = CLO_ARRAY_LEN(hits);
	return 0;
}

int clo_bpf_flow_expire(struct clo_bpf *bpf, uint8_t family, const void *key)
{
	(void)bpf;
	(void)key;
	assert_int_equal(family, 4);
	kernel.expired++;
	return 0;
}

static const struct clo_trace_pass denied = {.ifindex = IFINDEX,
					     .drop = CLO_DROP_POLICY};
static const struct clo_trace_pass audited = {
	.ifindex = IFINDEX, .mode = CLO_MODE_AUDIT, .drop = CLO_DROP_POLICY};
static const struct clo_trace_pass allowed = {
	.ifindex = IFINDEX, .rule = RULE, .opened = true, .family = 4};
static const struct clo_trace_pass answered = {.ifindex = IFINDEX};

/* 1: they agree, 0: they differ, -1: not run. */
static int ask(const struct clo_trace_pass *pass, const char *says)
{
	static const uint8_t frame[60];
	struct clo_trace_run run = {
		.pass = {*pass}, .n = 1, .frame = frame, .len = sizeof(frame)};
	struct clo_node node = {.started = 0};
	bool began = false;
	json_auto_t *answer = clo_trace_kernel(&node, &run, &began);
	const json_t *agrees = json_object_get(answer, "agrees");
	const char *text = json_string_value(json_object_get(answer, "text"));

	assert_non_null(text);
	if (!strstr(text, says))
		fail_msg("%s, not %s", text, says);
	assert_int_equal(began, pass->family != 0 && kernel.runs);
	assert_int_equal(kernel.expired, pass->family != 0 && kernel.runs);
	if (json_is_null(agrees))
		return -1;
	return json_is_true(agrees);
}

#define KERNEL(...)                                                            \
	do {                                                                   \
		memset(&kernel, 0, sizeof(kernel));                            \
		kernel = (__typeof__(kernel)){__VA_ARGS__};                    \
	} while (0)

static void the_two_agree(void **state)
{
	(void)state;
	KERNEL(.drop = true, .reason = CLO_DROP_POLICY);
	assert_int_equal(ask(&denied, "no rule allows"), 1);
	KERNEL(.reason = CLO_DROP_POLICY, .passed = true);
	assert_int_equal(ask(&audited, "audit"), 1);
	KERNEL(.hit = true);
	assert_int_equal(ask(&allowed, "passes"), 1);
	KERNEL(.drop = false);
	assert_int_equal(ask(&answered, "passes"), 1);
}

static void each_difference_is_said(void **state)
{
	(void)state;
	KERNEL(.hit = true);
	assert_int_equal(ask(&denied, "says pass"), 0);
	KERNEL(.drop = true, .reason = CLO_DROP_NO_CLASS);
	assert_int_equal(ask(&denied, "belongs to no class"), 0);
	KERNEL(.drop = true);
	assert_int_equal(ask(&denied, "says drop"), 0);
	KERNEL(.drop = true, .reason = CLO_DROP_POLICY);
	assert_int_equal(ask(&audited, "says drop"), 0);
	KERNEL(.reason = CLO_DROP_NO_CLASS, .passed = true);
	assert_int_equal(ask(&audited, "belongs to no class"), 0);
	KERNEL(.drop = true, .reason = CLO_DROP_POLICY);
	assert_int_equal(ask(&allowed, "no rule allows"), 0);
	KERNEL(.drop = false);
	assert_int_equal(ask(&allowed, "not by the rule"), 0);
	KERNEL(.unguarded = true);
	assert_int_equal(ask(&denied, "no guard"), 0);
	assert_int_equal(kernel.runs, 0);
}

/* What would harm real flows, or cannot be compared, is not called right. */
static void what_is_not_run_says_why(void **state)
{
	static const struct {
		struct clo_trace_pass pass;
		const char *why;
	} cases[] = {
		{{.ifindex = 0}, "not on this node"},
		{{.ifindex = IFINDEX, .tracked = true}, "flow in progress"},
		{{.ifindex = IFINDEX, .fragment = true}, "fragment"},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		KERNEL(.drop = true);
		assert_int_equal(ask(&cases[i].pass, cases[i].why), -1);
		assert_int_equal(kernel.runs, 0);
	}
	KERNEL(.error = -EINVAL);
	assert_int_equal(ask(&denied, "could not be run"), -1);
	KERNEL(.drop = true, .reason = CLO_DROP_RATE);
	assert_int_equal(ask(&answered, "limit"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_two_agree),
		cmocka_unit_test(each_difference_is_said),
		cmocka_unit_test(what_is_not_run_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
