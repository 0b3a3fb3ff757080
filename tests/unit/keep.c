/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attest/sha256.h"
#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "check.h"
#include "policy/parse.h"

#define THEN 1767225600
#define ABC "ABCDEF0123456789"

static char dir[32];
static json_t *loaded;
static time_t accepted;
static char file[CLO_KEEP_FILE];

static const char *in_dir(const char *name)
{
	static char path[160];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Where a text is kept; good until the next call but one. */
static const char *kept(const char *text, const char *suffix)
{
	static char names[2][96];
	static unsigned int turn;
	char digest[CLO_SHA256_HEX];
	char *name = names[turn++ % 2];

	assert_int_equal(clo_sha256_hex(text, strlen(text), digest), 0);
	(void)snprintf(name, sizeof(names[0]), "policy/%s%s", digest, suffix);
	return name;
}

static int set_up(void **state)
{
	(void)state;
	accepted = 7;
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-keep-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(loaded);
	loaded = NULL;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool exists(const char *name)
{
	return faccessat(AT_FDCWD, in_dir(name), F_OK, AT_SYMLINK_NOFOLLOW) ==
	       0;
}

static struct stat stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(in_dir(name), &st), 0);
	return st;
}

static void write_text(const char *name, const char *text)
{
	assert_int_equal(clo_file_write(in_dir(name), text, strlen(text)), 0);
}

/* Documents a.json, b.json ... of these texts. */
static json_t *documents_of(const char *const *texts, size_t n)
{
	json_t *documents = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			documents,
			json_pack("{s:o, s:s}", "name",
				  json_sprintf("%c.json", (int)('a' + i)),
				  "text", texts[i]));
	return documents;
}

#define DOCUMENTS(...)                                                         \
	documents_of((const char *const[]){__VA_ARGS__},                       \
		     CLO_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

/* Takes documents. */
static int save(json_t *documents, time_t when)
{
	int r = clo_keep_save(dir, documents, when);

	json_decref(documents);
	return r;
}

static int load(void)
{
	json_decref(loaded);
	loaded = NULL;
	accepted = 7;
	return clo_keep_load(dir, &loaded, &accepted, file);
}

/* Takes documents. */
static void assert_kept(json_t *documents)
{
	assert_int_equal(load(), 0);
	assert_true(json_equal(loaded, documents));
	json_decref(documents);
}

static size_t count_texts(void)
{
	DIR *texts = opendir(in_dir("policy"));
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(texts);
	while ((entry = readdir(texts)))
		n += entry->d_name[0] != '.';
	(void)closedir(texts);
	return n;
}

static void test_saved_and_loaded(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) { /* also over the one before */
		assert_int_equal(
			save(DOCUMENTS("{1}", "\"\xc3\xa9\"\n", ""), THEN + i),
			0);
		assert_kept(DOCUMENTS("{1}", "\"\xc3\xa9\"\n", ""));
		assert_int_equal(accepted, THEN + i);
	}
	assert_int_equal(stat_of("policy.json").st_mode & 07777, 0600);
	assert_int_equal(stat_of("policy").st_mode & 07777, 0700);
	assert_int_equal(stat_of(kept("{1}", "")).st_mode, S_IFREG | 0600);
	assert_int_equal(stat_of(kept("{1}", "")).st_size, 3);
	assert_false(exists("policy.json.new"));
	assert_false(exists(kept("{1}", ".new")));

	clo_keep_forget(dir);
	assert_int_equal(load(), -ENOENT);
	assert_null(loaded);
	assert_int_equal(accepted, 7);
	assert_false(exists("policy"));
}

