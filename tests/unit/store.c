/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/attest/statement.h"
#include "check.h"
#include "fixture_store.h"

#define KILLS 20

/* The digest tells which record it is. */
static int append_kind(struct clo_store *to, const char *boot,
		       uint64_t sequence, const char *kind, const char *scope,
		       const char *envelope)
{
	uint8_t digest[32] = {0};
	const struct clo_record record = {
		.boot_id = boot,
		.sequence = sequence,
		.kind = kind,
		.scope = scope,
		.time = NOW + (time_t)sequence,
		.verdict = "PASSED",
		.payload_digest = digest,
		.envelope = envelope,
	};

	memcpy(digest, &sequence, sizeof(sequence));
	return clo_store_append(to, &record);
}

static int append_to(struct clo_store *to, const char *boot, uint64_t sequence,
		     const char *scope, const char *envelope)
{
	return append_kind(to, boot, sequence, "isolation/v1", scope, envelope);
}

static int append(const char *boot, uint64_t sequence, const char *scope)
{
	return append_to(store, boot, sequence, scope, ENVELOPE("AAAA"));
}

static void assert_head(const char *boot, uint64_t expected)
{
	uint8_t digest[32] = {0};
	uint64_t last;
	uint64_t next = 99;

	assert_int_equal(clo_store_head(store, boot, &next, digest), 0);
	assert_int_equal(next, expected);
	memcpy(&last, digest, sizeof(last));
	assert_int_equal(last, expected ? expected - 1 : 0);
}

static void assert_latest(const char *scope, const char *expected, time_t time)
{
	char *envelope = NULL;
	time_t t = 0;

	assert_int_equal(clo_store_latest(store, scope, &envelope, &t), 0);
	assert_string_equal(envelope, expected);
	assert_int_equal(t, time);
	free(envelope);
}

