/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/rig.h"

#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "skel/guard.skel.h"

struct rig {
	struct guard *skel;
	__u64 epoch;
	int hits[2]; /* inner maps, by slot */
	__u64 counts[2][CLO_DROP_COUNT]; /* read last, by hook */
};

static int outer_fd(const struct rig *rig, enum clo_table table)
{
	switch (table) {
#define X(NAME, name, kind, key, value)                                        \
	case CLO_TABLE_##NAME:                                                 \
		return bpf_map__fd(rig->skel->maps.clo_##name);
		CLO_TABLES(X)
#undef X
	default:
		return -1;
	}
}

enum kind {
	HASH,
	LPM,
	ARRAY
};

static int inner_new(enum kind kind, __u32 key_size, __u32 value_size, __u32 n)
{
	static const struct {
		enum bpf_map_type type;
		__u32 flags;
	} how[] = {
		[HASH] = {BPF_MAP_TYPE_HASH, 0},
		[LPM] = {BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC},
		[ARRAY] = {BPF_MAP_TYPE_ARRAY,
			   BPF_F_INNER_MAP | BPF_F_MMAPABLE},
	};

	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = how[kind].flags);

	return bpf_map_create(how[kind].type, "inner",
			      kind == ARRAY ? 4 : key_size, value_size, n,
			      &opts);
}

static int put(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY);
}

static int fill_addresses(const struct world *world, __u8 family, int fd)
{
	int r = 0;

	for (__u32 i = 0; i < world->n_addrs && !r; i++) {
		const struct world_addr *a = &world->addrs[i];
		struct clo_addr6_key key = {.space = a->space};

		/* an IPv4 key is the beginning of an IPv6 key */
		memcpy(key.addr, a->addr, 16);
		if (a->family == family)
			r = put(fd, &key, &a->entry);
	}
	return r;
}

static int fill_cidrs(const struct world *world, __u8 family, int fd)
{
	int r = 0;

	for (__u32 i = 0; i < WORLD_CIDRS && !r; i++) {
		const struct world_cidr *c = &world->cidrs[i];
		struct clo_cidr6_key key = {.prefixlen = c->bits};

		memcpy(key.addr, c->addr, 16);
		if (c->family == family)
			r = put(fd, &key, &c->identity);
	}
	return r;
}

/* As user space does: by mmap. Sizes are multiples of 8, so no gaps. */
static int fill_array(int fd, const void *values, size_t size, __u32 n)
{
	void *map =
		mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert(size % 8 == 0);
	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, values, n * size);
	return munmap(map, n * size) < 0 ? -errno : 0;
}

static int fill_pairs(const struct world *world, int fd)
{
	int r = 0;

	for (__u32 i = 0; i < world->n_pairs && !r; i++)
		r = put(fd, &world->pairs[i].key, &world->pairs[i].row);
	return r;
}

static int fill_rules(const struct world *world, int fd)
{
	int r = 0;

	for (__u32 row = 0; row < WORLD_ROWS; row++) {
		struct clo_rule_key key = {.row = row};

		for (; key.class < WORLD_WORDS * 64 && !r; key.class ++) {
			const __u32 *rule = &world->rules[row][key.class];

			if (*rule && *rule != world->rows[row].rule)
				r = put(fd, &key, rule);
		}
	}
	return r;
}

static int fill(const struct world *world, enum clo_table table, int fd)
{
	switch (table) {
	case CLO_TABLE_ADDR4:
		return fill_addresses(world, 4, fd);
	case CLO_TABLE_ADDR6:
		return fill_addresses(world, 6, fd);
	case CLO_TABLE_CIDR4:
		return fill_cidrs(world, 4, fd);
	case CLO_TABLE_CIDR6:
		return fill_cidrs(world, 6, fd);
	case CLO_TABLE_SERVICES:
		return fill_array(fd, world->services,
				  sizeof(world->services[0]), CLO_SLOTS / 4);
	case CLO_TABLE_IDENTITIES:
		return fill_array(fd, world->identities,
				  sizeof(world->identities[0]),
				  WORLD_IDENTITIES);
	case CLO_TABLE_PAIRS:
		return fill_pairs(world, fd);
	case CLO_TABLE_WORDS:
		return fill_array(fd, world->words, sizeof(world->words[0]),
				  WORLD_ROWS * WORLD_WORDS);
	case CLO_TABLE_ROWS:
		return fill_array(fd, world->rows, sizeof(world->rows[0]),
				  WORLD_ROWS);
	case CLO_TABLE_RULES:
		return fill_rules(world, fd);
	default:
		return -EINVAL;
	}
}

