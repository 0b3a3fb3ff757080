/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the guard costs per packet: the real programs and tables in the kernel,
 * run by BPF_PROG_TEST_RUN, against an empty program in the same rounds. The
 * same packets with 10 and with 100,000 more allowed pairs. Every run is
 * checked: verdict and drop counter. Caches are warm: one flow at a time.
 * usage: datapath [--quick]
 */

#include <assert.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/sys/bpf.h"
#include "bench/bench.h"
#include "bpf/frames.h"
#include "skel/empty.skel.h"

enum {
	LOOPBACK = 1,
	SIZES = 2,
	ROUNDS_MAX = 9,
	EXTRA_ROWS = 1000, /* rows are shared, as the compiler does */
	EXTRA_SIDE = 317, /* squared: more than 100,000 */
};

static const size_t extra_pairs[SIZES] = {10, 100000};

struct packet {
	const char *what;
	enum world_host port;
	bool to_guest;
	__u32 mark;
	enum clo_drop drop;
	struct frame_spec frame;
};

/* Opens the flows that the measured packets belong to. */
static const struct packet openers[] = {
	{"SYN", WEB, .frame = {TCP(4, WEB, DB, 1, 5432, SYN)}},
	{"SYN/ACK", DB, .frame = {TCP(4, DB, WEB, 5432, 1, SYN | ACK)}},
	{"SYN", WEB, .frame = {TCP(6, WEB, DB, 1, 5432, SYN)}},
	{"SYN/ACK", DB, .frame = {TCP(6, DB, WEB, 5432, 1, SYN | ACK)}},
	{"SYN", WEB, .to_guest = true, .frame = {TCP(4, NET, WEB, 1, 80, SYN)}},
	{"SYN/ACK", WEB, .frame = {TCP(4, WEB, NET, 80, 1, SYN | ACK)}},
};

static const struct packet packets[] = {
	{"IPv4 TCP established, 1st hook", WEB,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"IPv6 TCP established, 1st hook", WEB,
	 .frame = {TCP(6, WEB, DB, 1, 5432, ACK)}},
	{"IPv4 approved, 2nd hook", DB, .to_guest = true, .mark = 102,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK)}},
	{"IPv6 approved, 2nd hook", DB, .to_guest = true, .mark = 102,
	 .frame = {TCP(6, WEB, DB, 1, 5432, ACK)}},
	{"IPv4 from outside, 2nd hook", WEB, .to_guest = true,
	 .frame = {TCP(4, NET, WEB, 1, 80, ACK)}},
	{"IPv4 new flow, denied", WEB, .drop = CLO_DROP_POLICY,
	 .frame = {TCP(4, WEB, DB, 1, 22, SYN)}},
	{"IPv6 new flow, denied", WEB, .drop = CLO_DROP_POLICY,
	 .frame = {TCP(6, WEB, DB, 1, 22, SYN)}},
	{"IPv4 spoofed source", WEB, .drop = CLO_DROP_SPOOFED_ADDRESS,
	 .frame = {TCP(4, WEB, DB, 1, 5432, ACK), .patch = {{29, 99}}}},
	{"ARP request", WEB, .frame = {ARP(WEB, DB, 1)}},
};

enum {
	PACKETS = sizeof(packets) / sizeof(packets[0])
};

/* One node: tables of one size, and its two programs. */
struct node {
	char dir[64]; /* bpffs */
	struct clo_bpf *bpf;
	int programs[2];
};

static __u32 repeat = 100000;
static size_t rounds = 7;

static uint8_t *grow(struct clo_tables *tables, enum clo_table t, size_t n)
{
	struct clo_table_data *data = &tables->table[t];

	data->n = n;
	data->entries = calloc(n, clo_table_types[t].entry_size);
	if (!data->entries)
		bench_check(-ENOMEM, "tables");
	return data->entries;
}

static void put(uint8_t **at, const void *key, size_t key_size,
		const void *value, size_t value_size)
{
	memcpy(*at, key, key_size);
	memcpy(*at + key_size, value, value_size);
	*at += key_size + value_size;
}

