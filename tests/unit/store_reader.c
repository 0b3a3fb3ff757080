/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "fixture_store.h"

#define NOBODY 65534

static struct clo_reader *reader;
static char seen[512]; /* "id:scope " of each row that was given */
static int stop_at; /* rows */

static void append_kind(uint64_t sequence, const char *kind, const char *scope,
			time_t time)
{
	uint8_t digest[32] = {0};
	const struct clo_record record = {
		.boot_id = "b",
		.sequence = sequence,
		.kind = kind,
		.scope = scope,
		.time = time,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = ENVELOPE("eyJuIjoxfQ=="),
	};

	digest[0] = (uint8_t)(sequence + 1);
	assert_int_equal(clo_store_append(store, &record), 0);
}

static void append(uint64_t sequence, const char *scope, time_t time)
{
	append_kind(sequence, "isolation/v1", scope, time);
}

static int begin(void **state)
{
	int r = set_up(state);

	seen[0] = '\0';
	stop_at = 0;
	return r < 0 ? r : clo_reader_open(path, &reader);
}

static int end(void **state)
{
	clo_reader_free(reader);
	reader = NULL;
	return tear_down(state);
}

static int note(struct clo_reader *from, const struct clo_row *row,
		void *userdata)
{
	size_t len = strlen(seen);

	assert_ptr_equal(from, reader);
	assert_ptr_equal(userdata, seen);
	(void)snprintf(seen + len, sizeof(seen) - len, "%lld:%s ",
		       (long long)row->id, row->scope);
	return stop_at > 0 && --stop_at == 0;
}

static void assert_list(const char *tenant, const char *environment,
			int64_t since, int64_t time, int64_t id,
			const char *expected)
{
	const struct clo_span span = {
		.tenant = tenant,
		.environment = environment,
		.since = since,
		.time = time,
		.id = id,
	};

	seen[0] = '\0';
	assert_int_equal(clo_reader_list(reader, &span, note, seen), 0);
	assert_string_equal(seen, expected);
}

static void fill(void)
{
	append(0, "acme/production", NOW);
	append(1, "acme/test", NOW);
	append(2, "acme-2/test", NOW + 1);
	append(3, "", NOW + 1);
	append(4, "globex/test", NOW - 5); /* the clock was set back */
}

static void test_lists_are_newest_first(void **state)
{
	(void)state;
	fill();
	assert_list("", "", 0, INT64_MAX, INT64_MAX,
		    "4: 3:acme-2/test 2:acme/test 1:acme/production "
		    "5:globex/test ");
	assert_list("", "", NOW, INT64_MAX, INT64_MAX,
		    "4: 3:acme-2/test 2:acme/test 1:acme/production ");
	assert_list("", "", 0, NOW + 1, 4,
		    "3:acme-2/test 2:acme/test 1:acme/production "
		    "5:globex/test ");
	assert_list("", "", 0, NOW, 1, "5:globex/test ");
	assert_list("", "", 0, NOW - 5, 5, "");
	stop_at = 2;
	assert_list("", "", 0, INT64_MAX, INT64_MAX, "4: 3:acme-2/test ");
}

/* A name that begins like another's is another. */
static void test_a_tenant_is_its_name_whole(void **state)
{
	(void)state;
	fill();
	assert_list("acme", "", 0, INT64_MAX, INT64_MAX,
		    "2:acme/test 1:acme/production ");
	assert_list("acme", "test", 0, INT64_MAX, INT64_MAX, "2:acme/test ");
	assert_list("", "test", 0, INT64_MAX, INT64_MAX,
		    "3:acme-2/test 2:acme/test 5:globex/test ");
	assert_list("acm", "", 0, INT64_MAX, INT64_MAX, "");
	assert_list("acme-2", "", 0, INT64_MAX, INT64_MAX, "3:acme-2/test ");
	assert_list("' OR 1=1 --", "", 0, INT64_MAX, INT64_MAX, "");
}

/* Its scopes by turns, from any place. */
static void test_scopes_are_merged(void **state)
{
	(void)state;
	append(0, "acme/test", NOW);
	append(1, "acme/production", NOW);
	append(2, "globex/test", NOW + 1);
	append(3, "acme/test", NOW + 2);
	append(4, "acme/production", NOW + 1);
	append(5, "acme/test", NOW - 1);
	assert_list("acme", "", 0, INT64_MAX, INT64_MAX,
		    "4:acme/test 5:acme/production 2:acme/production "
		    "1:acme/test 6:acme/test ");
	assert_list("acme", "", NOW, NOW + 1, 5,
		    "2:acme/production 1:acme/test ");
	assert_list("acme", "", 0, NOW, 2, "1:acme/test 6:acme/test ");
	assert_list("", "test", NOW, INT64_MAX, INT64_MAX,
		    "4:acme/test 3:globex/test 1:acme/test ");
	stop_at = 2;
	assert_list("acme", "", 0, INT64_MAX, INT64_MAX,
		    "4:acme/test 5:acme/production ");
}

static void test_what_came_after(void **state)
{
	int64_t last = 9;

	(void)state;
	assert_int_equal(clo_reader_last(reader, &last), 0);
	assert_int_equal(last, 0);
	fill();
	assert_int_equal(clo_reader_last(reader, &last), 0);
	assert_int_equal(last, 5);
	assert_int_equal(clo_reader_after(reader, 3, note, seen), 0);
	assert_string_equal(seen, "4: 5:globex/test ");
	assert_int_equal(clo_reader_after(reader, 5, note, seen), 0);
}