/* SQL behind the store's back. */
static void meddle(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_files_are_private(void **state)
{
	char wal[80];
	struct stat st;

	(void)state;
	assert_int_equal(append("b", 0, ""), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	(void)snprintf(wal, sizeof(wal), "%s-wal", path);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void test_records_come_back(void **state)
{
	uint64_t count = 0;

	(void)state;
	assert_head("b", 0);
	assert_int_equal(append_to(store, "b", 0, "", ENVELOPE("AAAA")), 0);
	assert_int_equal(append_to(store, "b", 1, "a/test", ENVELOPE("AAAB")),
			 0);
	assert_int_equal(append_to(store, "b", 2, "", ENVELOPE("AAAC")), 0);
	assert_int_equal(append_to(store, "c", 0, "", ENVELOPE("AAAD")), 0);
	reopen();
	assert_head("b", 3);
	assert_head("c", 1);
	assert_head("d", 0);
	assert_latest("a/test", ENVELOPE("AAAB"), NOW + 1);
	/* The last one written, though its clock is behind. */
	assert_latest("", ENVELOPE("AAAD"), NOW);
	assert_int_equal(clo_store_count(store, &count), 0);
	assert_int_equal(count, 4);
}

static void test_no_record_no_latest(void **state)
{
	char *envelope = NULL;
	time_t t = 7;

	(void)state;
	assert_int_equal(append("b", 0, "a/test"), 0);
	assert_int_equal(clo_store_latest(store, "a/tes", &envelope, &t),
			 -ENOENT);
	assert_int_equal(clo_store_latest(store, "", &envelope, &t), -ENOENT);
	assert_null(envelope);
	assert_int_equal(t, 7);
}

/* What happened is no word on how things are. */
static void test_latest_is_of_a_kind_that_stands(void **state)
{
	(void)state;
	assert_int_equal(append_to(store, "b", 0, "a/test", ENVELOPE("AAAA")),
			 0);
	for (size_t i = 0; i < CLO_KINDS; i++)
		if (!clo_kinds[i].stands)
			assert_int_equal(append_kind(store, "b", 1 + i,
						     clo_kinds[i].name,
						     "a/test",
						     ENVELOPE("AAAB")),
					 0);
	assert_int_equal(append_kind(store, "b", 50, "unheard-of/v1", "a/test",
				     ENVELOPE("AAAB")),
			 0);
	assert_latest("a/test", ENVELOPE("AAAA"), NOW);
}

static void test_a_sequence_is_taken_once(void **state)
{
	(void)state;
	assert_int_equal(append("b", 0, ""), 0);
	assert_int_equal(append("b", 0, "other/test"), -EEXIST);
	assert_int_equal(append("c", 0, ""), 0);
	assert_head("b", 1);
}

static void test_records_that_cannot_be(void **state)
{
	char name[400];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(append("b", (uint64_t)INT64_MAX + 1, ""), -EINVAL);
	assert_int_equal(append("b", UINT64_MAX, ""), -EINVAL);
	assert_int_equal(append(name, 0, ""), -EINVAL);
	assert_int_equal(append("b", 0, name), -EINVAL);
	assert_head("b", 0);
}

static void test_text_is_data(void **state)
{
	(void)state;
	assert_int_equal(append_to(store, "b'; DROP TABLE records; --", 0,
				   "x' OR '1'='1", ENVELOPE("AAAA")),
			 0);
	assert_head("b'; DROP TABLE records; --", 1);
	assert_latest("x' OR '1'='1", ENVELOPE("AAAA"), NOW);
}

static void write_file(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_open_fails(int expected)
{
	struct clo_store *other = NULL;

	assert_int_equal(clo_store_open(path, &signer, &other), expected);
	assert_null(other);
}

static void test_foreign_files_are_refused(void **state)
{
	(void)state;
	clo_store_free(store);
	store = NULL;
	write_file("This is somebody's diary, and no database at all: 100 "
		   "bytes or more, so that SQLite looks at it closely.");
	assert_open_fails(-EPROTO);

	assert_int_equal(unlink(path), 0);
	meddle("CREATE TABLE other (x)");
	assert_int_equal(chmod(path, 0600), 0);
	assert_open_fails(-EPROTO);
	assert_int_equal(unlink(path), 0);
	meddle("PRAGMA user_version = 9");
	assert_int_equal(chmod(path, 0600), 0);
	assert_open_fails(-EPROTO);
}

static void test_other_versions_are_refused(void **state)
{
	(void)state;
	clo_store_free(store);
	store = NULL;
	meddle("PRAGMA user_version = 4");
	assert_open_fails(-EPROTO);
	meddle("PRAGMA user_version = 0");
	assert_open_fails(-EPROTO);
	meddle("PRAGMA user_version = 3");
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
}

static void test_files_of_others_are_refused(void **state)
{
	(void)state;
	assert_int_equal(chmod(path, 0620), 0);
	assert_open_fails(-EACCES);
	assert_int_equal(chmod(path, 0602), 0);
	assert_open_fails(-EACCES);
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_open_fails(-EACCES);
	}
}

static void test_links_and_pipes_are_refused(void **state)
{
	(void)state;
	clo_store_free(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/tmp/nowhere", path), 0);
	assert_open_fails(-ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_open_fails(-EINVAL);
}

static void test_damage_is_noticed(void **state)
{
	char *envelope = NULL;
	uint8_t digest[32];
	uint64_t next = 9;
	time_t t;

	(void)state;
	assert_int_equal(append("b", 0, ""), 0);
	meddle("PRAGMA ignore_check_constraints = 1;"
	       "UPDATE records SET digest = x'00', envelope = 'a' || char(0)");
	assert_int_equal(clo_store_head(store, "b", &next, digest), -EUCLEAN);
	assert_int_equal(next, 9);
	assert_int_equal(clo_store_latest(store, "", &envelope, &t), -EUCLEAN);
	assert_null(envelope);
}

/* Child: append for ever, telling each sequence once it is committed. */
static void append_until_killed(const char *boot, int fd)
{
	struct clo_store *own = NULL;
	struct clo_gap gap;
	uint8_t digest[32];
	uint64_t next;

	if (clo_store_open(path, &signer, &own) < 0 ||
	    clo_store_run_begin(own, boot, NOW, &gap) < 0 ||
	    clo_store_head(own, boot, &next, digest) < 0)
		_exit(1);
	for (;; next++) {
		if (append_to(own, boot, next, "", ENVELOPE("AAAA")) < 0 ||
		    write(fd, &next, sizeof(next)) != sizeof(next))
			_exit(2);
		(void)clo_store_run_alive(own, NOW);
	}
}

/* Kill a child after some commits; gives the last sequence it told. */
static uint64_t kill_after(const char *boot, int commits)
{
	uint64_t last = 0;
	uint64_t told;
	int pipefd[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		append_until_killed(boot, pipefd[1]);

	close(pipefd[1]);
	for (int i = 0; i < commits; i++)
		assert_int_equal(read(pipefd[0], &last, sizeof(last)),
				 sizeof(last));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(pipefd[0], &told, sizeof(told)) == sizeof(told))
		last = told;
	close(pipefd[0]);
	return last;
}

static void test_kill_at_any_time_loses_nothing(void **state)
{
	unsigned seed = 20260102;
	struct clo_gap gap;

	(void)state;
	clo_store_free(store);
	store = NULL;
	for (int i = 0; i < KILLS; i++) {
		uint64_t told = kill_after("b", rand_r(&seed) % 12);
		uint64_t count;
		uint64_t next;
		uint8_t digest[32];

		assert_int_equal(clo_store_open(path, &signer, &store), 0);
		assert_int_equal(clo_store_head(store, "b", &next, digest), 0);
		assert_int_equal(clo_store_count(store, &count), 0);
		/* Unique and from 0, so as many as the head: none missing. */
		assert_int_equal(count, next);
		if (told > 0)
			assert_true(next > told);
		clo_store_free(store);
		store = NULL;
	}
	assert_int_equal(clo_store_open(path, &signer, &store), 0);
	assert_int_equal(clo_store_run_begin(store, "b", NOW + 60, &gap), 0);
	assert_int_equal(gap.from, NOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files_are_private),
		TEST(test_records_come_back),
		TEST(test_no_record_no_latest),
		TEST(test_latest_is_of_a_kind_that_stands),
		TEST(test_a_sequence_is_taken_once),
		TEST(test_records_that_cannot_be),
		TEST(test_text_is_data),
		TEST(test_foreign_files_are_refused),
		TEST(test_other_versions_are_refused),
		TEST(test_files_of_others_are_refused),
		TEST(test_links_and_pipes_are_refused),
		TEST(test_damage_is_noticed),
		TEST(test_kill_at_any_time_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
