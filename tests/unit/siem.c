/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/siem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "check.h"

#define DIGEST                                                                 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char lines[4][2048];
static size_t n_lines;

static int keep(const char *line, void *userdata)
{
	(void)userdata;
	assert_true(n_lines < 4);
	(void)snprintf(lines[n_lines++], sizeof(lines[0]), "%s", line);
	return 0;
}

static json_t *statement(const char *scope, const char *detail)
{
	return json_pack(
		"{s:{s:{s:s, s:s, s:s}, s:s?, s:s, s:[{s:s, s:s, s:s}, {s:s, "
		"s:s, s:s}, {s:s, s:s, s:s}]}}",
		"predicate", "node", "name", "hv 1", "bootId", "b|1", "agent",
		"0.1.0", "scope", scope, "time", "2026-01-02T03:04:05Z",
		"controls", "id", "net.default-deny", "result", "FAIL",
		"detail", detail, "id", "net.no-bypass-path", "result", "PASS",
		"detail", "", "id", "log.time-sync", "result", "NOT-ASSESSED",
		"detail", "");
}

static void run(json_t *of, enum clo_siem_format format)
{
	n_lines = 0;
	assert_int_equal(clo_siem_events(of, DIGEST, format, keep, NULL), 0);
	assert_int_equal(n_lines, 2); /* the third was not assessed */
	json_decref(of);
}