static void test_one_by_scope_and_digest(void **state)
{
	uint8_t digest[32] = {3};
	char *envelope = NULL;

	(void)state;
	assert_int_equal(clo_reader_find(reader, digest, note, seen), -ENOENT);
	fill();
	assert_int_equal(clo_reader_find(reader, digest, note, seen), 0);
	assert_int_equal(clo_reader_latest(reader, "acme/test", note, seen), 0);
	assert_string_equal(seen, "3:acme-2/test 2:acme/test ");
	assert_int_equal(clo_reader_latest(reader, "acme", note, seen),
			 -ENOENT);
	assert_int_equal(clo_reader_envelope(reader, 9, &envelope), -ENOENT);
	assert_int_equal(clo_reader_envelope(reader, 3, &envelope), 0);
	assert_string_equal(envelope, ENVELOPE("eyJuIjoxfQ=="));
	free(envelope);
}

/* Heartbeats do not stand for a scope; the last behind a record is found. */
static void test_heartbeats(void **state)
{
	(void)state;
	append(0, "acme/test", NOW);
	append(1, "acme/production", NOW);
	assert_int_equal(clo_reader_beat(reader, "acme/test", 0, note, seen),
			 -ENOENT);
	append_kind(2, "heartbeat/v1", "acme/test", NOW + 60);
	append_kind(3, "heartbeat/v1", "acme/test", NOW + 120);
	append_kind(4, "violation/v1", "acme/test", NOW + 121);
	append_kind(5, "heartbeat/v1", "acme/production", NOW + 120);
	assert_int_equal(clo_reader_latest(reader, "acme/test", note, seen), 0);
	assert_int_equal(clo_reader_beat(reader, "acme/test", 1, note, seen),
			 0);
	assert_string_equal(seen, "1:acme/test 4:acme/test ");
	assert_int_equal(clo_reader_beat(reader, "acme/test", 4, note, seen),
			 -ENOENT);
}

static void test_scopes_in_order(void **state)
{
	static const char *const expected[] = {"acme-2/test", "acme/production",
					       "acme/test", "globex/test"};
	char scope[CLO_READER_SCOPE_MAX] = "";

	(void)state;
	fill();
	for (size_t i = 0; i < CLO_ARRAY_LEN(expected); i++) {
		assert_int_equal(clo_reader_next_scope(reader, scope, scope),
				 0);
		assert_string_equal(scope, expected[i]);
	}
	assert_int_equal(clo_reader_next_scope(reader, scope, scope), -ENOENT);
}

static void assert_gap(bool expected)
{
	bool in_gap = !expected;

	assert_int_equal(clo_reader_in_gap(reader, &in_gap), 0);
	assert_int_equal(in_gap, expected);
}

static void test_whether_somebody_watches(void **state)
{
	struct clo_gap gap;
	int64_t id;

	(void)state;
	assert_gap(false);
	assert_int_equal(clo_store_run_begin(store, "b", NOW, &gap), 0);
	assert_gap(false);
	assert_int_equal(clo_store_gap_open(store, NOW, "mute", &id), 0);
	assert_gap(true);
	assert_int_equal(clo_store_gap_close(store, id, NOW + 1), 0);
	assert_gap(false);
	assert_int_equal(clo_store_run_end(store, NOW + 2), 0);
	assert_gap(true);
}

static bool opens(const char *suffix, int flags)
{
	char name[80];
	int fd;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, flags | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* As a user that may not write the file, its directory or -wal and -shm. */
static bool reads_as_nobody(const char *expected)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	const struct clo_span span = {.tenant = "",
				      .environment = "",
				      .time = INT64_MAX,
				      .id = INT64_MAX};

	clo_reader_free(reader); /* a child shares no connection */
	reader = NULL;
	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return false;
	for (size_t i = 0; i < CLO_ARRAY_LEN(suffixes); i++)
		if (opens(suffixes[i], O_RDWR))
			return false;
	seen[0] = '\0';
	return clo_reader_open(path, &reader) == 0 &&
	       clo_reader_list(reader, &span, note, seen) == 0 &&
	       strcmp(seen, expected) == 0;
}

static void assert_nobody_reads(const char *expected)
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(reads_as_nobody(expected) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* While the writer runs, after it was closed, and beside a new one. */
static void test_without_write_permission(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	append(0, "", NOW);
	assert_int_equal(chmod(dir, 0710), 0);
	assert_int_equal(chown(dir, 0, NOBODY), 0);
	assert_int_equal(clo_store_share(path, NOBODY), 0);
	assert_nobody_reads("1: ");

	clo_reader_free(reader);
	reader = NULL;
	clo_store_free(store);
	store = NULL;
	assert_nobody_reads("1: ");
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	append(1, "acme/test", NOW);
	assert_nobody_reads("2:acme/test 1: ");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
}

static void test_a_reader_changes_nothing(void **state)
{
	struct clo_reader *other = NULL;

	(void)state;
	assert_int_equal(clo_reader_open("/nonexistent/log", &other), -EACCES);
	assert_int_equal(clo_reader_open("/etc/passwd", &other), -EPROTO);
	assert_null(other);
	append(0, "", NOW);
	assert_int_equal(clo_reader_after(reader, 0, note, seen), 0);
	append(1, "", NOW); /* it holds no lock */
	assert_int_equal(clo_reader_after(reader, 1, note, seen), 0);
	assert_string_equal(seen, "1: 2: ");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lists_are_newest_first),
		TEST(test_a_tenant_is_its_name_whole),
		TEST(test_scopes_are_merged),
		TEST(test_what_came_after),
		TEST(test_one_by_scope_and_digest),
		TEST(test_heartbeats),
		TEST(test_scopes_in_order),
		TEST(test_whether_somebody_watches),
		TEST(test_without_write_permission),
		TEST(test_a_reader_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
