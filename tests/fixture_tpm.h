/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/sys/tpm.h"
#include "check.h"

/* A software TPM in a directory of its own, for every test. */
static char dir[32];
static char where[64];
static struct clo_tpm *tpm;
static struct clo_tpm_identity identity;

__attribute__((format(printf, 1, 2))) static inline void run(const char *fmt,
							     ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	/* our own words only. NOLINTNEXTLINE(bugprone-command-processor,cert-env33-c) */
	assert_int_equal(system(command), 0);
}

static inline void start(void)
{
	run("swtpm socket --tpm2 --server type=unixio,path=%s/t --ctrl "
	    "type=unixio,path=%s/t.ctrl --flags not-need-init,startup-clear "
	    "--tpmstate dir=%s --daemon --pid file=%s/pid",
	    dir, dir, dir, dir);
	assert_int_equal(clo_tpm_open(where, &tpm), 0);
}

/* It takes its sockets with it: wait until it has. */
static inline void end_process(void)
{
	char path[64];
	FILE *file;
	char text[16];
	long pid;
	struct pollfd gone = {.events = POLLIN};

	(void)snprintf(path, sizeof(path), "%s/pid", dir);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	pid = strtol(text, NULL, 10);
	assert_true(pid > 0);
	(void)fclose(file);
	gone.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(gone.fd >= 0);
	assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
	assert_int_equal(poll(&gone, 1, 60000), 1);
	(void)close(gone.fd);
}

static inline void stop(void)
{
	clo_tpm_free(tpm);
	tpm = NULL;
	end_process();
}

static inline int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/clo-tpm-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(where, sizeof(where), "swtpm:path=%s/t", dir);
	start();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	stop();
	run("rm -r %s", dir);
	return 0;
}

/* A directory and a TPM of its own. */
#define TPM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
