/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define ATTEMPTS 256
#define RESEND_MS 400

struct attempt {
	char id[64];
	char proto[8];
	struct sockaddr_storage to;
	socklen_t to_len;
	bool expected;
	bool connected; /* TCP only */
	char answer[64]; /* "" while none */
};

static struct attempt attempts[ATTEMPTS];
static struct pollfd fds[ATTEMPTS];
static nfds_t n_attempts;

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is(const struct attempt *attempt, const char *proto)
{
	return !strcmp(attempt->proto, proto);
}

static bool parse(const char *line, struct attempt *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ret->to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->to;
	char addr[64];
	unsigned int port;
	int expected;

	if (sscanf(line, "%63s %7s %63s %u %d", ret->id, ret->proto, addr,
		   &port, &expected) != 5)
		return false;
	ret->expected = expected != 0;
	if (inet_pton(AF_INET, addr, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((unsigned short)port);
		ret->to_len = sizeof(*in4);
		return true;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((unsigned short)port);
	ret->to_len = sizeof(*in6);
	return inet_pton(AF_INET6, addr, &in6->sin6_addr) == 1;
}

static int open_socket(const struct attempt *attempt)
{
	int family = attempt->to.ss_family;
	int icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	if (is(attempt, "tcp"))
		return socket(family, SOCK_STREAM | flags, 0);
	return socket(family, SOCK_DGRAM | flags,
		      is(attempt, "icmp") ? icmp : 0);
}

static void ask(const struct attempt *attempt, int fd)
{
	struct icmphdr echo4 = {.type = ICMP_ECHO};
	struct icmp6hdr echo6 = {.icmp6_type = ICMPV6_ECHO_REQUEST};

	if (is(attempt, "udp"))
		send(fd, "?", 1, 0);
	else if (is(attempt, "icmp") && attempt->to.ss_family == AF_INET)
		send(fd, &echo4, sizeof(echo4), 0);
	else if (is(attempt, "icmp"))
		send(fd, &echo6, sizeof(echo6), 0);
}

static void hear(struct attempt *attempt, struct pollfd *poll_fd)
{
	char bytes[256];
	ssize_t n;

	if (is(attempt, "tcp") && !attempt->connected) {
		int error = 0;
		socklen_t len = sizeof(error);

		getsockopt(poll_fd->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error == ECONNREFUSED)
			strcpy(attempt->answer, "refused");
		attempt->connected = error == 0;
		poll_fd->events = POLLIN;
		if (error)
			poll_fd->fd = -1; /* leaked: the process is short */
		return;
	}

	n = recv(poll_fd->fd, bytes, sizeof(bytes) - 1, 0);
	if (n < 0 && (errno == ECONNREFUSED || errno == ECONNRESET))
		strcpy(attempt->answer, "refused");
	if (n <= 0)
		return; /* anything else says nothing about the far end */
	bytes[n] = '\0';
	bytes[strcspn(bytes, "\n")] = '\0';
	snprintf(attempt->answer, sizeof(attempt->answer), "%.63s",
		 is(attempt, "icmp") ? "pong" : bytes);
	poll_fd->fd = -1;
}

static int begin(void)
{
	char line[256];

	while (n_attempts < ATTEMPTS && fgets(line, sizeof(line), stdin)) {
		struct attempt *attempt = &attempts[n_attempts];
		struct pollfd *poll_fd = &fds[n_attempts];

		poll_fd->fd = -1;
		if (!parse(line, attempt)) {
			fprintf(stderr, "labguest: bad line: %s", line);
			return 2;
		}
		n_attempts++;
		poll_fd->fd = open_socket(attempt);
		if (poll_fd->fd < 0) {
			perror("socket");
			return 1;
		}
		poll_fd->events = is(attempt, "tcp") ? POLLOUT : POLLIN;
		connect(poll_fd->fd, (struct sockaddr *)&attempt->to,
			attempt->to_len);
	}
	return 0;
}

static bool waiting(long elapsed, int min_ms, int max_ms)
{
	bool all = true, expected = true;

	for (nfds_t i = 0; i < n_attempts; i++) {
		bool open = attempts[i].answer[0] == '\0';

		all = all && !open;
		expected = expected && (!open || !attempts[i].expected);
	}
	return !all && elapsed < max_ms && (elapsed < min_ms || !expected);
}

int lab_probe(int min_ms, int max_ms)
{
	long start = now_ms(), resend = 0;
	int r = begin();

	if (r != 0)
		return r;
	while (waiting(now_ms() - start, min_ms, max_ms)) {
		for (nfds_t i = 0; now_ms() >= resend && i < n_attempts; i++)
			if (!attempts[i].answer[0] && fds[i].fd >= 0)
				ask(&attempts[i], fds[i].fd);
		if (now_ms() >= resend)
			resend = now_ms() + RESEND_MS;
		if (poll(fds, n_attempts, 50) <= 0)
			continue;
		for (nfds_t i = 0; i < n_attempts; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				hear(&attempts[i], &fds[i]);
	}
	for (nfds_t i = 0; i < n_attempts; i++)
		printf("%s %s\n", attempts[i].id,
		       attempts[i].answer[0] ? attempts[i].answer : "-");
	return 0;
}
