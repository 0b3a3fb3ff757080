/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/core/message.h"
#include "check.h"

#define DEADLINE_MS 30000

static char directory[] = "/tmp/clo-server-XXXXXX";
static char path[sizeof(directory) + 16];
static sd_event *event;
static struct clo_server *server;

static size_t asked, ended;
static struct clo_client *streams[CLO_STREAMS_MAX];
static size_t n_streams;

static void on_ended(void *userdata)
{
	assert_ptr_equal(userdata, &ended);
	ended++;
}

static json_t *answer_stream(struct clo_client *client)
{
	int r = clo_client_stream(client, on_ended, &ended);

	if (r == 0)
		streams[n_streams++] = client;
	return json_pack("{s:i}", "stream", r);
}

static json_t *answer(struct clo_client *client, const json_t *request,
		      enum clo_caller caller, void *userdata)
{
	assert_ptr_equal(userdata, &asked);
	if (json_object_get(request, "stream"))
		return answer_stream(client);
	asked++;
	if (json_object_get(request, "big")) {
		char *text = malloc(4U << 20);
		json_t *reply;

		assert_non_null(text);
		memset(text, 'x', 4U << 20);
		reply = json_pack("{s:s%}", "text", text, (size_t)4 << 20);
		free(text);
		return reply;
	}
	return json_pack("{s:b, s:i}", "root", caller == CLO_CALLER_ROOT,
			 "asked", (int)asked);
}

static int start(void **state)
{
	(void)state;
	asked = ended = n_streams = 0;
	(void)snprintf(directory, sizeof(directory), "/tmp/clo-server-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control", directory);
	if (sd_event_new(&event) < 0)
		return -1;
	if (clo_server_new(event, path, answer, &asked, &server) < 0)
		return -1;
	return clo_server_start(server);
}

static int stop(void **state)
{
	(void)state;
	clo_server_free(server);
	server = NULL;
	event = sd_event_unref(event);
	if (access(path, F_OK) == 0)
		return -1; /* the server removes its socket */
	return rmdir(directory);
}

static int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, sizeof(path));
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		_exit(10);
	return fd;
}

/* Serve until the child is done; its exit status. */
static int serve(pid_t child)
{
	int status;

	assert_true(child > 0);
	while (waitpid(child, &status, WNOHANG) == 0)
		assert_true(sd_event_run(event, 50000) >= 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Ask on an open connection; exits the child on any surprise. */
static json_t *ask(int fd, const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	json_t *reply = NULL;

	if (clo_message_send(fd, request, DEADLINE_MS) < 0 ||
	    clo_message_receive(fd, DEADLINE_MS, &reply) < 0)
		_exit(11);
	json_decref(request);
	return reply;
}

static void test_answers_one_after_the_other(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int fd = client();
		json_t *first = ask(fd, "{}");
		json_t *second = ask(fd, "{}");

		_exit(json_integer_value(json_object_get(first, "asked")) !=
			      1 ||
		      json_integer_value(json_object_get(second, "asked")) !=
			      2);
	}
	assert_int_equal(serve(child), 0);
}

static void test_knows_root_from_others(void **state)
{
	pid_t child;

	(void)state;
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0); /* as a member of the group */
	child = fork();
	if (child == 0) {
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(12);
		_exit(json_is_true(
			json_object_get(ask(client(), "{}"), "root")));
	}
	assert_int_equal(serve(child), 0);
	child = fork();
	if (child == 0)
		_exit(!json_is_true(
			json_object_get(ask(client(), "{}"), "root")));
	assert_int_equal(serve(child), 0);
}

static void test_large_replies_arrive_whole(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		json_t *reply = ask(client(), "{\"big\": 1}");

		_exit(json_string_length(json_object_get(reply, "text")) !=
		      4U << 20);
	}
	assert_int_equal(serve(child), 0);
}

static void test_rubbish_ends_only_its_own_connection(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int bad = client();
		int good = client();
		json_t *why = NULL;
		char end;

		if (write(bad, "\xff\xff\xff\xff garbage", 12) != 12)
			_exit(12);
		if (clo_message_receive(bad, DEADLINE_MS, &why) < 0 ||
		    !json_is_false(json_object_get(why, "ok")))
			_exit(13);
		if (read(bad, &end, 1) > 0) /* told why, then closed */
			_exit(14);
		json_decref(ask(good, "{}"));
		_exit(0);
	}
	assert_int_equal(serve(child), 0);
	assert_int_equal(asked, 1);
}

static void test_more_clients_than_slots_are_turned_away(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int fds[40];
		char end;

		for (size_t i = 0; i < 40; i++)
			fds[i] = client();
		if (read(fds[39], &end, 1) > 0) /* closed at once */
			_exit(13);
		json_decref(ask(fds[0], "{}"));
		_exit(0);
	}
	assert_int_equal(serve(child), 0);
}

/* Run the loop until a child has done something that shows here. */
static void run_until(const size_t *count, size_t wanted)
{
	while (*count < wanted)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
}

static void offer(size_t stream, size_t number, size_t padding)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "{\"n\":%zu,\"x\":\"%0*d\"}",
			 number, (int)padding, 0);

	clo_client_offer(streams[stream], text, (size_t)n);
}