/* For the next one on a full disk. */
static void test_room_is_held(void **state)
{
	CLO_AUTO_MEM char *text = malloc(CLO_DOCUMENT_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', CLO_DOCUMENT_MAX - 1);
	text[CLO_DOCUMENT_MAX - 1] = '\0';
	assert_int_equal(save(DOCUMENTS("{}", text), THEN), 0);
	assert_true(stat_of("reserve").st_blocks * 512 >= 1 << 20);
	assert_int_equal(stat_of("reserve").st_mode & 07777, 0600);
	clo_keep_sweep(dir);
	assert_true(stat_of("reserve").st_blocks * 512 >=
		    (blkcnt_t)(2 * CLO_DOCUMENT_MAX));
}

static void test_what_is_no_document(void **state)
{
	static const char *const lists[] = {
		"{}",
		"[1]",
		"[{\"name\": \"a\"}]",
		"[{\"text\": \"\"}]",
		"[{\"name\": 1, \"text\": \"\"}]",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(lists); i++)
		assert_int_equal(save(json_loads(lists[i], 0, NULL), THEN),
				 -EINVAL);
	assert_false(exists("policy.json"));
}

static void test_only_new_texts_are_written(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(save(DOCUMENTS("same", "old", "same"), THEN), 0);
	assert_int_equal(count_texts(), 2);
	before = stat_of(kept("same", ""));
	assert_int_equal(save(DOCUMENTS("new", "same"), THEN), 0);
	after = stat_of(kept("same", ""));
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_ctim, &after.st_ctim,
			    sizeof(before.st_ctim));

	/* what is no longer named stays until the new ones are in force */
	assert_int_equal(count_texts(), 3);
	assert_true(exists(kept("old", "")));
	clo_keep_sweep(dir);
	assert_int_equal(count_texts(), 2);
	assert_false(exists(kept("old", "")));
	assert_kept(DOCUMENTS("new", "same"));
}

/* One that the kernel refused: the old ones are there, and only they stay. */
static void test_saved_back(void **state)
{
	struct stat before;

	(void)state;
	assert_int_equal(save(DOCUMENTS("a", "old"), THEN), 0);
	before = stat_of(kept("old", ""));
	assert_int_equal(save(DOCUMENTS("a", "refused"), THEN), 0);
	assert_int_equal(save(DOCUMENTS("a", "old"), THEN), 0);
	assert_int_equal(stat_of(kept("old", "")).st_ino, before.st_ino);
	clo_keep_sweep(dir);
	assert_false(exists(kept("refused", "")));
	assert_kept(DOCUMENTS("a", "old"));
}

static void test_a_text_that_is_cut_short_is_written_anew(void **state)
{
	(void)state;
	assert_int_equal(save(DOCUMENTS("whole"), THEN), 0);
	assert_int_equal(truncate(in_dir(kept("whole", "")), 3), 0);
	assert_int_equal(save(DOCUMENTS("whole"), THEN), 0);
	assert_kept(DOCUMENTS("whole"));

	/* a link is no text, wherever it leads */
	write_text("elsewhere", "whole");
	assert_int_equal(unlink(in_dir(kept("whole", ""))), 0);
	assert_int_equal(symlink("../elsewhere", in_dir(kept("whole", ""))), 0);
	assert_int_equal(load(), -EBADMSG);
	assert_int_equal(save(DOCUMENTS("whole"), THEN), 0);
	assert_kept(DOCUMENTS("whole"));
}

static void test_a_damaged_text_is_refused(void **state)
{
	static const char *const wrong[] = {"", "{a", "{b}", "{a}\n"};

	(void)state;
	assert_int_equal(save(DOCUMENTS("{a}", "{}"), THEN), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(wrong); i++) {
		write_text(kept("{a}", ""), wrong[i]);
		assert_int_equal(load(), -EBADMSG);
		assert_null(loaded);
		assert_int_equal(accepted, 7);
		assert_non_null(strstr(file, kept("{a}", "")));
		assert_non_null(strstr(file, "(a.json)"));
	}
	write_text(kept("{a}", ""), "{a}");
	assert_kept(DOCUMENTS("{a}", "{}"));
}

static void test_a_missing_text_is_refused(void **state)
{
	(void)state;
	assert_int_equal(save(DOCUMENTS("{a}", "{}"), THEN), 0);
	assert_int_equal(unlink(in_dir(kept("{}", ""))), 0);
	assert_int_equal(load(), -EBADMSG);
	assert_non_null(strstr(file, "(b.json)"));
	assert_int_equal(mkdir(in_dir(kept("{}", "")), 0700), 0);
	assert_int_equal(load(), -EBADMSG);
	assert_int_equal(rmdir(in_dir(kept("{}", ""))), 0);
	assert_int_equal(unlink(in_dir(kept("{a}", ""))), 0);
	assert_int_equal(rmdir(in_dir("policy")), 0);
	assert_int_equal(load(), -EBADMSG);
}

