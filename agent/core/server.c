/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/server.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/attest/policy_bundle.h"
#include "agent/base/log.h"
#include "agent/core/control.h"
#include "agent/core/message.h"
#include "agent/core/queue.h"

#define CLIENTS_MAX 32
#define CLIENT_SECONDS 30 /* for one request, or its reply */

/* Bytes of one request, 0: as control.h; and how many at once. */
static const struct allowance {
	uint32_t inbox;
	size_t clients;
} allowances[] = {
	[CLO_CALLER_READER] = {16U << 20, CLIENTS_MAX},
	[CLO_CALLER_ROOT] = {0, CLIENTS_MAX},
	[CLO_CALLER_GATEWAY] = {4096, 8},
	/* a bundle, and what JSON makes of its quotes */
	[CLO_CALLER_STREAM] = {CLO_POLICY_BUNDLE_MAX + 4096, 2},
};

struct clo_client {
	struct clo_server *server;
	int fd; /* -1: the slot is free */
	enum clo_caller caller;
	struct clo_inbox inbox;
	struct clo_outbox outbox;
	sd_event_source *io, *timer;
	void (*ended)(void *userdata); /* NULL: no stream */
	void *userdata; /* of ended */
	struct clo_queue queue; /* of a stream, behind the outbox */
};

struct clo_server {
	sd_event *event;
	char *path;
	int fd;
	sd_event_source *accept;
	uid_t gateway, stream; /* 0: there is no such user */
	json_t *(*answer)(struct clo_client *client, const json_t *request,
			  enum clo_caller caller, void *userdata);
	void *userdata;
	struct clo_client clients[CLIENTS_MAX];
};

static void drop(struct clo_client *client)
{
	if (client->ended)
		client->ended(client->userdata);
	client->ended = NULL;
	clo_queue_done(&client->queue);
	client->io = sd_event_source_disable_unref(client->io);
	client->timer = sd_event_source_disable_unref(client->timer);
	clo_inbox_done(&client->inbox);
	clo_outbox_done(&client->outbox);
	client->inbox = (struct clo_inbox){0};
	client->outbox = (struct clo_outbox){0};
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	drop(userdata);
	return 0;
}

/* Push on what waits; wait for room if the socket is full. */
static int push(struct clo_client *client)
{
	int r = clo_outbox_write(&client->outbox, client->fd);
	/* a stream may rest as long as it likes, but a reply is due */
	bool rests = r == 0 && client->ended;

	if (rests)
		r = clo_queue_write(&client->queue, client->fd);
	if (r < 0 && r != -EAGAIN)
		return r;
	(void)sd_event_source_set_time_relative(
		client->timer, CLIENT_SECONDS * UINT64_C(1000000));
	(void)sd_event_source_set_enabled(
		client->timer, rests ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	return sd_event_source_set_io_events(
		client->io, (r == -EAGAIN ? EPOLLOUT : 0U) |
				    (r == 0 || client->ended ? EPOLLIN : 0U));
}

/* A stream says nothing: what can be read is its end, or nonsense. */
static int serve_stream(struct clo_client *client, uint32_t events)
{
	char byte;
	ssize_t n;

	if (events & ~(uint32_t)EPOLLOUT) {
		n = recv(client->fd, &byte, sizeof(byte), MSG_DONTWAIT);
		if (n >= 0)
			return n == 0 ? -ENODATA : -EPROTO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return push(client);
}

/* A last word before the connection ends, if the socket takes it. */
static void say_why(struct clo_client *client, int r)
{
	json_auto_t *reply =
		json_pack("{s:b, s:s, s:i}", "ok", 0, "error",
			  r == -EMSGSIZE ? "the request is too large"
					 : "the request is not a JSON object",
			  "exit", (int)CLO_EXIT_USAGE);

	if (reply && clo_outbox_put(&client->outbox, reply) == 0)
		(void)clo_outbox_write(&client->outbox, client->fd);
}

static int serve(struct clo_client *client, uint32_t events)
{
	struct clo_server *server = client->server;
	json_auto_t *request = NULL;
	json_auto_t *reply = NULL;
	int r;

	if (client->ended)
		return serve_stream(client, events);
	if (events & EPOLLOUT)
		return push(client);
	r = clo_inbox_read(&client->inbox, client->fd, &request);
	if (r == -EAGAIN)
		return 0;
	if (r == -EBADMSG || r == -EMSGSIZE)
		say_why(client, r);
	if (r < 0)
		return r;

	reply = server->answer(client, request, client->caller,
			       server->userdata);
	if (!reply)
		return -ENOMEM;
	r = clo_outbox_put(&client->outbox, reply);
	if (r < 0)
		return r;
	return push(client);
}

static int on_client(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	struct clo_client *client = userdata;

	(void)source;
	(void)fd;
	if (serve(client, events) < 0)
		drop(client);
	return 0;
}

static struct clo_client *free_slot(struct clo_server *server)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	return NULL;
}

static enum clo_caller caller_of(const struct clo_server *server, uid_t uid)
{
	if (uid == 0)
		return CLO_CALLER_ROOT;
	if (uid == server->gateway)
		return CLO_CALLER_GATEWAY;
	return uid == server->stream ? CLO_CALLER_STREAM : CLO_CALLER_READER;
}

/* Whatever becomes of who meets strangers, the operator finds a place. */
static bool too_many(const struct clo_server *server, enum clo_caller caller)
{
	size_t n = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		n += server->clients[i].fd >= 0 &&
		     server->clients[i].caller == caller;
	return n >= allowances[caller].clients;
}

static int admit(struct clo_server *server, int fd)
{
	struct clo_client *client = free_slot(server);
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;
	int r;

	if (!client)
		return -EMFILE;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;

	client->server = server;
	client->caller = caller_of(server, peer.uid);
	if (too_many(server, client->caller))
		return -EUSERS;
	client->inbox.max = allowances[client->caller].inbox;
	r = sd_event_add_io(server->event, &client->io, fd, EPOLLIN, on_client,
			    client);
	if (r >= 0)
		r = sd_event_add_time_relative(
			server->event, &client->timer, CLOCK_MONOTONIC,
			CLIENT_SECONDS * UINT64_C(1000000), 0, on_timeout,
			client);
	if (r < 0) {
		client->io = sd_event_source_disable_unref(client->io);
		return r;
	}
	client->fd = fd;
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	int client;
	int r;

	(void)source;
	(void)events;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;
	r = admit(userdata, client);
	if (r < 0) {
		(void)clo_log_errno(CLO_LOG_WARN, r, "client refused");
		(void)close(client);
	}
	return 0;
}

/* A socket file without a listener is a leftover; with one it is in use. */
static int clear_leftover(const struct sockaddr_un *address)
{
	CLO_AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
	    0)
		return -EADDRINUSE;
	if (errno == ECONNREFUSED && unlink(address->sun_path) < 0 &&
	    errno != ENOENT)
		return -errno;
	return 0;
}

