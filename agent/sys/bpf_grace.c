/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

/*
 * The kernel lets every update of a map of maps wait until the programs that
 * run at that moment have ended. A pair of maps of our own, which no program
 * knows, makes that wait a thing that can be called for.
 */
int clo_bpf_grace_init(struct clo_bpf *bpf)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "clo_grace_in", sizeof(__u32),
			    sizeof(__u32), 1, NULL);
	if (fd < 0)
		return fd;
	bpf->grace[1] = fd;
	opts.inner_map_fd = (__u32)fd;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "clo_grace",
			    sizeof(__u32), sizeof(__u32), 1, &opts);
	if (fd < 0)
		return fd;

	bpf->grace[0] = fd;
	return 0;
}

int clo_bpf_grace(const struct clo_bpf *bpf)
{
	__u32 key = 0;

	return bpf_map_update_elem(bpf->grace[0], &key, &bpf->grace[1],
				   BPF_ANY);
}