static json_t *parsed(size_t i)
{
	json_t *json = json_loads(lines[i], JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	return json;
}

static void test_formats(void **state)
{
	(void)state;
	assert_int_equal(clo_siem_format("ocsf"), CLO_SIEM_OCSF);
	assert_int_equal(clo_siem_format("ecs"), CLO_SIEM_ECS);
	assert_int_equal(clo_siem_format("cef"), CLO_SIEM_CEF);
	assert_int_equal(clo_siem_format("leef"), CLO_SIEM_FORMATS);
}

static void test_ocsf(void **state)
{
	const char *control, *uid, *resource;
	int status, class, type;
	json_int_t time;
	json_t *json;

	(void)state;
	run(statement("acme/production", "a \"tap\""), CLO_SIEM_OCSF);
	json = parsed(0);
	assert_int_equal(json_unpack(json,
				     "{s:i, s:i, s:I, s:{s:s, s:i}, s:{s:s}, "
				     "s:[{s:s}]}",
				     "class_uid", &class, "type_uid", &type,
				     "time", &time, "compliance", "control",
				     &control, "status_id", &status,
				     "finding_info", "uid", &uid, "resources",
				     "uid", &resource),
			 0);
	assert_int_equal(class, 2003);
	assert_int_equal(type, 200301);
	assert_int_equal(time, 1767323045000);
	assert_string_equal(control, "net.default-deny");
	assert_int_equal(status, 3);
	assert_string_equal(uid, DIGEST "/net.default-deny");
	assert_string_equal(resource, "acme/production");
	json_decref(json);
	json = parsed(1);
	assert_int_equal(json_unpack(json, "{s:{s:i}}", "compliance",
				     "status_id", &status),
			 0);
	assert_int_equal(status, 1);
	json_decref(json);
}

static void test_ecs(void **state)
{
	const char *kind, *outcome, *stamp, *rule;
	json_t *json;

	(void)state;
	run(statement(NULL, "x"), CLO_SIEM_ECS);
	json = parsed(0);
	assert_int_equal(json_unpack(json, "{s:s, s:{s:s, s:s}, s:{s:s}}",
				     "@timestamp", &stamp, "event", "kind",
				     &kind, "outcome", &outcome, "rule", "id",
				     &rule),
			 0);
	assert_string_equal(stamp, "2026-01-02T03:04:05Z");
	assert_string_equal(kind, "alert");
	assert_string_equal(outcome, "failure");
	assert_string_equal(rule, "net.default-deny");
	json_decref(json);
}

/* What a detail holds opens no field and no line of its own. */
static void test_cef(void **state)
{
	(void)state;
	run(statement("a/test", "cs1=evil|x\\y\nz"), CLO_SIEM_CEF);
	assert_memory_equal(lines[0],
			    "<106>1 2026-01-02T03:04:05Z hv?1 cloison - "
			    "isolation - CEF:0|Cloison|cloison|0.1.0|"
			    "net.default-deny|",
			    strlen("<106>1 2026-01-02T03:04:05Z hv?1 cloison - "
				   "isolation - CEF:0|Cloison|cloison|0.1.0|"
				   "net.default-deny|"));
	assert_non_null(strstr(lines[0], "|8|rt=1767323045000"));
	assert_non_null(strstr(lines[0], " msg=cs1\\=evil|x\\\\y\\nz"));
	assert_non_null(strstr(lines[0], " cs2=b|1"));
	assert_null(strchr(lines[0], '\n'));
	assert_memory_equal(lines[1], "<110>1 ", 7);
}

/* What is not attested is a finding, too. */
static void test_gap(void **state)
{
	json_t *of = statement("acme/test", "x");
	json_t *predicate = json_object_get(of, "predicate");
	const char *control, *detail, *uid;
	int status;
	json_t *json;

	(void)state;
	(void)json_object_set_new(
		predicate, "gap",
		json_pack("{s:s, s:s, s:n, s:s}", "kind", "unwatched", "from",
			  "2026-01-02T03:04:05Z", "to", "reason", "mute"));
	n_lines = 0;
	assert_int_equal(clo_siem_events(of, DIGEST, CLO_SIEM_OCSF, keep, NULL),
			 0);
	json_decref(of);
	assert_int_equal(n_lines, 1);
	json = parsed(0);
	assert_int_equal(json_unpack(json, "{s:s, s:{s:s, s:i}, s:{s:s}}",
				     "message", &detail, "compliance",
				     "control", &control, "status_id", &status,
				     "finding_info", "uid", &uid),
			 0);
	assert_string_equal(control, "log.gap");
	assert_string_equal(detail, "2026-01-02T03:04:05Z to now: mute");
	assert_string_equal(uid, DIGEST "/log.gap");
	assert_int_equal(status, 2);
	json_decref(json);
}

/* Any format is a line of its own behind the same header; CEF has it anyway. */
static void test_syslog(void **state)
{
	static const char header[] =
		"<106>1 2026-01-02T03:04:05Z hv?1 cloison - isolation - ";
	char alone[2048 + sizeof(header)];

	(void)state;
	for (int i = 0; i < CLO_SIEM_FORMATS; i++) {
		json_t *of = statement("a/test", "x\ny");

		run(json_incref(of), (enum clo_siem_format)i);
		(void)snprintf(alone, sizeof(alone), "%s%s",
			       i == CLO_SIEM_CEF ? "" : header, lines[0]);
		n_lines = 0;
		assert_int_equal(clo_siem_syslog(of, DIGEST,
						 (enum clo_siem_format)i, keep,
						 NULL),
				 0);
		assert_int_equal(n_lines, 2);
		assert_string_equal(lines[0], alone);
		assert_null(strchr(lines[0], '\n'));
		json_decref(of);
	}
}

static void test_refused(void **state)
{
	static const char *const members[] = {"node", "time", "controls"};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(members); i++) {
		json_t *of = statement(NULL, "");

		assert_int_equal(
			json_object_del(json_object_get(of, "predicate"),
					members[i]),
			0);
		n_lines = 0;
		assert_int_equal(
			clo_siem_events(of, DIGEST, CLO_SIEM_ECS, keep, NULL),
			-EBADMSG);
		assert_int_equal(n_lines, 0);
		json_decref(of);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats), cmocka_unit_test(test_ocsf),
		cmocka_unit_test(test_ecs),     cmocka_unit_test(test_cef),
		cmocka_unit_test(test_gap),     cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
