/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/confine.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Each runs in a child that is confined; true = as it must be. */

static bool refuses(long result, int want)
{
	return result < 0 && errno == want;
}

static bool opens(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

static bool network_is_closed(void)
{
	return refuses(socket(AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT) &&
	       refuses(socket(AF_INET6, SOCK_DGRAM, 0), EAFNOSUPPORT) &&
	       refuses(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT) &&
	       refuses(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT);
}

static bool unix_and_netlink_stay(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	(void)close(fd);
	return opens(AF_NETLINK);
}

static bool programs_do_not_run(void)
{
	char name[] = "/bin/true";
	char *argv[] = {name, NULL};

	return refuses(execv(name, argv), EPERM);
}

static bool others_cannot_be_read(void)
{
	return refuses(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL,
			       0, 0),
		       EPERM) &&
	       refuses(mount("none", "/", "tmpfs", 0, NULL), EPERM) &&
	       refuses(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
}

/*
 * CAP_CHOWN 0, CAP_DAC_READ_SEARCH 2, CAP_FOWNER 3, CAP_NET_ADMIN 12, CAP_SYS_PTRACE 19,
 * CAP_SYS_ADMIN 21, CAP_PERFMON 38, CAP_BPF 39: no more.
 */
static bool eight_capabilities_are_left(void)
{
	const unsigned long long want = 1ULL << 0 | 1ULL << 2 | 1ULL << 3 |
					1ULL << 12 | 1ULL << 19 | 1ULL << 21 |
					1ULL << 38 | 1ULL << 39;
	unsigned long long bounding = ~0ULL;
	unsigned long long effective = 0;
	bool no_new_privileges = false;
	char line[256];
	FILE *file = fopen("/proc/self/status", "re");

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "CapEff:", 7) == 0)
			effective = strtoull(line + 7, NULL, 16);
		if (strncmp(line, "CapBnd:", 7) == 0)
			bounding = strtoull(line + 7, NULL, 16);
		if (strcmp(line, "NoNewPrivs:\t1\n") == 0)
			no_new_privileges = true;
	}
	(void)fclose(file);
	return effective == want && bounding == 0 && no_new_privileges;
}

static void expect(bool (*holds)(void))
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(clo_confine() == 0 && holds() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_network_is_closed(void **state)
{
	(void)state;
	expect(network_is_closed);
}

static void test_unix_and_netlink_stay(void **state)
{
	(void)state;
	expect(unix_and_netlink_stay);
}

static void test_programs_do_not_run(void **state)
{
	(void)state;
	expect(programs_do_not_run);
}

static void test_others_cannot_be_read(void **state)
{
	(void)state;
	expect(others_cannot_be_read);
}

static void test_eight_capabilities_are_left(void **state)
{
	(void)state;
	expect(eight_capabilities_are_left);
}

/* Without the confinement the same calls go through: the checks can fail. */
static void test_unconfined_it_is_otherwise(void **state)
{
	(void)state;
	assert_false(network_is_closed());
	assert_false(eight_capabilities_are_left());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_is_closed),
		cmocka_unit_test(test_unix_and_netlink_stay),
		cmocka_unit_test(test_programs_do_not_run),
		cmocka_unit_test(test_others_cannot_be_read),
		cmocka_unit_test(test_eight_capabilities_are_left),
		cmocka_unit_test(test_unconfined_it_is_otherwise),
	};

	if (geteuid() != 0)
		return skip_all("root");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
