/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/accounts.h"

#include <errno.h>
#include <sys/stat.h>

#include "check.h"
#include "planted.h"

#define USERS                                                                  \
	"root:x:0:0:root:/root:/bin/sh\n"                                      \
	"# a remark\n"                                                         \
	"+::::::\n"                                                            \
	"broken\n"                                                             \
	"alice:x:1000:1000::/home/alice:/bin/sh\n"
#define GROUPS "root:x:0:\nalice:x:1000:\n"
#define OWN "cloison64001:x:64001:64001:acme/production:/:/usr/sbin/nologin\n"
#define OWN_GROUP "cloison64001:x:64001:\n"
#define REMEDY                                                                 \
	"systemctl start cloison-users, or systemd-sysusers "                  \
	"/run/sysusers.d/cloison.conf"
#define SHARES(what)                                                           \
	what " 64001, which is of workload acme/production/web-1, and so "     \
	     "shares its files: take it out, or give the environment another " \
	     "uid"
#define MISSING                                                                \
	"user cloison64001: is not in /etc/passwd, so that libvirt gives "     \
	"QEMU no group kvm: " REMEDY
#define NOT_IN_KVM                                                             \
	"user cloison64001: is not in group kvm, which alone may open "        \
	"/dev/kvm: " REMEDY
#define OTHERWISE(ids)                                                         \
	"user cloison64001: is " ids " in /etc/passwd and not 64001:64001: "   \
	"remove it, then " REMEDY

static const struct clo_profile profile = {
	.workload = "acme/production/web-1",
	.uid = 64001,
	.gid = 64001,
};
static struct planted planted;
static struct clo_findings findings;

static int set_up(void **state)
{
	(void)state;
	planted_begin(&planted);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	clo_findings_done(&findings);
	planted_end(&planted);
	return 0;
}

static void look(bool kvm)
{
	const struct clo_accounts accounts = {planted.dir, planted.dir, kvm};

	clo_findings_done(&findings);
	assert_int_equal(clo_accounts_check(&accounts, &profile, &findings), 0);
}

/* Exactly that one, or NULL: none. */
static void finds(bool kvm, const char *expected)
{
	char text[600] = "";

	look(kvm);
	for (size_t i = 0; i < findings.n; i++) {
		assert_string_equal(findings.list[i].control,
				    "sbx.guest-confinement");
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "%s%s: %s", i ? "\n" : "",
			       findings.list[i].where, findings.list[i].text);
	}
	assert_string_equal(text, expected ? expected : "");
}

static void plant(const char *users, const char *groups)
{
	planted_put(&planted, "passwd", users);
	planted_put(&planted, "group", groups);
}

/* A group kvm that is the planted device's, which the test's user owns. */
static void plant_device(const char *members, mode_t mode)
{
	char groups[256];

	planted_put(&planted, "kvm", "");
	assert_int_equal(fchmodat(planted.dir, "kvm", mode, 0), 0);
	(void)snprintf(groups, sizeof(groups), "kvm:x:%u:%s\n" OWN_GROUP,
		       getgid(), members);
	plant(USERS OWN, groups);
}

static void an_emulated_guest_needs_no_user(void **state)
{
	(void)state;
	plant("", "");
	finds(false, NULL);
	plant(USERS, GROUPS);
	finds(false, NULL);
	finds(true, MISSING);
}