static int apply_table(struct rig *rig, const struct world *world, __u32 slot,
		       enum clo_table table)
{
	static const struct {
		enum kind kind;
		__u32 key, value, n;
	} types[] = {

#define X(NAME, name, kind, key, value)                                        \
	[CLO_TABLE_##NAME] = {kind, sizeof(key), sizeof(value), 0},
		CLO_TABLES(X)
#undef X
	};
	static const __u32 sizes[CLO_TABLE_COUNT] = {
		[CLO_TABLE_SERVICES] = CLO_SLOTS / 4,
		[CLO_TABLE_IDENTITIES] = WORLD_IDENTITIES,
		[CLO_TABLE_WORDS] = WORLD_ROWS * WORLD_WORDS,
		[CLO_TABLE_ROWS] = WORLD_ROWS,
	};
	CLO_AUTO_FD int fd =
		inner_new(types[table].kind, types[table].key,
			  types[table].value, sizes[table] ? sizes[table] : 64);
	int r;

	if (fd < 0)
		return fd;
	r = fill(world, table, fd);
	return r ? r : put(outer_fd(rig, table), &slot, &fd);
}

static int apply_hits(struct rig *rig, __u32 slot)
{
	CLO_AUTO_FD int fd =
		inner_new(ARRAY, 4, sizeof(struct clo_hits), WORLD_RULES);
	int r;

	if (fd < 0)
		return fd;
	r = put(bpf_map__fd(rig->skel->maps.clo_hits), &slot, &fd);
	if (r < 0)
		return r;
	if (rig->hits[slot] >= 0)
		(void)close(rig->hits[slot]);
	rig->hits[slot] = clo_take_fd(&fd);
	return 0;
}

int rig_apply(struct rig *rig, const struct world *world)
{
	__u64 epoch = rig->epoch + 1;
	__u32 slot = epoch & 1;
	struct clo_gen gen = world->gen;
	int r;

	for (__u32 t = 0; t < CLO_TABLE_COUNT; t++) {
		r = apply_table(rig, world, slot, t);
		if (r < 0)
			return r;
	}
	r = apply_hits(rig, slot);
	if (r < 0)
		return r;
	gen.epoch = epoch;
	r = put(bpf_map__fd(rig->skel->maps.clo_gens), &slot, &gen);
	return r < 0 ? r : rig_set_epoch(rig, epoch);
}

__u64 rig_epoch(const struct rig *rig)
{
	return rig->epoch;
}

int rig_set_epoch(struct rig *rig, __u64 epoch)
{
	struct clo_live live;
	__u32 zero = 0;
	int r;

	if (epoch)
		rig->epoch = epoch;
	r = bpf_map_lookup_elem(bpf_map__fd(rig->skel->maps.clo_live), &zero,
				&live);
	live.epoch = epoch;
	return r < 0 ? r
		     : put(bpf_map__fd(rig->skel->maps.clo_live), &zero, &live);
}

int rig_set_port(struct rig *rig, const struct clo_port *port)
{
	static const struct clo_port none;
	__u32 key = RIG_IFINDEX;

	return put(bpf_map__fd(rig->skel->maps.clo_ports), &key,
		   port ? port : &none);
}

static int set_clock(const struct rig *rig)
{
	struct clo_clock_args args = {.tick = 4000000};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args,
		    .ctx_size_in = sizeof(args));
	int fd = bpf_program__fd(rig->skel->progs.clo_clock);
	int r;

	do
		r = bpf_prog_test_run_opts(fd, &opts);
	while (r == 0 && (int)opts.retval == -EAGAIN);
	return r < 0 ? r : (int)opts.retval;
}

