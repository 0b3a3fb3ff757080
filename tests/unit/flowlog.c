/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/flowlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define NOON ((time_t)1767268800) /* 2026-01-01T12:00:00Z */
#define DAY 86400
#define LINE "{\"n\":%zu,\"x\":\"0123456789012345678901234567890123456789\"}"

static char base[] = "/tmp/clo-flowlog-XXXXXX";
static char dir[sizeof(base) + 8];
static struct clo_flowlog *flowlog;
static char names[64][256]; /* of the files, as list() found them, sorted */
static size_t n_names;

static void open_log(uint64_t file_bytes, unsigned int days, uint64_t total)
{
	const struct clo_flowlog_limits limits = {file_bytes, days, total};

	assert_int_equal(clo_flowlog_new(dir, &limits, &flowlog), 0);
}

static void close_log(void)
{
	clo_flowlog_free(flowlog);
	flowlog = NULL;
}

static const char *path_of(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%.255s", dir, name);
	return path;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list(void)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	n_names = 0;
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			(void)snprintf(names[n_names++], sizeof(names[0]), "%s",
				       entry->d_name);
	if (d)
		(void)closedir(d);
	qsort(names, n_names, sizeof(names[0]), by_name);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/clo-flowlog-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/flows", base);
	return 0;
}

static int tear_down(void **state)
{

	(void)state;
	close_log();
	list();
	for (size_t i = 0; i < n_names; i++) {
		(void)unlink(path_of(names[i]));
	}
	(void)rmdir(dir);
	return rmdir(base);
}

static void put(size_t number, time_t now)
{
	char text[128];
	int n = snprintf(text, sizeof(text), LINE, number);

	clo_flowlog_put(flowlog, text, (size_t)n, now);
}

static char *content(const char *name)
{
	static char text[1 << 20];
	FILE *file;
	size_t n;

	file = fopen(path_of(name), "re");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	return text;
}

/* Every line of every file is whole; the sum of `n`s that were found. */
static size_t count_lines(void)
{
	size_t lines = 0;

	list();
	for (size_t i = 0; i < n_names; i++) {
		char *rest = content(names[i]);
		const char *line;

		while ((line = strsep(&rest, "\n")) && rest) {
			json_t *object = json_loads(line, 0, NULL);

			assert_non_null(object);
			json_decref(object);
			lines++;
		}
		assert_string_equal(line, ""); /* ends in a newline */
	}
	return lines;
}

static json_int_t status(const char *key)
{
	json_auto_t *object = clo_flowlog_status(flowlog);

	return json_integer_value(json_object_get(object, key));
}

static bool failing(void)
{
	json_auto_t *object = clo_flowlog_status(flowlog);

	return json_is_string(json_object_get(object, "error"));
}

