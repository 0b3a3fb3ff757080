/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/selftest/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"
#define PINS BPFFS "/cloison-selftest"
#define TAP "tap0"
#define CONNECTIONS 64U /* nobody speaks here */

static int leave_host(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -errno;
	/* what is mounted from here on stays here */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

/* Over the host's, which is hidden from here. */
static int mount_bpffs(void)
{
	return mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     "mode=0700") < 0
		       ? -errno
		       : 0;
}

static int make_tap(struct clo_scratch *scratch)
{
	struct ifreq ask = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	scratch->tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (scratch->tap < 0)
		return -errno;
	memcpy(ask.ifr_name, TAP, sizeof(TAP));
	if (ioctl(scratch->tap, TUNSETIFF, &ask) < 0)
		return -errno;
	scratch->taps[0].ifindex = if_nametoindex(TAP);
	memcpy(scratch->taps[0].name, TAP, sizeof(TAP));
	return scratch->taps[0].ifindex ? 0 : -errno;
}

int clo_scratch_enter(struct clo_scratch *scratch, const char **ret_what)
{
	const struct clo_bpf_config config = {.dir = PINS,
					      .connections = CONNECTIONS};
	bool adopted;
	int r;

	*scratch = (struct clo_scratch){.tap = -1};
	*ret_what = "namespaces of its own";
	r = leave_host();
	if (r < 0)
		return r;
	*ret_what = "a BPF file system";
	r = mount_bpffs();
	if (r < 0)
		return r;
	*ret_what = "a tap";
	r = make_tap(scratch);
	if (r < 0)
		return r;
	*ret_what = "the guards' programs";
	r = clo_bpf_open(&config, &scratch->bpf, &adopted);
	if (r < 0)
		return r;
	scratch->inventory.taps = scratch->taps;
	scratch->inventory.n_taps = 1;
	scratch->inventory.domains_known = true;
	scratch->node.bpf = scratch->bpf;
	scratch->node.inventory = &scratch->inventory;
	return 0;
}

void clo_scratch_done(struct clo_scratch *scratch)
{
	clo_bpf_free(scratch->bpf);
	if (scratch->tap >= 0)
		(void)close(scratch->tap);
}
