/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/sandbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

#define UUID "5eed0000-0000-4000-8000-00000000000f"
#define HEAD "cloison-sandbox 1\nuid 200001\ngid 200002\nfilter allow\n"

static struct clo_sandbox_file file;
static unsigned int line;

static int parse(const char *text)
{
	return clo_sandbox_file_parse(text, strlen(text), &file, &line);
}

static void test_parse(void **state)
{
	(void)state;
	assert_int_equal(parse(HEAD "read /srv/bases\nwrite /srv/own dir\n"),
			 0);
	assert_int_equal(file.uid, 200001);
	assert_int_equal(file.gid, 200002);
	assert_true(file.allow_list);
	assert_int_equal(file.n_paths, 2);
	assert_false(file.paths[0].writable);
	assert_string_equal(file.paths[0].path, "/srv/bases");
	assert_true(file.paths[1].writable);
	assert_string_equal(file.paths[1].path, "/srv/own dir");

	assert_int_equal(
		parse("cloison-sandbox 1\nfilter deny\ngid 7\nuid 8\n"), 0);
	assert_false(file.allow_list);
	assert_int_equal(file.n_paths, 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
	} cases[] = {
		{"", 0},
		{"\n", 1},
		{"cloison-sandbox 2\n", 1},
		{"cloison-sandbox 1 \n", 1},
		{"cloison-sandbox 1\n", 1},
		{"uid 1\ngid 1\nfilter allow\n", 1},
		{"cloison-sandbox 1\nuid 1\ngid 1\n", 3},
		{"cloison-sandbox 1\nuid 1\nfilter allow\n", 3},
		{"cloison-sandbox 1\ngid 1\nfilter allow\n", 3},
		{"cloison-sandbox 1\nuid 1\ngid 1\nfilter allow", 4},
		{HEAD "\n", 5},
		{HEAD "unknown /srv\n", 5},
		{HEAD "write\n", 5},
		{HEAD "write \n", 5},
		{HEAD "WRITE /srv\n", 5},
		{HEAD "filter deny\n", 5},
		{HEAD "uid 200001\n", 5},
		{HEAD "cloison-sandbox 1\n", 5},
		{HEAD "read /a\nread srv\n", 6},
		{"cloison-sandbox 1\nuid 0\n", 2},
		{"cloison-sandbox 1\nuid -1\n", 2},
		{"cloison-sandbox 1\nuid +1\n", 2},
		{"cloison-sandbox 1\nuid 01\n", 2},
		{"cloison-sandbox 1\nuid 1x\n", 2},
		{"cloison-sandbox 1\nuid 4294967295\n", 2},
		{"cloison-sandbox 1\nuid 4294967297\n", 2},
		{"cloison-sandbox 1\nuid 18446744073709551617\n", 2},
		{"cloison-sandbox 1\nfilter none\n", 2},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		if (parse(cases[i].text) != -EINVAL || line != cases[i].line)
			fail_msg("case %zu, line %u: %s", i, line,
				 cases[i].text);
	}
	assert_int_equal(clo_sandbox_file_parse(HEAD "\0\n", sizeof(HEAD) + 1,
						&file, &line),
			 -EINVAL);
}

