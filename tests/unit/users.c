/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "planted.h"

#define HEAD "# Made by cloisond from the policy in force.\n"
#define ACME                                                                   \
	"u cloison64001 64001 \"acme/production\" - -\n"                       \
	"m cloison64001 kvm\n"                                                 \
	"u cloison64007 64007 \"acme/development\" - -\n"                      \
	"m cloison64007 kvm\n"
#define GLOBEX                                                                 \
	"u cloison2147483646 2147483646 \"globex/test\" - -\n"                 \
	"m cloison2147483646 kvm\n"

static struct clo_tenant_doc tenants[2];
static struct clo_policy policy;
static struct planted planted;

static int set_up(void **state)
{
	(void)state;
	memset(tenants, 0, sizeof(tenants));
	tenants[0].name = "acme";
	tenants[0].scopes[CLO_ENV_PRODUCTION].uid = 64001;
	tenants[0].scopes[CLO_ENV_DEVELOPMENT].uid = 64007;
	tenants[1].name = "globex";
	tenants[1].scopes[CLO_ENV_TEST].uid = 2147483646;
	policy = (struct clo_policy){.tenants = tenants, .n_tenants = 2};
	planted_begin(&planted);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	planted_end(&planted);
	return 0;
}

static void assert_text(const char *expected)
{
	char *text = NULL;

	assert_int_equal(clo_users_text(&policy, &text), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void every_scope_with_a_uid_has_a_user(void **state)
{
	(void)state;
	assert_text(HEAD ACME GLOBEX);
	policy.n_tenants = 1;
	assert_text(HEAD ACME);
	policy.n_tenants = 0;
	assert_text(HEAD);
}

static void the_longest_name_is_one_of_a_user(void **state)
{
	char name[CLO_USERS_NAME_MAX];

	(void)state;
	clo_users_name(UINT32_MAX, name);
	assert_string_equal(name, "cloison4294967295");
	assert_true(strlen(name) <= 31);
}

static void assert_written(const char *expected)
{
	char text[1024];
	struct stat st;

	planted_read(&planted, CLO_USERS_FILE, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_int_equal(
		fstatat(planted.dir, CLO_USERS_FILE, &st, AT_SYMLINK_NOFOLLOW),
		0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(faccessat(planted.dir, CLO_USERS_FILE ".new", F_OK, 0),
			 -1);
}

static void it_is_written_whatever_was_there(void **state)
{
	mode_t before = umask(0077);

	(void)state;
	assert_int_equal(clo_users_write(planted.dir, HEAD ACME), 0);
	assert_written(HEAD ACME);
	/* what a writer that was killed left */
	planted_put(&planted, CLO_USERS_FILE ".new", "u half");
	assert_int_equal(clo_users_write(planted.dir, HEAD GLOBEX), 0);
	assert_written(HEAD GLOBEX);
	planted_put(&planted, CLO_USERS_FILE, HEAD GLOBEX "u more");
	assert_int_equal(clo_users_write(planted.dir, HEAD GLOBEX), 0);
	assert_written(HEAD GLOBEX);
	assert_int_equal(fchmodat(planted.dir, CLO_USERS_FILE, 0666, 0), 0);
	assert_int_equal(clo_users_write(planted.dir, HEAD GLOBEX), 0);
	assert_written(HEAD GLOBEX);
	(void)umask(before);
}

static void a_link_is_replaced_and_not_followed(void **state)
{
	char text[64];

	(void)state;
	planted_put(&planted, "other", "kept");
	assert_int_equal(symlinkat("other", planted.dir, CLO_USERS_FILE), 0);
	assert_int_equal(symlinkat("other", planted.dir, CLO_USERS_FILE ".new"),
			 0);
	assert_int_equal(clo_users_write(planted.dir, HEAD), 0);
	assert_written(HEAD);
	planted_read(&planted, "other", text, sizeof(text));
	assert_string_equal(text, "kept");
}

static ino_t number(void)
{
	struct stat st;

	assert_int_equal(fstatat(planted.dir, CLO_USERS_FILE, &st, 0), 0);
	return st.st_ino;
}

static void the_same_is_not_written_again(void **state)
{
	struct stat st;
	ino_t first;
	int open_one;

	(void)state;
	assert_int_equal(clo_users_write(planted.dir, HEAD ACME), 0);
	first = number();
	/* held, so that no other file gets its number */
	open_one = openat(planted.dir, CLO_USERS_FILE, O_RDONLY | O_CLOEXEC);
	assert_true(open_one >= 0);
	assert_int_equal(clo_users_write(planted.dir, HEAD ACME), 0);
	assert_int_equal(number(), first);
	assert_int_equal(clo_users_write(planted.dir, HEAD), 0);
	assert_int_not_equal(number(), first);
	assert_int_equal(fstat(open_one, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(close(open_one), 0);
}

static void the_directory_is_made_for_users_only(void **state)
{
	mode_t before = umask(0077);
	char path[64];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/sysusers.d", planted.top);
	policy.n_tenants = 0;
	assert_int_equal(clo_users_settle(path, &policy), 0);
	assert_int_equal(access(path, F_OK), -1);
	policy.n_tenants = 2;
	assert_int_equal(clo_users_settle(path, &policy), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	(void)umask(before);
}

static void users_that_are_gone_are_not_in_it(void **state)
{
	(void)state;
	policy.n_tenants = 0;
	assert_int_equal(clo_users_settle(planted.top, &policy), 0);
	assert_int_equal(faccessat(planted.dir, CLO_USERS_FILE, F_OK, 0), -1);
	policy.n_tenants = 2;
	assert_int_equal(clo_users_settle(planted.top, &policy), 0);
	assert_written(HEAD ACME GLOBEX);
	policy.n_tenants = 1;
	assert_int_equal(clo_users_settle(planted.top, &policy), 0);
	assert_written(HEAD ACME);
	policy.n_tenants = 0;
	assert_int_equal(clo_users_settle(planted.top, &policy), 0);
	assert_written(HEAD);
}

static void what_is_in_the_way_is_told(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/link", planted.top);
	assert_int_equal(symlinkat(".", planted.dir, "link"), 0);
	assert_true(clo_users_settle(path, &policy) < 0);
	(void)snprintf(path, sizeof(path), "%s/none/none", planted.top);
	assert_true(clo_users_settle(path, &policy) < 0);
	assert_int_equal(mkdirat(planted.dir, CLO_USERS_FILE, 0755), 0);
	assert_true(clo_users_settle(planted.top, &policy) < 0);
	assert_int_equal(faccessat(planted.dir, CLO_USERS_FILE ".new", F_OK, 0),
			 -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_scope_with_a_uid_has_a_user),
		TEST(the_longest_name_is_one_of_a_user),
		TEST(it_is_written_whatever_was_there),
		TEST(a_link_is_replaced_and_not_followed),
		TEST(the_same_is_not_written_again),
		TEST(the_directory_is_made_for_users_only),
		TEST(users_that_are_gone_are_not_in_it),
		TEST(what_is_in_the_way_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