static int listen_on(const char *path, int *ret_fd)
{
	CLO_AUTO_FD int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct group *group;
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	r = clear_leftover(&address);
	if (r < 0)
		return r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0
		    ? -errno
		    : 0;
	(void)umask(mask);
	if (r < 0)
		return r;

	group = getgrnam(CLO_CONTROL_GROUP);
	if (group && chown(path, 0, group->gr_gid) == 0 &&
	    chmod(path, 0660) < 0)
		return -errno;
	if (listen(fd, 16) < 0)
		return -errno;

	*ret_fd = clo_take_fd(&fd);
	return 0;
}

static uid_t uid_of(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return user ? user->pw_uid : 0;
}

int clo_server_new(sd_event *event, const char *path,
		   json_t *(*answer)(struct clo_client *client,
				     const json_t *request,
				     enum clo_caller caller, void *userdata),
		   void *userdata, struct clo_server **ret_server)
{
	CLO_AUTO(clo_server) struct clo_server *server = NULL;
	int r;

	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->fd = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->answer = answer;
	server->userdata = userdata;
	server->event = sd_event_ref(event);
	server->gateway = uid_of(CLO_GATEWAY_USER);
	server->stream = uid_of(CLO_STREAM_USER);

	r = listen_on(path, &server->fd);
	if (r < 0)
		return r;
	server->path = strdup(path);
	if (!server->path)
		return -ENOMEM;
	r = sd_event_add_io(event, &server->accept, server->fd, EPOLLIN,
			    on_accept, server);
	if (r >= 0)
		r = sd_event_source_set_enabled(server->accept, SD_EVENT_OFF);
	if (r < 0)
		return r;

	*ret_server = CLO_TAKE(server);
	return 0;
}

int clo_server_start(struct clo_server *server)
{
	int r = sd_event_source_set_enabled(server->accept, SD_EVENT_ON);

	return r < 0 ? r : 0;
}

void clo_server_free(struct clo_server *server)
{
	if (!server)
		return;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		drop(&server->clients[i]);
	server->accept = sd_event_source_disable_unref(server->accept);
	if (server->fd >= 0)
		(void)close(server->fd);
	if (server->path)
		(void)unlink(server->path);
	free(server->path);
	server->event = sd_event_unref(server->event);
	free(server);
}

int clo_client_stream(struct clo_client *client, void (*ended)(void *userdata),
		      void *userdata)
{
	const struct clo_server *server = client->server;
	size_t streams = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++)
		streams += server->clients[i].ended != NULL;
	if (streams >= CLO_STREAMS_MAX)
		return -EBUSY;

	client->ended = ended;
	client->userdata = userdata;
	return 0;
}

void clo_client_offer(struct clo_client *client, const char *text, size_t len)
{
	clo_queue_put(&client->queue, text, len);
	(void)sd_event_source_set_io_events(client->io, EPOLLIN | EPOLLOUT);
}