/* Number of the next message, or what was lost before it as -lost. */
static json_int_t next(int fd)
{
	json_auto_t *message = NULL;
	const json_t *lost;

	if (clo_message_receive(fd, DEADLINE_MS, &message) < 0)
		_exit(20);
	lost = json_object_get(message, "lost");
	return lost ? -json_integer_value(lost)
		    : json_integer_value(json_object_get(message, "n"));
}

static void stream_begin(int fd)
{
	if (!json_equal(ask(fd, "{\"stream\": 1}"),
			json_pack("{s:i}", "stream", 0)))
		_exit(21);
}

static void test_a_stream_gets_all_in_order(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int fd = client();

		stream_begin(fd);
		for (json_int_t i = 1; i <= 1000; i++)
			if (next(fd) != i)
				_exit(13);
		_exit(0);
	}
	run_until(&n_streams, 1);
	for (size_t i = 1; i <= 1000; i++) {
		offer(0, i, 10);
		assert_true(sd_event_run(event, 0) >= 0);
	}
	assert_int_equal(serve(child), 0);
	run_until(&ended, 1);
}

#define FLOOD 3000
#define PADDING 1000

/* Reads only once it is told: every message is there, or counted as lost. */
static void late_reader(int told)
{
	int fd = client();
	json_int_t seen = 0, lost = 0, n;
	char byte;

	stream_begin(fd);
	if (read(told, &byte, 1) != 1)
		_exit(12);
	while (seen + lost < FLOOD) {
		n = next(fd);
		if (n < 0)
			lost -= n;
		else if (n != seen++ + lost + 1)
			_exit(13); /* lost ones are told where they are missing */
	}
	/* it holds what the queue and the socket do, and no more */
	if (lost == 0 || seen * PADDING < 200 << 10 || seen * PADDING > 1 << 20)
		_exit(14);
	_exit(seen + lost != FLOOD);
}

static void test_a_slow_stream_loses_and_holds_up_nobody(void **state)
{
	pid_t slow, quick;
	int told[2];

	(void)state;
	assert_int_equal(pipe(told), 0);
	slow = fork();
	if (slow == 0)
		late_reader(told[0]);
	run_until(&n_streams, 1);
	for (size_t i = 1; i <= FLOOD; i++) {
		offer(0, i, PADDING);
		assert_true(sd_event_run(event, 0) >= 0);
	}

	quick = fork();
	if (quick == 0) {
		json_decref(ask(client(), "{}"));
		_exit(0);
	}
	assert_int_equal(serve(quick), 0);
	assert_int_equal(write(told[1], "", 1), 1);
	assert_int_equal(serve(slow), 0);
	(void)close(told[0]);
	(void)close(told[1]);
}

static void test_a_stream_that_dies_is_told_once(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		stream_begin(client());
		abort(); /* with a full queue before it */
	}
	run_until(&n_streams, 1);
	for (size_t i = 0; i < FLOOD && ended == 0; i++)
		offer(0, i, PADDING);
	run_until(&ended, 1);
	while (waitpid(child, NULL, 0) < 0)
		assert_int_equal(errno, EINTR);
	clo_server_free(server);
	server = NULL;
	assert_int_equal(ended, 1);
}

static void test_a_stream_that_talks_is_closed(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int fd = client();
		json_t *message = NULL;

		stream_begin(fd);
		if (write(fd, "", 1) != 1)
			_exit(12);
		_exit(clo_message_receive(fd, DEADLINE_MS, &message) >= 0);
	}
	assert_int_equal(serve(child), 0);
	assert_int_equal(ended, 1);
}

static void test_streams_leave_room_for_requests(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int last = client();

		for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
			stream_begin(client());
		if (json_equal(ask(last, "{\"stream\": 1}"),
			       json_pack("{s:i}", "stream", 0)))
			_exit(12); /* one too many */
		json_decref(ask(last, "{}")); /* and still a client */
		_exit(0);
	}
	assert_int_equal(serve(child), 0);
	clo_server_free(server);
	server = NULL;
	assert_int_equal(ended, CLO_STREAMS_MAX);
}

static void test_a_live_socket_is_not_taken_over(void **state)
{
	struct clo_server *second = NULL;

	(void)state;
	assert_int_equal(clo_server_new(event, path, answer, &asked, &second),
			 -EADDRINUSE);
	assert_null(second);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_a_dead_socket_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct clo_server *second = NULL;
	char other[sizeof(path) + 8];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(other, sizeof(other), "%s-dead", path);
	memcpy(address.sun_path, other, sizeof(other));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	(void)close(fd); /* nobody listens, the file stays */
	assert_int_equal(clo_server_new(event, other, answer, &asked, &second),
			 0);
	clo_server_free(second);
}

static void test_mode_keeps_strangers_out(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0117, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_one_after_the_other),
		TEST(test_knows_root_from_others),
		TEST(test_large_replies_arrive_whole),
		TEST(test_rubbish_ends_only_its_own_connection),
		TEST(test_more_clients_than_slots_are_turned_away),
		TEST(test_a_stream_gets_all_in_order),
		TEST(test_a_slow_stream_loses_and_holds_up_nobody),
		TEST(test_a_stream_that_dies_is_told_once),
		TEST(test_a_stream_that_talks_is_closed),
		TEST(test_streams_leave_room_for_requests),
		TEST(test_a_live_socket_is_not_taken_over),
		TEST(test_a_dead_socket_is_replaced),
		TEST(test_mode_keeps_strangers_out),
	};

	if (geteuid() != 0)
		return skip_all("root");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
