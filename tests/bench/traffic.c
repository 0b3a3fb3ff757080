/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One side of a measured exchange. At the end: wall and CPU nanoseconds. The
 * kernel's work for veth and bridge is done, and charged, where a process
 * sends; so the CPU time of both sides together is the cost of the path.
 * usage: traffic sink|echo|source|ask ADDRESS PORT COUNT
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

enum {
	CHUNK = 65536,
	PATIENCE_S = 10,
};

static char buffer[CHUNK];

static double now_ns(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
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

static const struct {
	const char *name;
	void (*run)(const struct sockaddr_in *address, long count);
} sides[] = {{"sink", sink}, {"echo", echo}, {"source", source}, {"ask", ask}};

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	double wall = now_ns(CLOCK_MONOTONIC);

	if (argc != 5 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((in_port_t)strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		if (strcmp(argv[1], sides[i].name) == 0)
			sides[i].run(&address, strtol(argv[4], NULL, 10));
	printf("%.0f %.0f\n", now_ns(CLOCK_MONOTONIC) - wall,
	       now_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