/* Room for everybody: what accounts do is tested where they are small. */
static int open_accounts(struct rig *rig)
{
	static const struct clo_account plenty = {.limit = 0x7fffffff};
	int r = 0;

	for (int i = 0; i < WORLD_HOSTS && !r; i++) {
		__u64 key = world_nics[i].port.endpoint;

		r = put(bpf_map__fd(rig->skel->maps.clo_accounts), &key,
			&plenty);
	}
	return r;
}

static __u64 drop_count(struct rig *rig, int to_guest, __u32 reason)
{
	struct clo_drop_key key = {RIG_IFINDEX, (__u16)reason, (__u8)to_guest,
				   0};
	__u64 values[256] = {0}, sum = 0;

	assert(libbpf_num_possible_cpus() <= 256);
	if (bpf_map_lookup_elem(bpf_map__fd(rig->skel->maps.clo_drops), &key,
				values) < 0)
		return 0;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += values[i];
	return sum;
}

int rig_run(struct rig *rig, int to_guest, __u32 mark,
	    const struct frame *frame, struct rig_run *ret_run)
{
	struct bpf_program *prog = to_guest ? rig->skel->progs.clo_to_guest
					    : rig->skel->progs.clo_from_guest;
	struct __sk_buff ctx = {.ifindex = RIG_IFINDEX, .mark = mark};
	struct __sk_buff ctx_out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
		    .data_size_in = frame->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ctx_out,
		    .ctx_size_out = sizeof(ctx_out), .repeat = 1);
	int r = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (r < 0)
		return r;
	ret_run->verdict = (int)opts.retval;
	ret_run->mark = ctx_out.mark;
	for (__u32 i = 0; i < CLO_DROP_COUNT; i++) {
		__u64 now = drop_count(rig, to_guest, i);

		ret_run->drops[i] = now - rig->counts[to_guest][i];
		rig->counts[to_guest][i] = now;
	}
	return 0;
}

int rig_hits(struct rig *rig, __u32 rule, struct clo_hits *ret_hits)
{
	return bpf_map_lookup_elem(rig->hits[rig->epoch & 1], &rule, ret_hits);
}

static int flush(int fd)
{
	struct clo_conn6_key key;
	int r = 0;

	while (!r && !bpf_map_get_next_key(fd, NULL, &key))
		r = bpf_map_delete_elem(fd, &key);
	return r;
}

int rig_flush(struct rig *rig)
{
	int r = flush(bpf_map__fd(rig->skel->maps.clo_conn4));

	if (!r)
		r = flush(bpf_map__fd(rig->skel->maps.clo_conn6));
	return r ? r : flush(bpf_map__fd(rig->skel->maps.clo_frags));
}

int rig_age(struct rig *rig, __u64 seconds)
{
	int fd = bpf_map__fd(rig->skel->maps.clo_conn4);
	struct clo_conn4_key key, *last = NULL;
	struct clo_conn conn;
	int r = 0;

	while (!r && !bpf_map_get_next_key(fd, last, &key)) {
		r = bpf_map_lookup_elem(fd, &key, &conn);
		conn.seen -= seconds * 1000000000ULL;
		if (!r)
			r = bpf_map_update_elem(fd, &key, &conn, BPF_EXIST);
		last = &key;
	}
	return r;
}

int rig_new(struct rig **ret_rig)
{
	CLO_AUTO(rig) struct rig *rig = calloc(1, sizeof(*rig));
	int r;

	if (!rig)
		return -ENOMEM;
	rig->hits[0] = rig->hits[1] = -1;
	rig->epoch = 1;
	rig->skel = guard__open();
	if (!rig->skel)
		return -errno;
	if (guard__load(rig->skel))
		return -errno;
	r = set_clock(rig);
	if (r < 0)
		return r;
	r = open_accounts(rig);
	if (r < 0)
		return r;

	*ret_rig = CLO_TAKE(rig);
	return 0;
}

void rig_free(struct rig *rig)
{
	if (!rig)
		return;

	guard__destroy(rig->skel);
	for (int i = 0; i < 2; i++)
		if (rig->hits[i] >= 0)
			(void)close(rig->hits[i]);
	free(rig);
}
