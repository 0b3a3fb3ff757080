/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/fixture.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bench.h"

enum {
	BITS_PER_PAIR = 10,
	EXTRA_ROWS = 1000, /* rows are shared, as the compiler does */
	EXTRA_SIDE = 1000, /* identities; squared: pairs */
	EXTRA_SPACE = 9, /* a tenant of many */
	EXTRA_ENDPOINT = 100000,
	ACCOUNT_LIMIT = 1 << 24,
};

static char mount_dir[] = "/tmp/cloison-bench-XXXXXX";
static unsigned int ifindexes[IFACES];
static const char *const names[IFACES] = {"web", "db", "wire", "spare"};

void fixture_enter(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)fprintf(stderr, "skipped: needs root, and namespaces\n");
		exit(77);
	}
	if (!mkdtemp(mount_dir) ||
	    mount("bpf", mount_dir, "bpf", 0, "mode=0700") < 0)
		bench_check(-errno, "bpffs");
	if (system("ip link add web type veth peer name db && "
		   "ip link add wire type veth peer name spare") != 0)
		bench_check(-EIO, "interfaces");
	for (size_t i = 0; i < IFACES; i++)
		ifindexes[i] = if_nametoindex(names[i]);
}

void fixture_leave(void)
{
	/* the mount goes with the namespace */
	(void)umount2(mount_dir, MNT_DETACH);
	(void)rmdir(mount_dir);
}

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

/* An IPv4 key is the beginning of an IPv6 key. */
static void put_address(uint8_t **at, uint32_t space, uint8_t family,
			const uint8_t *addr, const struct clo_addr *entry)
{
	struct clo_addr6_key key = {.space = space};

	memcpy(key.addr, addr, family == 4 ? 4 : 16);
	put(at, &key,
	    family == 4 ? sizeof(struct clo_addr4_key)
			: sizeof(struct clo_addr6_key),
	    entry, sizeof(*entry));
}

/* The world's, and `extra` endpoints with an address of each version. */
static void add_addresses(struct clo_tables *tables, const struct world *world,
			  size_t extra)
{
	size_t n4 = 0, n6 = 0;
	uint8_t *at4, *at6;

	for (uint32_t i = 0; i < world->n_addrs; i++)
		world->addrs[i].family == 4 ? n4++ : n6++;
	at4 = grow(tables, CLO_TABLE_ADDR4, n4 + extra);
	at6 = grow(tables, CLO_TABLE_ADDR6, n6 + extra);
	for (uint32_t i = 0; i < world->n_addrs; i++)
		put_address(world->addrs[i].family == 4 ? &at4 : &at6,
			    world->addrs[i].space, world->addrs[i].family,
			    world->addrs[i].addr, &world->addrs[i].entry);
	for (uint32_t i = 0; i < extra; i++) {
		struct clo_addr entry = {
			.identity = WORLD_IDENTITIES + i % EXTRA_SIDE,
			.endpoint = EXTRA_ENDPOINT + i,
			.segment = 1 + i % EXTRA_SIDE,
		};
		uint8_t addr[16] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8),
				    (uint8_t)i};

		put_address(&at4, EXTRA_SPACE, 4, addr, &entry);
		put_address(&at6, EXTRA_SPACE, 6, addr, &entry);
	}
}

