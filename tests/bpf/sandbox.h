/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A network namespace and a bpffs of this process alone, for tests of
 * agent/sys/bpf*.c against the real kernel. Both go with the process.
 */

#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf.h"
#include "check.h"

#define TCX_INGRESS 46 /* UAPI of Linux 6.6 */
#define TCX_BEFORE (1U << 3)

struct sandbox {
	char mount[32];
	char dir[48]; /* for clo_bpf_open() */
	struct clo_bpf *bpf;
	uint32_t ifindex; /* of a fresh veth for each test */
};

static inline void sandbox_run(const char *command)
{
	/* Fixed texts of the tests. */
	/* NOLINTNEXTLINE(cert-env33-c) */
	assert_int_equal(system(command), 0);
}

static inline bool sandbox_exists(const struct sandbox *box, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", box->dir, name);
	return stat(path, &st) == 0;
}

static inline int sandbox_pin(const struct sandbox *box, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", box->dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* Room for few connections: what no test needs costs time. */
#define SANDBOX_CONNECTIONS 8192U

static inline bool sandbox_open_sized(struct sandbox *box,
				      enum clo_attach attach,
				      uint32_t connections)
{
	struct clo_bpf_config config = {box->dir, attach, connections};
	bool adopted = false;

	assert_int_equal(clo_bpf_open(&config, &box->bpf, &adopted), 0);
	return adopted;
}

static inline bool sandbox_open(struct sandbox *box, enum clo_attach attach)
{
	return sandbox_open_sized(box, attach, SANDBOX_CONNECTIONS);
}

static inline void sandbox_close(struct sandbox *box)
{
	clo_bpf_free(box->bpf);
	box->bpf = NULL;
}

/* Linux 6.6 and later; on older ones what needs it is skipped. */
static inline bool sandbox_has_tcx(void)
{
	__u32 n = 0;

	return bpf_prog_query(1, (enum bpf_attach_type)TCX_INGRESS, 0, NULL,
			      NULL, &n) == 0;
}

/* A program of somebody else: passes everything on. */
static inline int sandbox_program(const char *name)
{
	struct bpf_insn insns[] = {
		{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -1},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	assert_true(fd >= 0);
	return fd;
}

static inline __u32 sandbox_program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

/* No chatter of the host's own stack: a test hears only what it sends. */
static inline void sandbox_silence(void)
{
	sandbox_run("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
}

static inline int sandbox_setup(void **state)
{
	static struct sandbox box;

	sandbox_silence();
	sandbox_run("ip link add tap0 type veth peer name peer0 && "
		    "ip link set tap0 up && ip link set peer0 up");
	box.ifindex = if_nametoindex("tap0");
	*state = &box;
	if (box.mount[0])
		return 0;
	(void)snprintf(box.mount, sizeof(box.mount), "/tmp/cloison-XXXXXX");
	assert_non_null(mkdtemp(box.mount));
	assert_int_equal(mount("bpf", box.mount, "bpf", 0, "mode=0700"), 0);
	(void)snprintf(box.dir, sizeof(box.dir), "%s/node", box.mount);
	return 0;
}

/* Also after a failed test: nothing of one reaches the next. */
static inline int sandbox_teardown(void **state)
{
	struct sandbox *box = *state;
	int r;

	sandbox_close(box);
	r = clo_bpf_remove(box->dir);
	if (if_nametoindex("tap0"))
		sandbox_run("ip link del tap0");
	(void)umount2(box->mount, MNT_DETACH);
	(void)rmdir(box->mount);
	box->mount[0] = '\0';
	return r;
}

/* False: not allowed to, so skip. */
static inline bool sandbox_enter(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

#define SANDBOX_TEST(test)                                                     \
	cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