static void a_user_must_be_as_the_scope_is(void **state)
{
	static const struct {
		const char *user, *finding;
	} cases[] = {
		{"cloison64001:x:64001:64001::/home/x:/bin/sh\n", NULL},
		{"cloison64001:x:998:64001::/:\n", OTHERWISE("998:64001")},
		{"cloison64001:x:64001:998::/:\n", OTHERWISE("64001:998")},
		{"cloison64001:x:998:997::/:\n", OTHERWISE("998:997")},
		{"cloison6400:x:6400:6400::/:\n", MISSING},
		{"cloison640011:x:640011:640011::/:\n", MISSING},
		{"cloison64001:x:998:998::/:\n" OWN, OTHERWISE("998:998")},
		{OWN "cloison64001:x:998:998::/:\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		plant(cases[i].user, "kvm:x:36:alice,cloison64001\n" OWN_GROUP);
		finds(true, cases[i].finding);
		finds(false, NULL);
	}
}

static void it_is_in_the_group_of_the_device(void **state)
{
	static const struct {
		const char *members;
		mode_t mode;
		const char *finding;
	} cases[] = {
		{"", 0660, NOT_IN_KVM},
		{"alice", 0660, NOT_IN_KVM},
		{"alice,cloison640011", 0660, NOT_IN_KVM},
		{"alice,cloison64001", 0660, NULL},
		{"cloison64001", 0660, NULL},
		{"", 0664, NOT_IN_KVM},
		{"", 0666, NULL},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		plant_device(cases[i].members, cases[i].mode);
		finds(true, cases[i].finding);
		finds(false, NULL);
	}
}

static void another_group_has_the_device(void **state)
{
	char groups[64];

	(void)state;
	planted_put(&planted, "kvm", "");
	(void)snprintf(groups, sizeof(groups), "kvm:x:%u:\n", getgid() + 1);
	plant(OWN, groups);
	finds(true, NULL);
	plant(OWN, OWN_GROUP);
	finds(true, NULL);
}

/* A service with devices of its own does not see it. */
static void a_device_out_of_sight_is_the_groups(void **state)
{
	(void)state;
	plant(OWN, "kvm:x:36:\n");
	finds(true, NOT_IN_KVM);
	plant(OWN, "");
	finds(true, NOT_IN_KVM);
	plant(OWN, "kvm:x:36:cloison64001\n");
	finds(true, NULL);
}

static void nobody_else_has_the_number(void **state)
{
	static const struct {
		const char *users, *groups, *finding;
	} cases[] = {
		{"bob:x:64001:100::/:\n", "", SHARES("user bob: has the uid")},
		{"bob:x:1001:64001::/:\n", "", SHARES("user bob: has the gid")},
		{"", "staff:x:64001:\n", SHARES("group staff: has the gid")},
		{OWN, OWN_GROUP "staff:x:64001:\n",
		 SHARES("group staff: has the gid")},
		{OWN, "cloison64001:x:64001:cloison64001,bob\n",
		 SHARES("user bob: is in the group")},
		{OWN "bob:x:64001:64001::/:\n", OWN_GROUP,
		 SHARES("user bob: has the uid")},
		{"bob:x:64001:1::/:\neve:x:64001:1::/:\n", "x:x:64001:eve\n",
		 SHARES("user bob: has the uid")},
		{"b\033b:x:64001:1::/:\n", "",
		 SHARES("user b\\x1bb: has the uid")},
		{OWN,
		 "cloison64001:x:64001:cloison64001\n"
		 "kvm:x:36:cloison64001\n",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		plant(cases[i].users, cases[i].groups);
		finds(false, cases[i].finding);
		finds(true, cases[i].finding);
	}
}

static void what_cannot_be_read_is_told(void **state)
{
	int fd;

	(void)state;
	finds(false, "/etc/passwd: cannot be read: No such file or directory");
	planted_put(&planted, "passwd", USERS);
	finds(true, "/etc/group: cannot be read: No such file or directory");
	planted_put(&planted, "group", "");
	fd = openat(planted.dir, "passwd", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1L << 30), 0);
	assert_int_equal(close(fd), 0);
	finds(false, "/etc/passwd: cannot be read: File too large");
}

static void one_more_line_than_a_buffer_takes(void **state)
{
	char *groups = NULL;

	(void)state;
	assert_true(asprintf(&groups,
			     "kvm:x:36:%0200000d,cloison64001\n" OWN_GROUP,
			     0) > 0);
	plant(OWN, groups);
	finds(true, NULL);
	free(groups);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_emulated_guest_needs_no_user),
		TEST(a_user_must_be_as_the_scope_is),
		TEST(it_is_in_the_group_of_the_device),
		TEST(another_group_has_the_device),
		TEST(a_device_out_of_sight_is_the_groups),
		TEST(nobody_else_has_the_number),
		TEST(what_cannot_be_read_is_told),
		TEST(one_more_line_than_a_buffer_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
