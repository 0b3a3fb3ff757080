/* SPDX-License-Identifier: Apache-2.0 */

/* Against a real nats-server on loopback, of this test's own. */

#include "agent/sys/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "planted.h"

#define STREAM "ATT"
#define MANY 600

static struct {
	struct planted store;
	pid_t pid;
	char url[64];
	int port;
} server;

/* Returns when it says that it is ready; the first one chooses the port. */
static void start_server(void)
{
	char port[16], line[512];
	int out[2];
	FILE *file;

	(void)snprintf(port, sizeof(port), "%d", server.port);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(out[1], STDERR_FILENO);
		(void)execlp("nats-server", "nats-server", "-a", "127.0.0.1",
			     "-p", port, "-js", "-sd", server.store.top, NULL);
		_exit(127);
	}
	(void)close(out[1]);
	file = fdopen(out[0], "re");
	assert_non_null(file);
	do {
		const char *at;

		assert_non_null(fgets(line, sizeof(line), file));
		at = strstr(line, "connections on 127.0.0.1:");
		if (at)
			server.port =
				(int)strtol(strrchr(at, ':') + 1, NULL, 10);
	} while (!strstr(line, "Server is ready"));
	(void)fclose(file);
	(void)snprintf(server.url, sizeof(server.url), "nats://127.0.0.1:%d",
		       server.port);
}

static void kill_server(void)
{
	assert_int_equal(kill(server.pid, SIGKILL), 0);
	assert_int_equal(waitpid(server.pid, NULL, 0), server.pid);
	server.pid = 0;
}

/* A stream of everything below "att", and how many messages are in it. */
static uint64_t stream(bool make)
{
	natsConnection *connection = NULL;
	jsStreamInfo *info = NULL;
	jsStreamConfig config;
	jsCtx *js = NULL;
	uint64_t n;

	assert_int_equal(natsConnection_ConnectTo(&connection, server.url),
			 NATS_OK);
	assert_int_equal(natsConnection_JetStream(&js, connection, NULL),
			 NATS_OK);
	if (make) {
		assert_int_equal(jsStreamConfig_Init(&config), NATS_OK);
		config.Name = STREAM;
		config.Subjects = (const char *[]){"att.>"};
		config.SubjectsLen = 1;
		assert_int_equal(js_AddStream(&info, js, &config, NULL, NULL),
				 NATS_OK);
	} else {
		assert_int_equal(
			js_GetStreamInfo(&info, js, STREAM, NULL, NULL),
			NATS_OK);
	}
	n = info->State.Msgs;
	jsStreamInfo_Destroy(info);
	jsCtx_Destroy(js);
	natsConnection_Destroy(connection);
	return n;
}

static int set_up(void **state)
{
	(void)state;
	planted_begin(&server.store);
	server.port = -1;
	start_server();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (server.pid)
		kill_server();
	planted_end(&server.store);
	return 0;
}

static int open_broker(struct clo_broker **ret_broker)
{
	const struct clo_broker_config config = {
		.urls = server.url, .stream = STREAM, .node = "n1"};

	return clo_broker_open(&config, ret_broker);
}

/* Messages from `first` on; *ret_acked as the broker says. */
static int publish(struct clo_broker *broker, size_t first, size_t n,
		   size_t *ret_acked)
{
	static struct clo_broker_message list[CLO_BROKER_BATCH + 1];
	static char ids[CLO_BROKER_BATCH + 1][32];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "n1.b.%zu", first + i);
		list[i] = (struct clo_broker_message){
			.subject = (first + i) % 2 ? "att.v1.a.test.n1"
						   : "att.v1.b.test.n1",
			.id = ids[i],
			.data = "x",
			.len = 1,
		};
	}
	return clo_broker_publish(broker, list, n, ret_acked);
}

static void test_nobody_is_there(void **state)
{
	struct clo_broker *broker = NULL;

	(void)state;
	kill_server();
	assert_int_equal(open_broker(&broker), -ENOTCONN);
	assert_null(broker);
}

static void test_no_stream(void **state)
{
	struct clo_broker *broker = NULL;
	char id[CLO_BROKER_ID_MAX];
	size_t acked = 7;

	(void)state;
	assert_int_equal(open_broker(&broker), 0);
	assert_int_equal(clo_broker_last(broker, "att.v1.*.*.n1", id),
			 -ENOTCONN);
	assert_int_equal(publish(broker, 0, 3, &acked), -ENOTCONN);
	assert_int_equal(acked, 0);
	clo_broker_free(broker);
}

static void test_batches(void **state)
{
	struct clo_broker *broker = NULL;
	char id[CLO_BROKER_ID_MAX];
	size_t acked;

	(void)state;
	(void)stream(true);
	assert_int_equal(open_broker(&broker), 0);
	assert_int_equal(clo_broker_last(broker, "att.v1.*.*.n1", id), -ENOENT);
	for (size_t i = 0; i < MANY; i += 200) {
		assert_int_equal(publish(broker, i, 200, &acked), 0);
		assert_int_equal(acked, 200);
	}
	assert_int_equal(clo_broker_last(broker, "att.v1.*.*.n1", id), 0);
	assert_string_equal(id, "n1.b.599");
	assert_int_equal(clo_broker_last(broker, "att.v1.*.*.n2", id), -ENOENT);
	/* the same again is no more of it */
	assert_int_equal(publish(broker, 400, 200, &acked), 0);
	assert_int_equal(acked, 200);
	assert_int_equal(stream(false), MANY);
	assert_int_equal(publish(broker, 0, CLO_BROKER_BATCH + 1, &acked),
			 -EINVAL);
	clo_broker_free(broker);
}

/* A server that dies: what it has acknowledged it has, and no more is sent. */
static void test_server_dies(void **state)
{
	struct clo_broker *broker = NULL;
	char id[CLO_BROKER_ID_MAX];
	size_t acked;

	(void)state;
	(void)stream(true);
	assert_int_equal(open_broker(&broker), 0);
	assert_int_equal(publish(broker, 0, 100, &acked), 0);
	kill_server();
	assert_int_equal(publish(broker, 100, 100, &acked), -ENOTCONN);
	assert_int_equal(acked, 0);
	clo_broker_free(broker);

	start_server();
	assert_int_equal(open_broker(&broker), 0);
	assert_int_equal(clo_broker_last(broker, "att.v1.*.*.n1", id), 0);
	assert_string_equal(id, "n1.b.99");
	assert_int_equal(publish(broker, 100, 100, &acked), 0);
	assert_int_equal(stream(false), 200);
	clo_broker_free(broker);
}

static void test_too_large(void **state)
{
	static char large[2U << 20]; /* the server's limit is 1 MiB */
	const struct clo_broker_message list[] = {
		{"att.v1.a.test.n1", "n1.b.0", "x", 1},
		{"att.v1.a.test.n1", "n1.b.1", large, sizeof(large)},
		{"att.v1.a.test.n1", "n1.b.2", "x", 1},
	};
	struct clo_broker *broker = NULL;
	size_t acked;

	(void)state;
	(void)stream(true);
	assert_int_equal(open_broker(&broker), 0);
	assert_int_equal(clo_broker_publish(broker, list, 3, &acked),
			 -EMSGSIZE);
	assert_int_equal(acked, 1);
	assert_int_equal(stream(false), 1);
	clo_broker_free(broker);
}

int main(void)
{
#define BROKER_TEST(test)                                                      \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_nobody_is_there),
		BROKER_TEST(test_no_stream),
		BROKER_TEST(test_batches),
		BROKER_TEST(test_server_dies),
		BROKER_TEST(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
