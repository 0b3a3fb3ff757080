/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

struct request {
	struct nlmsghdr header;
	struct ndmsg neigh;
	unsigned char attributes[64];
};

static void append(struct request *request, unsigned short type,
		   const void *data, size_t len)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request +
				  NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(attribute), data, len);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) +
				    (unsigned int)RTA_ALIGN(attribute->rta_len);
}

/* 0 or -errno, as the kernel acknowledged it. */
static int transact(int fd, const struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[256];
	} reply;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0 ||
	    recv(fd, &reply, sizeof(reply), 0) < 0)
		return -errno;
	return reply.error.error;
}

static int change(int fd, int ifindex, const char *line)
{
	struct request request = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
			   .nlmsg_type = RTM_DELNEIGH,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.neigh = {.ndm_ifindex = ifindex, .ndm_state = NUD_PERMANENT},
	};
	char verb[8], addr[64], mac[32] = "";
	unsigned char raw[16], m[6];
	int n = sscanf(line, "%7s %63s %31s", verb, addr, mac), r;

	if (n < 2)
		return -EINVAL;
	request.neigh.ndm_family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(request.neigh.ndm_family, addr, raw) != 1)
		return -EINVAL;
	append(&request, NDA_DST, raw,
	       request.neigh.ndm_family == AF_INET ? 4 : 16);
	if (!strcmp(verb, "add")) {
		if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1],
			   &m[2], &m[3], &m[4], &m[5]) != 6)
			return -EINVAL;
		request.header.nlmsg_type = RTM_NEWNEIGH;
		request.header.nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
		append(&request, NDA_LLADDR, m, sizeof(m));
	}
	r = transact(fd, &request);
	return r == -ENOENT && strcmp(verb, "add") ? 0 : r;
}

int lab_neigh(const char *iface)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int ifindex = (int)if_nametoindex(iface);
	char line[256];

	if (fd < 0 || !ifindex) {
		perror(iface);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		int r = change(fd, ifindex, line);

		if (r < 0) {
			fprintf(stderr, "labguest: %s: %s", strerror(-r), line);
			return 1;
		}
	}
	close(fd);
	return 0;
}