/* One more document of that many bytes, which is on the disk. */
static void add_large(json_t *index, size_t len)
{
	CLO_AUTO_MEM char *text = malloc(len);
	char digest[CLO_SHA256_HEX];
	char name[96];

	assert_non_null(text);
	memset(text, 'x', len);
	assert_int_equal(clo_sha256_hex(text, len, digest), 0);
	(void)snprintf(name, sizeof(name), "policy/%s", digest);
	assert_int_equal(clo_file_write(in_dir(name), text, len), 0);
	(void)json_array_append_new(
		json_object_get(index, "documents"),
		json_pack("{s:s, s:s}", "name", "x", "sha256", digest));
	assert_int_equal(json_dump_file(index, in_dir("policy.json"), 0), 0);
}

static void test_what_is_too_large_is_refused(void **state)
{
	json_auto_t *index =
		json_pack("{s:i, s:[]}", "accepted", 1, "documents");

	(void)state;
	assert_int_equal(mkdir(in_dir("policy"), 0700), 0);
	for (size_t i = 0; i < CLO_POLICY_MAX / CLO_DOCUMENT_MAX; i++)
		add_large(index, CLO_DOCUMENT_MAX);
	assert_int_equal(load(), 0);
	add_large(index, 1);
	assert_int_equal(load(), -EFBIG);
	(void)json_array_clear(json_object_get(index, "documents"));
	add_large(index, CLO_DOCUMENT_MAX + 1);
	assert_int_equal(load(), -EBADMSG);
}

static void test_foreign_files_are_left_alone(void **state)
{
	static const char *const foreign[] = {
		"policy/README",           "policy/abc",      "policy/.new",
		"policy/" ABC ABC ABC ABC, "policy/0123.new",
	};

	(void)state;
	assert_int_equal(save(DOCUMENTS("a", "b"), THEN), 0);
	for (size_t i = 0; i < CLO_ARRAY_LEN(foreign); i++)
		write_text(foreign[i], "");
	assert_int_equal(mkdir(in_dir(kept("dir", "")), 0700), 0);
	assert_int_equal(symlink("README", in_dir(kept("link", ""))), 0);
	write_text(kept("lost", ""), "lost");
	write_text(kept("lost", ".new"), "lo");
	clo_keep_sweep(dir);
	assert_false(exists(kept("lost", "")));
	assert_false(exists(kept("lost", ".new")));
	assert_kept(DOCUMENTS("a", "b"));

	/* which text is needed nobody knows then */
	write_text("policy.json", "{");
	clo_keep_sweep(dir);
	assert_true(exists(kept("a", "")) && exists(kept("b", "")));

	clo_keep_forget(dir);
	assert_false(exists(kept("a", "")));
	for (size_t i = 0; i < CLO_ARRAY_LEN(foreign); i++)
		assert_true(exists(foreign[i]));
	assert_true(exists(kept("dir", "")));
	assert_true(exists(kept("link", "")));
}

/* As earlier versions kept it. */
static void test_texts_inside_policy_json(void **state)
{
	(void)state;
	write_text("policy.json",
		   "{\"accepted\": 5, \"documents\": [{\"name\": \"a.json\", "
		   "\"text\": \"{\\\"x\\\"}\\n\"}, {\"name\": \"b.json\", "
		   "\"text\": \"b\"}]}");
	assert_kept(DOCUMENTS("{\"x\"}\n", "b"));
	assert_int_equal(accepted, 5);
	clo_keep_sweep(dir);
	assert_kept(DOCUMENTS("{\"x\"}\n", "b"));

	assert_int_equal(clo_keep_save(dir, loaded, accepted), 0);
	assert_int_equal(count_texts(), 2);
	assert_kept(DOCUMENTS("{\"x\"}\n", "b"));
	assert_int_equal(accepted, 5);
}

