/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/diff.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char *diff(const char *a, const char *b, int *ret_r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	*ret_r = clo_diff_unified(a, b, "old", "new", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_diff(const char *a, const char *b, const char *expected)
{
	int r;
	char *text = diff(a, b, &r);

	assert_string_equal(text, expected);
	assert_int_equal(r, *expected ? 1 : 0);
	free(text);
}

static void test_same(void **state)
{
	(void)state;
	assert_diff("", "", "");
	assert_diff("x\ny\n", "x\ny\n", "");
}

static void test_small(void **state)
{
	(void)state;
	assert_diff("a\nb\nc\n", "a\nB\nc\n",
		    "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
	assert_diff("", "x\n", "--- old\n+++ new\n@@ -0,0 +1 @@\n+x\n");
	assert_diff("x\n", "", "--- old\n+++ new\n@@ -1 +0,0 @@\n-x\n");
	assert_diff("x", "x\n",
		    "--- old\n+++ new\n@@ -1 +1 @@\n-x\n"
		    "\\ No newline at end of file\n+x\n");
}

static void test_context(void **state)
{
	(void)state;
	assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n",
		    "1\n2\n3\n4\nV\n6\n7\n8\n9\n",
		    "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n"
		    " 6\n 7\n 8\n");
	/* six lines between two changes join them, seven do not */
	assert_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
		    "--- old\n+++ new\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n"
		    " 4\n 5\n 6\n-b\n+B\n");
	assert_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n",
		    "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
		    "--- old\n+++ new\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
		    "@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static char *get(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(text);
	text[fread(text, 1, 65535, file)] = '\0';
	(void)fclose(file);
	return text;
}

static void random_text(unsigned int *seed, char *to)
{
	int n = rand_r(seed) % 40;

	for (int i = 0; i < n; i++) {
		*to++ = (char)('a' + rand_r(seed) % 4);
		*to++ = '\n';
	}
	if (n > 0 && rand_r(seed) % 4 == 0)
		to--;
	*to = '\0';
}

/* Another program's opinion: what patch(1) makes of a and the diff is b. */
static void test_patch(void **state)
{
	char dir[] = "/tmp/clo-diff-XXXXXX";
	unsigned int seed = 7;

	(void)state;
	if (access("/usr/bin/patch", X_OK) < 0)
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	for (int i = 0; i < 200; i++) {
		char a[128], b[128];
		char *text;
		int r;

		random_text(&seed, a);
		random_text(&seed, b);
		text = diff(a, b, &r);
		assert_int_equal(r, strcmp(a, b) != 0);
		put("a", a);
		put("d", text);
		free(text);
		/* NOLINTNEXTLINE(cert-env33-c): two fixed words */
		assert_int_equal(system("patch -s -o b a d || : >b"), 0);
		text = r ? get("b") : strdup(a);
		assert_string_equal(text, b);
		free(text);
	}
	(void)unlink("a");
	(void)unlink("b");
	(void)unlink("d");
	(void)unlink("b.rej");
	(void)unlink("b.orig");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Beyond the table: still right. */
static void test_large(void **state)
{
	enum {
		N = 6000
	};

	char *a = malloc((size_t)N * 8), *b = malloc((size_t)N * 8), *text;
	char *at_a = a, *at_b = b;
	size_t removed = 0, added = 0;
	int r;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	for (int i = 0; i < N; i++) {
		at_a += sprintf(at_a, "%d\n", i);
		at_b += sprintf(at_b, "%d\n", i % 2 ? i : i + N);
	}
	text = diff(a, b, &r);
	assert_int_equal(r, 1);
	for (const char *at = strchr(text, '@'); at; at = strchr(at, '\n')) {
		at += *at == '\n';
		removed += *at == '-';
		added += *at == '+';
		if (!*at)
			break;
		at += *at == '@';
	}
	assert_int_equal(removed, added);
	assert_in_range(removed, N / 2, N);
	free(text);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),    cmocka_unit_test(test_small),
		cmocka_unit_test(test_context), cmocka_unit_test(test_patch),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