static void add_addresses(struct clo_tables *tables, const struct world *world)
{
	uint8_t *at4 = grow(tables, CLO_TABLE_ADDR4, world->n_addrs / 3);
	uint8_t *at6 =
		grow(tables, CLO_TABLE_ADDR6, (size_t)world->n_addrs / 3 * 2);

	for (__u32 i = 0; i < world->n_addrs; i++) {
		const struct world_addr *a = &world->addrs[i];
		struct clo_addr6_key key = {.space = a->space};

		/* an IPv4 key is the beginning of an IPv6 key */
		memcpy(key.addr, a->addr, 16);
		if (a->family == 4)
			put(&at4, &key, sizeof(struct clo_addr4_key), &a->entry,
			    sizeof(a->entry));
		else
			put(&at6, &key, sizeof(key), &a->entry,
			    sizeof(a->entry));
	}
}

static void add_cidrs(struct clo_tables *tables, const struct world *world)
{
	uint8_t *at4 = grow(tables, CLO_TABLE_CIDR4, WORLD_CIDRS / 2);
	uint8_t *at6 = grow(tables, CLO_TABLE_CIDR6, WORLD_CIDRS / 2);

	for (__u32 i = 0; i < WORLD_CIDRS; i++) {
		const struct world_cidr *c = &world->cidrs[i];
		struct clo_cidr6_key key = {.prefixlen = c->bits};

		memcpy(key.addr, c->addr, 16);
		if (c->family == 4)
			put(&at4, &key, sizeof(struct clo_cidr4_key),
			    &c->identity, sizeof(c->identity));
		else
			put(&at6, &key, sizeof(key), &c->identity,
			    sizeof(c->identity));
	}
}

static void add_pairs(struct clo_tables *tables, const struct world *world,
		      size_t extra)
{
	uint8_t *at = grow(tables, CLO_TABLE_PAIRS, world->n_pairs + extra);
	uint8_t *rows = grow(tables, CLO_TABLE_ROWS,
			     (size_t)(WORLD_ROWS + EXTRA_ROWS) * WORLD_WORDS);

	memcpy(rows, world->rows, sizeof(world->rows));
	memset(rows + sizeof(world->rows), 0xff,
	       (size_t)EXTRA_ROWS * WORLD_WORDS * sizeof(__u64));
	for (__u32 i = 0; i < world->n_pairs; i++)
		put(&at, &world->pairs[i].key, sizeof(struct clo_pair),
		    &world->pairs[i].row, sizeof(__u32));
	for (__u32 i = 0; i < extra; i++) {
		struct clo_pair key = {WORLD_IDENTITIES + i / EXTRA_SIDE,
				       WORLD_IDENTITIES + i % EXTRA_SIDE};
		__u32 row = WORLD_ROWS + i % EXTRA_ROWS;

		put(&at, &key, sizeof(key), &row, sizeof(row));
	}
}

static struct clo_tables *make_tables(const struct world *world, size_t extra)
{
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		bench_check(-ENOMEM, "tables");
	tables->gen = world->gen;
	tables->gen.identities += EXTRA_SIDE;
	add_addresses(tables, world);
	add_cidrs(tables, world);
	add_pairs(tables, world, extra);
	memcpy(grow(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4), world->services,
	       sizeof(world->services));
	memcpy(grow(tables, CLO_TABLE_IDENTITIES, tables->gen.identities),
	       world->identities, sizeof(world->identities));
	memcpy(grow(tables, CLO_TABLE_RULES,
		    (size_t)(WORLD_ROWS + EXTRA_ROWS) * WORLD_WORDS * 32),
	       world->rules, sizeof(world->rules));
	clo_tables_sort(tables);
	return tables;
}

static int open_program(const struct node *node, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/prog/%s", node->dir, name);
	fd = bpf_obj_get(path);
	bench_check(fd, path);
	return fd;
}

static void node_open(struct node *node, const char *mount,
		      const struct world *world, size_t extra)
{
	CLO_AUTO(clo_tables)
	struct clo_tables *tables = make_tables(world, extra);
	uint64_t epoch;
	bool adopted;

	(void)snprintf(node->dir, sizeof(node->dir), "%s/%zu", mount, extra);
	bench_check(
		clo_bpf_open(node->dir, CLO_ATTACH_AUTO, &node->bpf, &adopted),
		"load");
	bench_check(clo_bpf_tables_write(node->bpf, tables, &epoch), "write");
	node->programs[0] = open_program(node, "from_guest");
	node->programs[1] = open_program(node, "to_guest");
}