/* A save that was cut off: what was there before is what is there. */
static void test_a_half_written_file_is_ignored(void **state)
{
	(void)state;
	write_text("policy.json.new", "{\"accepted\": 1, \"docum");
	assert_int_equal(load(), -ENOENT);
	assert_int_equal(save(DOCUMENTS("a"), THEN), 0);
	write_text("policy.json.new", "{\"accepted\": 1, \"docum");
	write_text(kept("b", ".new"), "half");
	assert_kept(DOCUMENTS("a"));
	assert_int_equal(save(DOCUMENTS("b"), THEN), 0);
	assert_kept(DOCUMENTS("b"));
}

static void test_a_save_that_fails_changes_nothing(void **state)
{
	json_auto_t *none = json_array();

	(void)state;
	assert_int_equal(clo_keep_save("/nonexistent", none, 1), -ENOENT);
	assert_int_equal(save(DOCUMENTS("a", "b"), THEN), 0);

	/* a link planted in its way is not followed */
	assert_int_equal(symlink("elsewhere", in_dir("policy.json.new")), 0);
	assert_int_equal(save(DOCUMENTS("a", "c"), THEN + 1), -ELOOP);
	assert_false(exists("elsewhere"));
	assert_kept(DOCUMENTS("a", "b"));
	assert_int_equal(accepted, THEN);
	assert_int_equal(unlink(in_dir("policy.json.new")), 0);

	assert_int_equal(symlink("../elsewhere", in_dir(kept("d", ".new"))), 0);
	assert_int_equal(save(DOCUMENTS("a", "d"), THEN + 1), -ELOOP);
	assert_false(exists("elsewhere"));
	assert_kept(DOCUMENTS("a", "b"));
}

/* Texts that came to nothing give back the room that they took. */
static void test_no_room_for_a_text(void **state)
{
	const struct rlimit little = {1000, RLIM_INFINITY};
	struct rlimit before;
	char text[2001];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(save(DOCUMENTS("a", "b"), THEN), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(save(DOCUMENTS("c", text, "e"), THEN), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_kept(DOCUMENTS("a", "b"));
	assert_int_equal(count_texts(), 2);
	assert_int_equal(save(DOCUMENTS("c", text, "e"), THEN), 0);
	assert_kept(DOCUMENTS("c", text, "e"));
}

static void test_a_damaged_index_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"accepted\": 1}",
		"{\"documents\": []}",
		"{\"accepted\": \"1\", \"documents\": []}",
		"{\"accepted\": 1, \"documents\": {}}",
		"{\"accepted\": 1, \"accepted\": 2, \"documents\": []}",
		"{\"accepted\": 1, \"documents\": []} trailing",
		"{\"accepted\": 1, \"documents\": [1]}",
		"{\"accepted\": 1, \"documents\": [{\"name\": \"a\"}]}",
		"{\"accepted\": 1, \"documents\": [{\"text\": \"a\"}]}",
		"{\"accepted\": 1, \"documents\": [{\"name\": \"a\", \"sha256\": \"..\"}]}",
		"{\"accepted\": 1, \"documents\": [{\"name\": \"a\", \"sha256\": 7}]}",
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		write_text("policy.json", texts[i]);
		if (load() != -EBADMSG)
			fail_msg("loaded: %s", texts[i]);
		assert_null(loaded);
		assert_int_equal(accepted, 7);
		assert_string_equal(file, "policy.json");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_saved_and_loaded),
		TEST(test_room_is_held),
		TEST(test_what_is_no_document),
		TEST(test_only_new_texts_are_written),
		TEST(test_saved_back),
		TEST(test_a_text_that_is_cut_short_is_written_anew),
		TEST(test_a_damaged_text_is_refused),
		TEST(test_a_missing_text_is_refused),
		TEST(test_what_is_too_large_is_refused),
		TEST(test_foreign_files_are_left_alone),
		TEST(test_texts_inside_policy_json),
		TEST(test_a_half_written_file_is_ignored),
		TEST(test_a_save_that_fails_changes_nothing),
		TEST(test_no_room_for_a_text),
		TEST(test_a_damaged_index_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
