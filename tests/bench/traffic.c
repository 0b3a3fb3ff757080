/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One side of a measured exchange. At the end: wall and CPU nanoseconds, and
 * nanoseconds for which the CPU was busy as /proc/stat has it.
 * usage: traffic sink|echo|source|ask ADDRESS PORT COUNT
 *        traffic hold ADDRESS PORT COUNT      bind COUNT ports, until killed
 *        traffic flood|back ADDRESS PORT COUNT FIRST FLOWS RATE
 * flood sends COUNT datagrams of flows FIRST to FIRST + FLOWS - 1 in an order
 * that looks random, RATE in a second (0: as fast as it can), until killed or
 * done; back sends what the other side would answer.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

enum {
	CHUNK = 65536,
	PATIENCE_S = 10,
	FLOW_PORTS = 60000, /* source ports; then the next destination port */
	FLOW_PORT = 2000, /* the first of them */
	PACE = 32, /* packets between two looks at the clock */
	HOLD_BYTES = 4096,
};

/* A prime: visits each of fewer flows once. */
#define STRIDE 2654435761UL

struct flood {
	uint64_t first;
	uint64_t flows;
	double rate;
};

struct datagram {
	struct iphdr ip;
	struct udphdr udp;
	char payload[18]; /* the shortest frame of Ethernet */
};

static char buffer[CHUNK];
static struct flood flood = {.flows = 1};
static volatile sig_atomic_t stopped;

static double now_ns(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds for which this CPU has worked, in steps of 10 ms. */
static double busy_ns(void)
{
	char line[256], name[16];
	double busy = 0;
	FILE *file = fopen("/proc/stat", "re");

	(void)snprintf(name, sizeof(name), "cpu%d ", sched_getcpu());
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long t[7];
		char *at = line + strlen(name);

		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		for (size_t i = 0; i < 7; i++)
			t[i] = strtoul(at, &at, 10);
		busy = (double)(t[0] + t[1] + t[2] + t[5] + t[6]);
	}
	if (file)
		(void)fclose(file);
	return busy * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

static int bound(int type, const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		bench_check(-errno, "bind");
	return fd;
}

static int joined(int type, const struct sockaddr_in *address)
{
	struct timeval patience = {PATIENCE_S, 0};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		bench_check(-errno, "connect");
	return fd;
}

static void ready(void)
{
	puts("ready");
	(void)fflush(stdout);
}

static void sink(const struct sockaddr_in *address, long count)
{
	int fd = bound(SOCK_STREAM, address);
	ssize_t n;

	bench_check(listen(fd, 1) < 0 ? -errno : 0, "listen");
	ready();
	fd = accept(fd, NULL, NULL);
	while (count > 0 && (n = read(fd, buffer, CHUNK)) > 0)
		count -= n;
	bench_check(count > 0 ? -EPIPE : 0, "stream ended early");
}

static void echo(const struct sockaddr_in *address, long count)
{
	int fd = bound(SOCK_DGRAM, address);

	ready();
	while (count-- > 0) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(fd, buffer, CHUNK, 0,
				     (struct sockaddr *)&peer, &len);

		if (n < 0 || sendto(fd, buffer, (size_t)n, 0,
				    (struct sockaddr *)&peer, len) < 0)
			bench_check(-errno, "echo");
	}
}

static void source(const struct sockaddr_in *address, long count)
{
	int fd = joined(SOCK_STREAM, address);

	while (count > 0) {
		ssize_t n = write(fd, buffer, CHUNK);

		bench_check(n < 0 ? -errno : 0, "write");
		count -= n;
	}
	/* until the other side has read it all and closed */
	bench_check(shutdown(fd, SHUT_WR) < 0 ? -errno : 0, "shutdown");
	bench_check(read(fd, buffer, 1) != 0 ? -EPIPE : 0, "close");
}

static void ask(const struct sockaddr_in *address, long count)
{
	int fd = joined(SOCK_DGRAM, address);

	while (count-- > 0)
		if (send(fd, buffer, 64, 0) < 0 ||
		    recv(fd, buffer, CHUNK, 0) < 0)
			bench_check(-errno, "ask");
}

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* Sockets that nobody reads: what does not fit is dropped, at no cost. */
static void hold(const struct sockaddr_in *address, long count)
{
	struct sockaddr_in own = *address;
	int bytes = HOLD_BYTES;

	while (count-- > 0) {
		int fd = bound(SOCK_DGRAM, &own);

		bench_check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				       sizeof(bytes)) < 0
				    ? -errno
				    : 0,
			    "buffer");
		own.sin_port = htons((in_port_t)(ntohs(own.sin_port) + 1));
	}
	ready();
	while (!stopped)
		(void)pause();
}

static void aim(struct datagram *datagram, in_port_t port, uint64_t i,
		bool back)
{
	uint64_t flow = flood.first + i * STRIDE % flood.flows;
	in_port_t from = (in_port_t)(FLOW_PORT + flow % FLOW_PORTS);
	in_port_t to = (in_port_t)(port + flow / FLOW_PORTS);

	datagram->udp.source = htons(back ? to : from);
	datagram->udp.dest = htons(back ? from : to);
}

static void pace(double begin, uint64_t sent)
{
	while (flood.rate > 0 && !stopped &&
	       (double)sent >
		       (now_ns(CLOCK_MONOTONIC) - begin) * flood.rate / 1e9)
		continue;
}

static void pour(const struct sockaddr_in *address, long count, bool back)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	double begin = now_ns(CLOCK_MONOTONIC);
	struct datagram datagram = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_UDP,
		       .tot_len = htons(sizeof(datagram)),
		       .daddr = address->sin_addr.s_addr},
		.udp = {.len = htons(sizeof(datagram) - sizeof(datagram.ip))},
	};
	uint64_t i;

	bench_check(fd < 0 ? -errno : 0, "raw socket");
	for (i = 0; i < (uint64_t)count && !stopped; i++) {
		if (i % PACE == 0)
			pace(begin, i);
		aim(&datagram, ntohs(address->sin_port), i, back);
		/* full queues of the receiver are its affair */
		if (sendto(fd, &datagram, sizeof(datagram), 0,
			   (const struct sockaddr *)address,
			   sizeof(*address)) < 0 &&
		    errno != ENOBUFS && errno != EINTR)
			bench_check(-errno, "flood");
	}
	printf("%llu ", (unsigned long long)i);
}

static void flood_there(const struct sockaddr_in *address, long count)
{
	pour(address, count, false);
}

static void flood_back(const struct sockaddr_in *address, long count)
{
	pour(address, count, true);
}

static const struct {
	const char *name;
	void (*run)(const struct sockaddr_in *address, long count);
} sides[] = {{"sink", sink},      {"echo", echo}, {"source", source},
	     {"ask", ask},        {"hold", hold}, {"flood", flood_there},
	     {"back", flood_back}};

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	double wall = now_ns(CLOCK_MONOTONIC), busy = busy_ns();
	double cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);

	if ((argc != 5 && argc != 8) ||
	    inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((in_port_t)strtoul(argv[3], NULL, 10));
	if (argc == 8)
		flood = (struct flood){strtoull(argv[5], NULL, 10),
				       strtoull(argv[6], NULL, 10),
				       strtod(argv[7], NULL)};
	(void)signal(SIGTERM, stop);
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		if (strcmp(argv[1], sides[i].name) == 0)
			sides[i].run(&address, strtol(argv[4], NULL, 10));
	printf("%.0f %.0f %.0f\n", now_ns(CLOCK_MONOTONIC) - wall,
	       now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, busy_ns() - busy);
	return 0;
}