static void add_cidrs(struct clo_tables *tables, const struct world *world)
{
	uint8_t *at4 = grow(tables, CLO_TABLE_CIDR4, WORLD_CIDRS / 2);
	uint8_t *at6 = grow(tables, CLO_TABLE_CIDR6, WORLD_CIDRS / 2);

	for (uint32_t i = 0; i < WORLD_CIDRS; i++) {
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
	uint64_t *words = (uint64_t *)(void *)grow(
		tables, CLO_TABLE_WORDS,
		(size_t)(WORLD_ROWS + EXTRA_ROWS) * WORLD_WORDS);

	memcpy(words, world->words, sizeof(world->words));
	for (size_t i = 0; i < EXTRA_ROWS; i++)
		words[(WORLD_ROWS + i) * WORLD_WORDS] =
			((1ULL << BITS_PER_PAIR) - 1) << i % (64 - 10);
	for (uint32_t i = 0; i < world->n_pairs; i++)
		put(&at, &world->pairs[i].key, sizeof(struct clo_pair),
		    &world->pairs[i].row, sizeof(uint32_t));
	for (uint32_t i = 0; i < extra; i++) {
		struct clo_pair key = {WORLD_IDENTITIES + i / EXTRA_SIDE,
				       WORLD_IDENTITIES + i % EXTRA_SIDE};
		uint32_t row = WORLD_ROWS + i % EXTRA_ROWS;

		put(&at, &key, sizeof(key), &row, sizeof(row));
	}
}

static void add_rows(struct clo_tables *tables, const struct world *world)
{
	struct clo_row *rows = (struct clo_row *)(void *)grow(
		tables, CLO_TABLE_ROWS, WORLD_ROWS + EXTRA_ROWS);
	uint8_t *others = grow(tables, CLO_TABLE_RULES,
			       (size_t)WORLD_ROWS * WORLD_CLASSES);
	size_t n = 0;

	memcpy(rows, world->rows, sizeof(world->rows));
	for (uint32_t i = WORLD_ROWS; i < WORLD_ROWS + EXTRA_ROWS; i++)
		rows[i] = (struct clo_row){
			.set = i, .rule = 1, .owned = BITS_PER_PAIR};
	for (uint32_t row = 0; row < WORLD_ROWS; row++) {
		for (uint32_t class = 0; class < WORLD_CLASSES; class ++) {
			const struct clo_rule_key key = {row, class};
			const uint32_t *rule = &world->rules[row][class];

			if (!*rule || *rule == rows[row].rule)
				continue;
			put(&others, &key, sizeof(key), rule, sizeof(*rule));
			n++;
		}
	}
	tables->table[CLO_TABLE_RULES].n = n;
}

static struct clo_tables *make_tables(const struct fixture_size *size)
{
	static struct world world;
	struct clo_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		bench_check(-ENOMEM, "tables");
	world_build(0, &world);
	tables->gen = world.gen;
	tables->gen.identities = WORLD_IDENTITIES + EXTRA_SIDE;
	add_addresses(tables, &world, size->addresses);
	add_cidrs(tables, &world);
	add_pairs(tables, &world, size->bits / BITS_PER_PAIR);
	memcpy(grow(tables, CLO_TABLE_SERVICES, CLO_SLOTS / 4), world.services,
	       sizeof(world.services));
	memcpy(grow(tables, CLO_TABLE_IDENTITIES, tables->gen.identities),
	       world.identities, sizeof(world.identities));
	add_rows(tables, &world);
	clo_tables_sort(tables);
	return tables;
}

static int open_program(const struct fixture *fixture, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/prog/%s", fixture->dir, name);
	fd = bpf_obj_get(path);
	bench_check(fd, path);
	return fd;
}

void fixture_port(struct fixture *fixture, enum fixture_iface iface,
		  bool limits)
{
	struct clo_bucket buckets[CLO_BUCKET_COUNT] = {0};
	struct clo_port port = world_nics[iface == IFACE_DB ? DB : WEB].port;

	port.kind = iface == IFACE_WIRE ? CLO_PORT_UPLINK : CLO_PORT_TAP;
	if (iface == IFACE_WIRE)
		port.endpoint = 0;
	for (size_t i = 0; limits && i < CLO_BUCKET_COUNT; i++)
		buckets[i] = (struct clo_bucket){
			.cost = 1,
			.burst = 1000000000000ULL,
		};
	port.flags = limits ? CLO_PORT_LIMIT_FROM | CLO_PORT_LIMIT_TO : 0;
	bench_check(clo_bpf_port_set(fixture->bpf, ifindexes[iface], &port,
				     buckets),
		    "port");
}

void fixture_open(struct fixture *fixture, const struct fixture_size *size)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = make_tables(size);
	struct clo_bpf_config config = {
		.dir = fixture->dir,
		.attach = CLO_ATTACH_AUTO,
		.connections = size->connections,
	};
	uint64_t epoch;
	bool adopted;

	(void)snprintf(fixture->dir, sizeof(fixture->dir), "%s/%s", mount_dir,
		       size->name);
	bench_check(clo_bpf_open(&config, &fixture->bpf, &adopted), "load");
	bench_check(clo_bpf_tables_write(fixture->bpf, tables, &epoch),
		    "write");
	fixture->programs[0] = open_program(fixture, "from_guest");
	fixture->programs[1] = open_program(fixture, "to_guest");
	for (size_t i = WEB; i <= DB; i++)
		bench_check(clo_bpf_account_set(fixture->bpf,
						world_nics[i].port.endpoint, 0,
						ACCOUNT_LIMIT),
			    "account");
	fixture_port(fixture, IFACE_WEB, false);
	fixture_port(fixture, IFACE_DB, false);
	fixture_port(fixture, IFACE_WIRE, false);
}

void fixture_close(struct fixture *fixture)
{
	for (size_t i = 0; i < 2; i++)
		(void)close(fixture->programs[i]);
	clo_bpf_free(fixture->bpf);
	bench_check(clo_bpf_remove(fixture->dir), "remove");
}

double fixture_run(int program, enum fixture_iface iface, uint32_t mark,
		   const struct frame *frame, uint32_t n, uint32_t *ret_verdict)
{
	struct __sk_buff ctx = {.ifindex = ifindexes[iface], .mark = mark};
	double begin;

	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
		    .data_size_in = frame->len, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)n);
	begin = bench_cpu_ns();
	bench_check(bpf_prog_test_run_opts(program, &opts), "run");
	begin = bench_cpu_ns() - begin;
	*ret_verdict = opts.retval;
	return begin / n;
}

uint64_t fixture_dropped(const struct fixture *fixture, enum clo_drop reason,
			 bool to_guest)
{
	CLO_AUTO_MEM struct clo_bpf_drop *drops = NULL;
	uint64_t count = 0;
	size_t n = 0;

	bench_check(clo_bpf_drops_read(fixture->bpf, &drops, &n), "drops");
	for (size_t i = 0; i < n; i++)
		if (drops[i].key.reason == reason &&
		    drops[i].key.to_guest == to_guest)
			count += drops[i].count;
	return count;
}
