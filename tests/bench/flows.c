/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a full connection table costs: memory for each tracked flow, and a
 * packet of an established flow, any of a million in an order that looks
 * random, against always the same one. Run one by one, so that what the system
 * call costs is in both; it is taken off by an empty program in the same rounds
 * with the same frames.
 * usage: flows [--quick]
 */

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bench.h"
#include "bench/fixture.h"
#include "skel/empty.skel.h"

enum {
	PORTS = 4096, /* source ports; then the next destination address */
	FIRST_PORT = 1024,
	PEERS = 250,
	ROUNDS_MAX = 9,
	SERVICE = 5000,
	SUBJECTS = 4,
	SLICE = 1000,
};

/* A prime: visits each of fewer flows once. */
#define STRIDE 2654435761UL

static uint32_t flows = 1000000, runs = 200000;
static size_t rounds = 7;

struct subject {
	const char *what;
	bool empty; /* program */
	uint32_t flows; /* that take turns */
	double ns[ROUNDS_MAX];
};

static const struct frame_spec there_spec = {
	UDP(4, WEB, PARTNER, 1, SERVICE),
};
static const struct frame_spec back_spec = {
	UDP(4, PARTNER, WEB, SERVICE, 1),
};

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void aim(struct frame *frame, bool back, uint32_t flow)
{
	frame->data[back ? 29 : 33] = (uint8_t)(1 + flow / PORTS % PEERS);
	put16(frame->data + (back ? 36 : 34), FIRST_PORT + flow % PORTS);
}

static void pass(int program, uint32_t mark, struct frame *frame, bool checked)
{
	uint32_t verdict;

	(void)fixture_run(program, IFACE_WEB, mark, frame, 1, &verdict);
	if (checked && verdict != TC_ACT_OK && verdict != TC_ACT_REDIRECT)
		bench_check(-EBADMSG, "a packet was dropped");
}

/* Question and answer for each flow. */
static void open_flows(const struct fixture *node)
{
	struct frame there, back;
	uint64_t count;

	frame_build(&there_spec, &there);
	frame_build(&back_spec, &back);
	for (uint32_t i = 0; i < flows; i++) {
		aim(&there, false, i);
		pass(node->programs[0], 0, &there, true);
		aim(&back, true, i);
		pass(node->programs[1], 0, &back, true);
	}
	bench_check(clo_bpf_connections_count(node->bpf, &count), "count");
	if (count < flows)
		bench_check(-ENOSPC, "not every flow is tracked");
}

/* Adds to what `subject` has in this round: packets first to first + n - 1. */
static void run_some(const struct fixture *node, int empty,
		     struct subject *subject, size_t round, uint64_t first,
		     uint64_t n)
{
	int program = subject->empty ? empty : node->programs[0];
	struct frame frame;
	double begin;

	frame_build(&there_spec, &frame);
	begin = bench_cpu_ns();
	for (uint64_t i = first; i < first + n; i++) {
		aim(&frame, false, (uint32_t)(i * STRIDE % subject->flows));
		pass(program, 0, &frame, !subject->empty);
	}
	subject->ns[round] += (bench_cpu_ns() - begin) / runs;
}

/* In slices, so that a machine which changes its pace changes all. */
static void measure(const struct fixture *node, int empty,
		    struct subject subjects[SUBJECTS])
{
	for (size_t round = 0; round < rounds; round++)
		for (uint32_t i = 0; i < runs; i += SLICE)
			for (size_t s = 0; s < SUBJECTS; s++)
				run_some(node, empty, &subjects[s], round,
					 round * runs + i, SLICE);
}

/* Bytes that the kernel holds for a map, and its capacity. */
static uint64_t map_bytes(const struct fixture *node, const char *name,
			  uint32_t *ret_capacity)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	unsigned long long bytes = 0;
	char path[256], line[128];
	FILE *file;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/map/%s", node->dir, name);
	fd = bpf_obj_get(path);
	bench_check(fd, path);
	bench_check(bpf_obj_get_info_by_fd(fd, &info, &len), "map");
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "memlock:", 8) == 0)
			bytes = strtoull(line + 8, NULL, 10);
	if (file)
		(void)fclose(file);
	(void)close(fd);
	*ret_capacity = info.max_entries;
	return bytes;
}

static void show_memory(const struct fixture *node)
{
	static const char *const names[] = {"clo_conn4", "clo_conn6"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint32_t capacity;
		uint64_t bytes = map_bytes(node, names[i], &capacity);

		printf("%s: %.1f MiB for at most %u flows, "
		       "%.0f bytes for each\n",
		       names[i], (double)bytes / (1 << 20), capacity,
		       (double)bytes / capacity);
	}
}

static void show(struct subject subjects[SUBJECTS])
{
	double net[2][ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++)
		for (size_t s = 0; s < 2; s++)
			net[s][i] = subjects[s].ns[i] - subjects[s + 2].ns[i];
	printf("established packet, CPU ns net of an empty program, median "
	       "[min-max] of %zu rounds of %u packets\n",
	       rounds, runs);
	for (size_t s = 0; s < 2; s++) {
		double median = bench_median(net[s], rounds);

		printf("%-36s %7.1f [%.0f-%.0f]\n", subjects[s].what, median,
		       net[s][0], net[s][rounds - 1]);
	}
}

int main(int argc, char **argv)
{
	struct fixture_size size = {"flows", 10, 0, 1U << 20};
	static struct fixture node;
	struct empty *skel;

	fixture_enter();
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		flows = 1000;
		runs = 1000;
		rounds = 1;
		size.connections = 4096;
	}
	skel = empty__open_and_load();
	bench_check(skel ? 0 : -errno, "empty program");
	fixture_open(&node, &size);
	open_flows(&node);

	struct subject subjects[SUBJECTS] = {
		{.what = "always the same flow", .flows = 1},
		{.what = "any of all tracked flows", .flows = flows},
		{.empty = true, .flows = 1},
		{.empty = true, .flows = flows},
	};
	measure(&node, bpf_program__fd(skel->progs.empty), subjects);
	printf("%u tracked flows\n", flows);
	show_memory(&node);
	show(subjects);

	empty__destroy(skel);
	fixture_close(&node);
	fixture_leave();
	return 0;
}