static uint64_t dropped(const struct node *node, const struct packet *packet)
{
	CLO_AUTO_MEM struct clo_bpf_drop *drops = NULL;
	size_t n = 0;

	bench_check(clo_bpf_drops_read(node->bpf, &drops, &n), "drops");
	for (size_t i = 0; i < n; i++)
		if (drops[i].key.reason == packet->drop &&
		    drops[i].key.to_guest == packet->to_guest)
			return drops[i].count;
	return 0;
}

/* CPU nanoseconds for each of n runs. */
static double run(int program, const struct packet *packet, __u32 n,
		  __u32 *ret_verdict)
{
	struct __sk_buff ctx = {.ifindex = LOOPBACK, .mark = packet->mark};
	struct frame frame;
	double begin;

	frame_build(&packet->frame, &frame);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data,
		    .data_size_in = frame.len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)n);
	begin = bench_cpu_ns();
	bench_check(bpf_prog_test_run_opts(program, &opts), packet->what);
	begin = bench_cpu_ns() - begin;
	*ret_verdict = opts.retval;
	return begin / n;
}

static double guarded(const struct node *node, const struct packet *packet,
		      __u32 n)
{
	uint64_t before = packet->drop ? dropped(node, packet) : 0;
	__u32 verdict;
	double ns;

	bench_check(clo_bpf_port_set(node->bpf, LOOPBACK,
				     &world_nics[packet->port].port),
		    "port");
	ns = run(node->programs[packet->to_guest], packet, n, &verdict);
	if (verdict != (packet->drop ? TC_ACT_SHOT : TC_ACT_OK) ||
	    (packet->drop && dropped(node, packet) != before + n)) {
		(void)fprintf(stderr, "%s: wrong verdict %u\n", packet->what,
			      verdict);
		exit(1);
	}
	return ns;
}

static void measure(const struct node nodes[SIZES], int empty)
{
	double base[PACKETS][ROUNDS_MAX], cost[PACKETS][SIZES][ROUNDS_MAX];
	__u32 verdict;

	for (size_t round = 0; round < rounds; round++)
		for (size_t p = 0; p < PACKETS; p++) {
			base[p][round] =
				run(empty, &packets[p], repeat, &verdict);
			for (size_t s = 0; s < SIZES; s++)
				cost[p][s][round] =
					guarded(&nodes[s], &packets[p], repeat);
		}

	printf("CPU ns per packet, median of %zu rounds of %u runs\n", rounds,
	       repeat);
	printf("%-32s %7s | %7s %7s %6s | %7s %7s %6s | %s\n", "packet",
	       "empty", "10", "net", "ratio", "100000", "net", "ratio",
	       "growth");
	for (size_t p = 0; p < PACKETS; p++) {
		double empty_ns = bench_median(base[p], rounds);
		double small = bench_median(cost[p][0], rounds);
		double large = bench_median(cost[p][1], rounds);

		printf("%-32s %7.1f | %7.1f %7.1f %5.1fx | %7.1f %7.1f %5.1fx | "
		       "%.2fx\n",
		       packets[p].what, empty_ns, small, small - empty_ns,
		       small / empty_ns, large, large - empty_ns,
		       large / empty_ns,
		       (large - empty_ns) / (small - empty_ns));
	}
}

int main(int argc, char **argv)
{
	static struct node nodes[SIZES];
	static struct world world;
	char mount_dir[] = "/tmp/cloison-bench-XXXXXX";
	struct empty *skel;

	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		repeat = 100; /* shows that it works, no more */
		rounds = 1;
	}
	if (!mkdtemp(mount_dir) ||
	    mount("bpf", mount_dir, "bpf", 0, "mode=0700") < 0)
		bench_check(-errno, "bpffs");
	skel = empty__open_and_load();
	if (!skel)
		bench_check(-errno, "empty program");
	world_build(0, &world);
	for (size_t s = 0; s < SIZES; s++) {
		node_open(&nodes[s], mount_dir, &world, extra_pairs[s]);
		for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]);
		     i++)
			(void)guarded(&nodes[s], &openers[i], 1);
	}
	measure(nodes, bpf_program__fd(skel->progs.empty));

	empty__destroy(skel);
	for (size_t s = 0; s < SIZES; s++)
		clo_bpf_free(nodes[s].bpf);
	/* the mount goes with the namespace */
	(void)umount2(mount_dir, MNT_DETACH);
	(void)rmdir(mount_dir);
	return 0;
}