static void test_paths(void **state)
{
	static const char *const bad[] = {
		"",      "/",      "srv",     "./srv",   "/srv/", "//srv",
		"/a//b", "/a/./b", "/a/../b", "/..",     "/a/..", "/.",
		"/a\nb", "/a\tb",  "/\x7f",   "/a/\xc3",
	};
	static const char *const good[] = {
		"/a", "/a/b c", "/a/...", "/a/.b", "/a/..b", "/a/b..", "/a.b"};
	char path[CLO_SANDBOX_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		if (clo_sandbox_path_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++)
		if (!clo_sandbox_path_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[CLO_SANDBOX_PATH_MAX - 1] = '\0';
	assert_true(clo_sandbox_path_valid(path));
	path[CLO_SANDBOX_PATH_MAX - 1] = 'a';
	path[CLO_SANDBOX_PATH_MAX] = '\0';
	assert_false(clo_sandbox_path_valid(path));
}

static void test_uuid(void **state)
{
	static const char *const bad[] = {
		"",
		"5eed0000-0000-4000-8000-00000000000",
		"5eed0000-0000-4000-8000-00000000000f0",
		"5EED0000-0000-4000-8000-00000000000f",
		"5eed0000a0000-4000-8000-00000000000f",
		"../../../../../../../../../../etc/ab",
		"5eed0000-0000-4000-8000-00000000000/",
	};

	(void)state;
	assert_true(clo_sandbox_uuid_valid(UUID));
	for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
		if (clo_sandbox_uuid_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void test_too_many(void **state)
{
	(void)state;
	memset(&file, 0, sizeof(file));
	for (size_t i = 0; i < CLO_SANDBOX_PATHS_MAX; i++)
		assert_int_equal(clo_sandbox_file_add(&file, true, "/a"), 0);
	assert_int_equal(clo_sandbox_file_add(&file, true, "/a"), -E2BIG);
	assert_int_equal(file.n_paths, CLO_SANDBOX_PATHS_MAX);
}

static int make(const char *dir, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/" UUID, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	return close(fd);
}

static int read_from(int dirfd)
{
	return clo_sandbox_file_read(dirfd, UUID, &file, &line);
}

static void check_others(const char *dir, int dirfd)
{
	CLO_AUTO_MEM char *large = calloc(1, CLO_SANDBOX_TEXT_MAX + 2);

	assert_non_null(large);
	memset(large, 'x', CLO_SANDBOX_TEXT_MAX + 1);
	assert_int_equal(make(dir, large, 0640), 0);
	assert_int_equal(read_from(dirfd), -E2BIG);

	assert_int_equal(make(dir, HEAD, 0620), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(make(dir, HEAD, 0602), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(make(dir, HEAD, 0640), 0);
	assert_int_equal(fchownat(dirfd, UUID, 7, 0, 0), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(fchownat(dirfd, UUID, 0, 0, 0), 0);
	assert_int_equal(read_from(dirfd), 0);

	assert_int_equal(fchmod(dirfd, 0777), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(fchmod(dirfd, 0711), 0);
	assert_int_equal(fchown(dirfd, 7, 0), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(fchown(dirfd, 0, 0), 0);

	assert_int_equal(renameat(dirfd, UUID, dirfd, "other"), 0);
	assert_int_equal(read_from(dirfd), -ENOENT);
	assert_int_equal(symlinkat("other", dirfd, UUID), 0);
	assert_int_equal(read_from(dirfd), -ELOOP);
	assert_int_equal(unlinkat(dirfd, UUID, 0), 0);
	assert_int_equal(mkfifoat(dirfd, UUID, 0600), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(unlinkat(dirfd, UUID, 0), 0);
	assert_int_equal(mkdirat(dirfd, UUID, 0700), 0);
	assert_int_equal(read_from(dirfd), -EPERM);
	assert_int_equal(unlinkat(dirfd, UUID, AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(dirfd, "other", 0), 0);
}

static void test_write_and_read(void **state)
{
	static struct clo_sandbox_file out;
	char dir[] = "/tmp/clo-sandbox-XXXXXX";
	CLO_AUTO_FD int dirfd = -1;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dirfd >= 0);
	out = (struct clo_sandbox_file){.uid = 1, .gid = 2};
	assert_int_equal(clo_sandbox_file_add(&out, true, "/a/own"), 0);
	assert_int_equal(clo_sandbox_file_add(&out, false, "/b"), 0);
	assert_int_equal(clo_sandbox_file_write(dirfd, "../" UUID, &out),
			 -EINVAL);
	assert_int_equal(clo_sandbox_file_write(dirfd, UUID, &out), 0);
	assert_int_equal(fstatat(dirfd, UUID, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(read_from(dirfd), 0);
	assert_memory_equal(&file, &out, sizeof(out));
	assert_int_equal(unlinkat(dirfd, UUID, 0), 0);

	check_others(dir, dirfd);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_write_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
