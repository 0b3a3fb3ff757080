/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"

/* More CPUs than any node has: what sizes an allocation stays bounded. */
#define CPUS_MAX 8192
#define BATCH 4096U

int clo_bpf_port_set(struct clo_bpf *bpf, uint32_t ifindex,
		     const struct clo_port *port)
{
	return bpf_map_update_elem(bpf->maps[CLO_BPF_MAP_PORTS], &ifindex, port,
				   BPF_ANY);
}

int clo_bpf_port_del(struct clo_bpf *bpf, uint32_t ifindex)
{
	int r = bpf_map_delete_elem(bpf->maps[CLO_BPF_MAP_PORTS], &ifindex);

	return r == -ENOENT ? 0 : r;
}

static int map_max_entries(int fd, __u32 *ret_max)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int r;

	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.max_entries > CLO_BPF_ENTRIES_MAX)
		return -EBADMSG;

	*ret_max = info.max_entries;
	return 0;
}

/*
 * All keys of a small hash map that may change under us: a key that goes
 * restarts the kernel's walk, so it is bounded and may see a key twice.
 */
static int read_keys(int fd, size_t key_size, uint8_t **ret_keys, size_t *ret_n)
{
	CLO_AUTO_MEM uint8_t *keys = NULL;
	const uint8_t *last = NULL;
	__u32 max;
	size_t n;
	int r;

	r = map_max_entries(fd, &max);
	if (r < 0)
		return r;
	keys = calloc(max, key_size);
	if (!keys)
		return -ENOMEM;
	for (n = 0; n < max; n++) {
		r = bpf_map_get_next_key(fd, last, keys + n * key_size);
		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
		last = keys + n * key_size;
	}

	*ret_keys = CLO_TAKE(keys);
	*ret_n = n;
	return 0;
}

int clo_bpf_ports_read(struct clo_bpf *bpf, struct clo_bpf_port **ret_ports,
		       size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	CLO_AUTO_MEM uint8_t *keys = NULL;
	int fd = bpf->maps[CLO_BPF_MAP_PORTS];
	size_t count;
	size_t n = 0;
	int r;

	r = read_keys(fd, sizeof(__u32), &keys, &count);
	if (r < 0)
		return r;
	ports = calloc(count + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		memcpy(&ports[n].ifindex, keys + i * sizeof(__u32),
		       sizeof(__u32));
		r = bpf_map_lookup_elem(fd, &ports[n].ifindex, &ports[n].port);
		if (r < 0 && r != -ENOENT)
			return r;
		n += r == 0;
	}

	*ret_ports = CLO_TAKE(ports);
	*ret_n = n;
	return 0;
}

static int drop_read(int fd, uint64_t *values, int cpus,
		     struct clo_bpf_drop *drop)
{
	int r;

	r = bpf_map_lookup_elem(fd, &drop->key, values);
	if (r < 0)
		return r;

	drop->count = 0;
	for (int i = 0; i < cpus; i++)
		drop->count += values[i];
	return 0;
}

int clo_bpf_drops_read(struct clo_bpf *bpf, struct clo_bpf_drop **ret_drops,
		       size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_bpf_drop *drops = NULL;
	CLO_AUTO_MEM uint64_t *values = NULL;
	CLO_AUTO_MEM uint8_t *keys = NULL;
	int fd = bpf->maps[CLO_BPF_MAP_DROPS];
	int cpus = libbpf_num_possible_cpus();
	size_t count;
	size_t n = 0;
	int r;

	if (cpus < 0)
		return cpus;
	if (cpus == 0 || cpus > CPUS_MAX)
		return -EBADMSG;
	r = read_keys(fd, sizeof(struct clo_drop_key), &keys, &count);
	if (r < 0)
		return r;
	drops = calloc(count + 1, sizeof(*drops));
	values = calloc((size_t)cpus, sizeof(*values));
	if (!drops || !values)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		memcpy(&drops[n].key, keys + i * sizeof(drops->key),
		       sizeof(drops->key));
		r = drop_read(fd, values, cpus, &drops[n]);
		if (r < 0 && r != -ENOENT)
			return r;
		n += r == 0;
	}

	*ret_drops = CLO_TAKE(drops);
	*ret_n = n;
	return 0;
}

int clo_bpf_hits_read(struct clo_bpf *bpf, struct clo_hits **ret_hits,
		      size_t *ret_n)
{
	CLO_AUTO_MEM struct clo_hits *hits = NULL;
	CLO_AUTO_FD int fd = -1;
	struct clo_gen gen;
	void *memory;
	__u32 n;
	int r;

	r = clo_bpf_live_gen(bpf, &gen);
	if (r < 0)
		return r;
	r = clo_bpf_inner_open(bpf, CLO_BPF_OUTER_HITS, gen.epoch & 1, &fd, &n);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	hits = calloc(n, sizeof(*hits));
	if (!hits)
		return -ENOMEM;
	memory = clo_bpf_array_map(fd, n * sizeof(*hits), false);
	if (!memory)
		return -errno;

	memcpy(hits, memory, n * sizeof(*hits));
	clo_bpf_array_unmap(memory, n * sizeof(*hits));
	*ret_hits = CLO_TAKE(hits);
	*ret_n = gen.rules < n ? gen.rules : n;
	return 0;
}

/* Moving target: entries come and go meanwhile, so the walk is bounded. */
static int count_entries(int fd, size_t key_size, uint64_t *count)
{
	CLO_AUTO_MEM struct clo_conn *values = NULL;
	CLO_AUTO_MEM uint8_t *keys = NULL;
	__u32 position = 0;
	bool first = true;
	uint64_t seen = 0;
	__u32 max;
	int r;

	r = map_max_entries(fd, &max);
	if (r < 0)
		return r;
	keys = calloc(BATCH, key_size);
	values = calloc(BATCH, sizeof(*values));
	if (!keys || !values)
		return -ENOMEM;
	while (r != -ENOENT && seen < max) {
		__u32 n = BATCH;

		r = bpf_map_lookup_batch(fd, first ? NULL : &position,
					 &position, keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		seen += n;
		first = false;
	}

	*count += seen;
	return 0;
}

int clo_bpf_connections_count(struct clo_bpf *bpf, uint64_t *ret_count)
{
	uint64_t count = 0;
	int r;

	r = count_entries(bpf->maps[CLO_BPF_MAP_CONN4],
			  sizeof(struct clo_conn4_key), &count);
	if (r < 0)
		return r;
	r = count_entries(bpf->maps[CLO_BPF_MAP_CONN6],
			  sizeof(struct clo_conn6_key), &count);
	if (r < 0)
		return r;

	*ret_count = count;
	return 0;
}
