/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

enum {
	TCP_A,
	TCP_B,
	TCP_C,
	UDP,
	SNIFFER,
	REPORT,
	SOCKETS
};

/*
 * Frames that arrived, by who sent them: what a guest hears is the last word
 * on a leak, also where no answer can come back.
 */
static struct heard {
	unsigned char mac[6];
	unsigned short ethertype;
	bool to_us; /* else multicast or broadcast */
	unsigned long frames;
} heard[256];

static size_t n_heard;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A bound server on all addresses of both families; 0 or the loopback's. */
static int server(int type, unsigned short port, bool loopback)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port)};
	int one = 1, zero = 0, fd;

	if (loopback)
		any.sin6_addr = in6addr_loopback;
	fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 64) < 0)
		die("listen");
	return fd;
}

static int sniffer(const char *iface)
{
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

	link.sll_ifindex = (int)if_nametoindex(iface);
	if (fd < 0 || bind(fd, (struct sockaddr *)&link, sizeof(link)) < 0)
		die("sniffer");
	return fd;
}

/* Says its name, then echoes until the peer is done. */
static void converse(int listener, const char *name)
{
	char bytes[4096];
	ssize_t n;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fork() != 0) {
		close(fd);
		return;
	}
	n = snprintf(bytes, sizeof(bytes), "%s\n", name);
	while (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) == n)
		n = read(fd, bytes, sizeof(bytes));
	_exit(0);
}

static void answer(int fd, const char *name)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	char bytes[2048];

	if (recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer,
		     &len) < 0)
		return;
	snprintf(bytes, sizeof(bytes), "%s\n", name);
	sendto(fd, bytes, strlen(bytes), 0, (struct sockaddr *)&peer, len);
}

static void count(int fd)
{
	struct sockaddr_ll from = {0};
	socklen_t len = sizeof(from);
	char byte;
	bool to_us;
	size_t i;

	if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) < 0 ||
	    from.sll_pkttype == PACKET_OUTGOING)
		return;
	to_us = from.sll_pkttype == PACKET_HOST;
	for (i = 0; i < n_heard; i++)
		if (!memcmp(heard[i].mac, from.sll_addr, 6) &&
		    heard[i].ethertype == ntohs(from.sll_protocol) &&
		    heard[i].to_us == to_us)
			break;
	if (i == sizeof(heard) / sizeof(heard[0]))
		die("too many senders");
	if (i == n_heard) {
		memcpy(heard[i].mac, from.sll_addr, 6);
		heard[i].ethertype = ntohs(from.sll_protocol);
		heard[i].to_us = to_us;
		n_heard++;
	}
	heard[i].frames++;
}

/* "MAC ETHERTYPE us|all FRAMES" for each, then start from nothing. */
static void report(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < n_heard; i++) {
		const unsigned char *m = heard[i].mac;

		dprintf(fd, "%02x:%02x:%02x:%02x:%02x:%02x %04x %s %lu\n", m[0],
			m[1], m[2], m[3], m[4], m[5], heard[i].ethertype,
			heard[i].to_us ? "us" : "all", heard[i].frames);
	}
	close(fd);
	n_heard = 0;
	memset(heard, 0, sizeof(heard));
}

int lab_serve(const char *name, const char *iface)
{
	struct pollfd fds[SOCKETS] = {
		[TCP_A] = {.fd = server(SOCK_STREAM, 8080, false)},
		[TCP_B] = {.fd = server(SOCK_STREAM, 2222, false)},
		[TCP_C] = {.fd = server(SOCK_STREAM, 9000, false)},
		[UDP] = {.fd = server(SOCK_DGRAM, 5353, false)},
		[SNIFFER] = {.fd = sniffer(iface)},
		[REPORT] = {.fd = server(SOCK_STREAM, 7, true)},
	};

	signal(SIGCHLD, SIG_IGN); /* no zombies */
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < SOCKETS; i++)
		fds[i].events = POLLIN;
	for (;;) {
		if (poll(fds, SOCKETS, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = TCP_A; i <= TCP_C; i++)
			if (fds[i].revents)
				converse(fds[i].fd, name);
		if (fds[UDP].revents)
			answer(fds[UDP].fd, name);
		if (fds[SNIFFER].revents)
			count(fds[SNIFFER].fd);
		else if (fds[REPORT].revents) /* only when all is counted */
			report(fds[REPORT].fd);
	}
}
