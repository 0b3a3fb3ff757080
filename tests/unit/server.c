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

static json_t *answer(const json_t *request, bool may_write, void *userdata)
{
	size_t *asked = userdata;

	(*asked)++;
	if (json_object_get(request, "big")) {
		char *text = malloc(4U << 20);
		json_t *reply;

		assert_non_null(text);
		memset(text, 'x', 4U << 20);
		reply = json_pack("{s:s%}", "text", text, (size_t)4 << 20);
		free(text);
		return reply;
	}
	return json_pack("{s:b, s:i}", "root", may_write, "asked", (int)*asked);
}

static size_t asked;

static int start(void **state)
{
	(void)state;
	asked = 0;
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
		TEST(test_a_live_socket_is_not_taken_over),
		TEST(test_a_dead_socket_is_replaced),
		TEST(test_mode_keeps_strangers_out),
	};

	if (geteuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