static void test_lines_wait_for_a_flush(void **state)
{
	struct stat st;

	(void)state;
	open_log(1 << 20, 30, 1 << 24);
	(void)umask(0);
	put(1, NOON);
	list();
	assert_int_equal(n_names, 0);
	clo_flowlog_flush(flowlog, NOON);
	assert_int_equal(count_lines(), 1);
	assert_int_equal(status("records"), 1);
	assert_int_equal(status("bytes"), strlen(content("current.jsonl")));

	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(path_of("current.jsonl"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_a_full_buffer_is_flushed(void **state)
{
	size_t n = CLO_FLOWLOG_BUFFER / 50 + 1;

	(void)state;
	open_log(1 << 20, 30, 1 << 24);
	for (size_t i = 0; i < n; i++)
		put(i, NOON);
	assert_true(count_lines() > 0);
	assert_int_equal(status("lost"), 0);
	clo_flowlog_flush(flowlog, NOON);
	assert_int_equal(count_lines(), n);
}

static void test_none_writes_nothing(void **state)
{
	(void)state;
	open_log(0, 30, 1 << 24);
	assert_false(clo_flowlog_enabled(flowlog));
	put(1, NOON);
	clo_flowlog_flush(flowlog, NOON);
	assert_int_equal(access(dir, F_OK), -1);
}

static void test_rotates_by_size(void **state)
{
	(void)state;
	open_log(1000, 30, 1 << 20);
	for (size_t i = 0; i < 100; i++) {
		put(i, NOON);
		clo_flowlog_flush(flowlog, NOON);
	}
	assert_int_equal(count_lines(), 100);
	assert_true(n_names > 5);
	assert_string_equal(names[0], "20260101-00000000.jsonl");
	assert_string_equal(names[1], "20260101-00000001.jsonl");
	assert_string_equal(names[n_names - 1], "current.jsonl");
	for (size_t i = 0; i < n_names; i++)
		assert_in_range(strlen(content(names[i])), 1, 1000);
	assert_int_equal(status("files"), n_names);
}

static void test_rotates_daily(void **state)
{
	(void)state;
	open_log(1 << 20, 30, 1 << 24);
	put(1, NOON);
	clo_flowlog_flush(flowlog, NOON);
	clo_flowlog_flush(flowlog, NOON + DAY / 2 - 1); /* 23:59:59 */
	list();
	assert_int_equal(n_names, 1);
	clo_flowlog_flush(flowlog, NOON + DAY / 2); /* without a record */
	list();
	assert_int_equal(n_names, 2);
	assert_string_equal(names[0], "20260101-00000000.jsonl");
	put(2, NOON + DAY);
	clo_flowlog_flush(flowlog, NOON + DAY);
	clo_flowlog_flush(flowlog, NOON + DAY + DAY);
	list();
	assert_string_equal(names[1], "20260102-00000001.jsonl");
	assert_int_equal(count_lines(), 2);
}

static void test_keeps_so_many_days(void **state)
{
	(void)state;
	open_log(1 << 20, 3, 0);
	for (time_t day = 0; day < 10; day++) {
		put((size_t)day, NOON + day * DAY);
		clo_flowlog_flush(flowlog, NOON + day * DAY);
	}
	list();
	assert_int_equal(n_names, 4);
	assert_string_equal(names[0], "20260107-00000006.jsonl");
}

static void touch(const char *name)
{
	int fd;

	fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 5000), 0);
	(void)close(fd);
}

static void test_keeps_so_many_bytes_of_its_own_files(void **state)
{
	static const char *const strange[] = {
		"20260101-1.jsonl", "20260101-00000001.jsonl.gz", "notes.txt",
		"2026x101-00000001.jsonl"};
	size_t total = 0, n = 0;

	(void)state;
	assert_int_equal(mkdir(dir, 0750), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(strange); i++)
		touch(strange[i]);
	open_log(1000, 30, 4000);
	for (size_t i = 0; i < 500; i++) {
		put(i, NOON);
		clo_flowlog_flush(flowlog, NOON);
	}
	list();
	for (size_t i = 0; i < n_names; i++) {
		size_t len = strlen(names[i]);
		bool ours = strcmp(names[i], "current.jsonl") == 0 ||
			    (len == 23 && names[i][4] == '0');

		total += ours ? strlen(content(names[i])) : 0;
		n += !ours;
	}
	assert_int_equal(n, CLO_ARRAY_LEN(strange));
	assert_in_range(total, 2000, 4000);
	/* the oldest went, the newest stayed */
	assert_non_null(strstr(content("current.jsonl"), "\"n\":499"));
	assert_true(access(dir, F_OK) == 0 &&
		    strcmp(names[0], "20260101-00000001.jsonl.gz") == 0);
}

static void append_raw(const char *text)
{
	FILE *file;

	file = fopen(path_of("current.jsonl"), "ae");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_a_torn_line_is_cut(void **state)
{
	static char torn[10000];

	(void)state;
	open_log(1 << 20, 30, 1 << 24);
	put(1, NOON);
	close_log();
	append_raw("{\"n\":2,\"torn");
	open_log(1 << 20, 30, 1 << 24);
	put(3, NOON);
	close_log();
	assert_int_equal(count_lines(), 2);
	assert_null(strstr(content("current.jsonl"), "torn"));

	/* longer than what is read at once */
	memset(torn, 'x', sizeof(torn) - 1);
	torn[sizeof(torn) - 1] = '\0';
	append_raw(torn);
	open_log(1 << 20, 30, 1 << 24);
	put(4, NOON);
	close_log();
	assert_int_equal(count_lines(), 3);
}

static void test_a_file_of_one_torn_line_is_emptied(void **state)
{
	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	append_raw("no newline");
	open_log(1 << 20, 30, 1 << 24);
	put(1, NOON);
	close_log();
	assert_int_equal(count_lines(), 1);
}

/* Numbers go on where the last run ended, and nothing is overwritten. */
static void test_goes_on_after_a_kill(void **state)
{
	int exit;
	pid_t child;

	(void)state;
	for (int run = 0; run < 3; run++) {
		child = fork();
		if (child == 0) {
			open_log(1000, 30, 1 << 20);
			for (size_t i = 0; i < 50; i++) {
				put(i, NOON);
				clo_flowlog_flush(flowlog, NOON);
			}
			put(50, NOON); /* waits in the buffer: goes with it */
			(void)kill(getpid(), SIGKILL);
		}
		assert_int_equal(waitpid(child, &exit, 0), child);
		assert_true(WIFSIGNALED(exit));
	}
	assert_int_equal(count_lines(), 150);
}

/* A file that may grow no further stands for a full disk. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_full_disk_is_counted(void **state)
{
	json_auto_t *last = NULL;
	const char *text;
	size_t fit, n = 0;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	open_log(1 << 24, 30, 1 << 28);
	put(0, NOON);
	clo_flowlog_flush(flowlog, NOON);
	limit_files(100);
	for (n = 1; status("lost") < 100; n++)
		put(n, NOON);
	fit = n - 100;
	clo_flowlog_flush(flowlog, NOON + 1);
	clo_flowlog_flush(flowlog, NOON + 2);
	assert_true(failing());
	assert_int_equal(status("errors"), 3);
	assert_int_equal(status("records"), 1);
	assert_int_equal(count_lines(), 1); /* nothing torn */

	limit_files(RLIM_INFINITY);
	clo_flowlog_flush(flowlog, NOON + 3);
	assert_false(failing());
	assert_int_equal(status("lost"), 100);
	assert_int_equal(count_lines(), fit + 1);
	text = strrchr(content("current.jsonl"), '{');
	last = json_loads(text, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(last, "records")),
			 100);
	assert_string_equal(json_string_value(json_object_get(last, "kind")),
			    "lost");
}

