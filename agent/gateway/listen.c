/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/auto.h"
#include "agent/gateway/options.h"
#include "agent/gateway/query.h"

#define BACKLOG 64

/* Numbers only: no name is looked up. */
static int parse(const char *text, struct sockaddr_storage *ret_address,
		 socklen_t *ret_len)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	int64_t port;

	if (len == 0 || len >= sizeof(host) ||
	    !clo_query_number(colon + 1, 1, UINT16_MAX, &port))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	four.sin_port = six.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &four.sin_addr) == 1) {
		memcpy(ret_address, &four, sizeof(four));
		*ret_len = sizeof(four);
		return 0;
	}
	if (host[0] != '[' || host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &six.sin6_addr) != 1)
		return -EINVAL;
	memcpy(ret_address, &six, sizeof(six));
	*ret_len = sizeof(six);
	return 0;
}

int clo_gateway_listen(const char *text, int *ret_fd)
{
	struct sockaddr_storage address = {0};
	CLO_AUTO_FD int fd = -1;
	const int on = 1;
	socklen_t len;
	int r;

	r = parse(text, &address, &len);
	if (r < 0)
		return r;
	fd = socket(address.ss_family,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, len) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}
