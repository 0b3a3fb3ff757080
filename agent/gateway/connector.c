/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/connector.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/core/message.h"

#define CONNECT_MS 5000
#define OWN_FD 3 /* of the child, and no other */

struct clo_connector {
	int fd; /* to the child */
	pthread_mutex_t lock;
};

/* One int, and a descriptor with it unless fd < 0. */
static int send_reply(int to, int word, int fd)
{
	struct iovec text = {.iov_base = &word, .iov_len = sizeof(word)};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fd))] = {0};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *header = (struct cmsghdr *)(void *)room;

		message.msg_control = room;
		message.msg_controllen = sizeof(room);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_reply(int from, int *ret_word, int *ret_fd)
{
	struct iovec text = {.iov_base = ret_word, .iov_len = sizeof(int)};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr message = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	const struct cmsghdr *header = (struct cmsghdr *)(void *)room;
	ssize_t n;

	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(int))
		return -EPIPE;
	if (message.msg_controllen >= sizeof(*header) &&
	    header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return 0;
}

static _Noreturn void serve(int fd, const char *path, int (*confine)(void))
{
	char wish;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* nothing that the other was given, a listening socket say */
	if (dup2(fd, OWN_FD) < 0 || close_range(OWN_FD + 1, ~0U, 0) < 0 ||
	    confine() < 0)
		_exit(1);
	fd = OWN_FD;
	for (;;) {
		CLO_AUTO_FD int connection = -1;
		ssize_t n = recv(fd, &wish, sizeof(wish), 0);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(wish))
			_exit(0);
		r = clo_message_connect(path, CONNECT_MS, &connection);
		if (send_reply(fd, r, connection) < 0)
			_exit(1);
	}
}

int clo_connector_new(const char *path, int (*confine)(void),
		      struct clo_connector **ret_connector)
{
	CLO_AUTO(clo_connector) struct clo_connector *connector = NULL;
	CLO_AUTO_FD int theirs = -1;
	int pair[2];
	pid_t child;

	connector = calloc(1, sizeof(*connector));
	if (!connector)
		return -ENOMEM;
	connector->fd = -1;
	(void)pthread_mutex_init(&connector->lock, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	connector->fd = pair[0];
	theirs = pair[1];

	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)close(connector->fd);
		serve(theirs, path, confine);
	}
	*ret_connector = CLO_TAKE(connector);
	return 0;
}

void clo_connector_free(struct clo_connector *connector)
{
	if (!connector)
		return;

	if (connector->fd >= 0)
		(void)close(connector->fd);
	(void)pthread_mutex_destroy(&connector->lock);
	free(connector);
}

static int exchange(struct clo_connector *connector, int *ret_word, int *ret_fd)
{
	const char wish = 1;

	if (send(connector->fd, &wish, sizeof(wish), MSG_NOSIGNAL) < 0)
		return -errno;
	return receive_reply(connector->fd, ret_word, ret_fd);
}

int clo_connector_get(struct clo_connector *connector, int *ret_fd)
{
	CLO_AUTO_FD int fd = -1;
	int word = -EPIPE;
	int r;

	(void)pthread_mutex_lock(&connector->lock);
	r = exchange(connector, &word, &fd);
	(void)pthread_mutex_unlock(&connector->lock);
	if (r == 0)
		r = word;
	if (r < 0)
		return r;
	if (fd < 0)
		return -EBADMSG;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}