static void test_a_directory_may_come_later(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/f", base);
	assert_int_equal(symlink("/nowhere", dir), 0);
	open_log(1 << 20, 30, 1 << 24);
	put(1, NOON);
	clo_flowlog_flush(flowlog, NOON);
	assert_true(failing());
	assert_int_equal(unlink(dir), 0);
	clo_flowlog_flush(flowlog, NOON);
	assert_false(failing());
	assert_int_equal(count_lines(), 1);
}

static void test_what_is_taken_away_is_made_again(void **state)
{

	(void)state;
	open_log(100, 30, 1 << 24);
	put(1, NOON);
	clo_flowlog_flush(flowlog, NOON);
	assert_int_equal(unlink(path_of("current.jsonl")), 0);
	put(2, NOON);
	clo_flowlog_flush(flowlog, NOON);
	assert_false(failing());
	assert_non_null(strstr(content("current.jsonl"), "\"n\":2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines_wait_for_a_flush),
		TEST(test_a_full_buffer_is_flushed),
		TEST(test_none_writes_nothing),
		TEST(test_rotates_by_size),
		TEST(test_rotates_daily),
		TEST(test_keeps_so_many_days),
		TEST(test_keeps_so_many_bytes_of_its_own_files),
		TEST(test_a_torn_line_is_cut),
		TEST(test_a_file_of_one_torn_line_is_emptied),
		TEST(test_goes_on_after_a_kill),
		TEST(test_a_full_disk_is_counted),
		TEST(test_a_directory_may_come_later),
		TEST(test_what_is_taken_away_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
