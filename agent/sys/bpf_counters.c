/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf_impl.h"

/* More CPUs than any node has: what sizes an allocation stays bounded. */
#define CPUS_MAX 8192

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

	r = clo_bpf_map_max_entries(fd, &max);
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
	struct clo_bpf_content content;
	struct clo_bpf_memory memory;
	struct clo_gen gen;
	size_t n;
	int r;

	r = clo_bpf_live_gen(bpf, &gen);
	if (r < 0)
		return r;
	r = clo_bpf_inner_open(bpf, CLO_BPF_OUTER_HITS, gen.epoch & 1,
			       &content);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	n = gen.rules < content.capacity ? gen.rules : content.capacity;
	hits = calloc(n + 1, sizeof(*hits));
	r = hits ? clo_bpf_memory_map(content.fd, 0,
				      content.capacity * sizeof(*hits), false,
				      &memory)
		 : -ENOMEM;
	clo_fd_closep(&content.fd);
	if (r < 0)
		return r;

	memcpy(hits, memory.at, n * sizeof(*hits));
	clo_bpf_memory_unmap(&memory);
	*ret_hits = CLO_TAKE(hits);
	*ret_n = n;
	return 0;
}
