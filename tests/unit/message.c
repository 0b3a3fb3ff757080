/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/message.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/core/control.h"
#include "check.h"

#define DEADLINE_MS 30000

struct pair {
	int near, far;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	if (!pair || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;

	pair->near = fds[0];
	pair->far = fds[1];
	*state = pair;
	return 0;
}

static void hang_up(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	hang_up(&pair->near);
	hang_up(&pair->far);
	free(pair);
	return 0;
}

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* A message as a peer with no manners writes it. */
static void put_raw(int fd, uint32_t announced, const char *body)
{
	uint32_t le = htole32(announced);

	put(fd, &le, sizeof(le));
	if (body[0] != '\0')
		put(fd, body, strlen(body));
}

static int get(const struct pair *pair, json_t **ret_message)
{
	return clo_message_receive(pair->near, DEADLINE_MS, ret_message);
}

static void round_trip(void **state)
{
	json_auto_t *sent =
		json_pack("{s:s, s:[i,i]}", "op", "apply", "n", 1, 2);
	json_auto_t *first = NULL, *second = NULL;
	struct pair *pair = *state;

	/* Two in a row: the first reader takes no byte of the second. */
	assert_int_equal(clo_message_send(pair->far, sent, DEADLINE_MS), 0);
	assert_int_equal(clo_message_send(pair->far, sent, DEADLINE_MS), 0);
	assert_int_equal(get(pair, &first), 0);
	assert_int_equal(get(pair, &second), 0);
	assert_true(json_equal(sent, first));
	assert_true(json_equal(sent, second));
}

static void wire_format(void **state)
{
	static const uint8_t wire[] = {8,   0,   0,   0,   '{', '"',
				       'a', '"', ':', '4', '2', '}'};
	json_auto_t *sent = json_pack("{s:i}", "a", 42);
	struct pair *pair = *state;
	uint8_t seen[64];

	assert_int_equal(clo_message_send(pair->far, sent, DEADLINE_MS), 0);
	assert_int_equal(recv(pair->near, seen, sizeof(seen), 0), sizeof(wire));
	assert_memory_equal(seen, wire, sizeof(wire));
}

static void byte_by_byte(void **state)
{
	static const char wire[] = "\x08\0\0\0{\"a\":42}";
	json_auto_t *message = NULL;
	struct pair *pair = *state;
	struct clo_inbox inbox = {0};
	size_t i, n = sizeof(wire) - 1;

	for (i = 0; i < n; i++) {
		assert_int_equal(clo_inbox_read(&inbox, pair->near, &message),
				 -EAGAIN);
		assert_null(message);
		put(pair->far, wire + i, 1);
		if (i + 1 < n)
			assert_int_equal(
				clo_inbox_read(&inbox, pair->near, &message),
				-EAGAIN);
	}
	assert_int_equal(clo_inbox_read(&inbox, pair->near, &message), 0);
	assert_int_equal(json_integer_value(json_object_get(message, "a")), 42);
	/* Nothing is kept between messages. */
	assert_null(inbox.data);
}

static void refuses_what_is_no_object(void **state)
{
	static const char *const bodies[] = {
		"",
		"[1, 2]",
		"42",
		"null",
		"{\"a\":1} {\"b\":2}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\xff\"}",
		"\x7f\x45LF",
	};
	struct pair *pair = *state;
	json_t *message = NULL;
	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(bodies); i++) {
		put_raw(pair->far, (uint32_t)strlen(bodies[i]), bodies[i]);
		assert_int_equal(get(pair, &message), -EBADMSG);
		assert_null(message);
	}
}

static void refuses_nesting_without_end(void **state)
{
	static char body[8192];
	struct pair *pair = *state;
	json_t *message = NULL;

	/* Well-formed otherwise. */
	(void)snprintf(body, sizeof(body), "{\"a\":");
	memset(body + 5, '[', 4091);
	memset(body + 4096, ']', 4091);
	body[4096 + 4091] = '}';
	put_raw(pair->far, (uint32_t)strlen(body), body);
	assert_int_equal(get(pair, &message), -EBADMSG);
	assert_null(message);
}

static void refuses_long_messages(void **state)
{
	struct pair *pair = *state;
	json_t *message = NULL;

	put_raw(pair->far, CLO_CONTROL_MAX + 1, "");
	assert_int_equal(get(pair, &message), -EMSGSIZE);
	put_raw(pair->far, UINT32_MAX, "");
	assert_int_equal(get(pair, &message), -EMSGSIZE);
	assert_null(message);
}

static void keeps_to_a_lower_bound(void **state)
{
	struct clo_inbox inbox = {.max = 8};
	json_auto_t *message = NULL;
	struct pair *pair = *state;

	put_raw(pair->far, 8, "{\"a\":42}");
	assert_int_equal(clo_inbox_read(&inbox, pair->near, &message), -EAGAIN);
	assert_int_equal(clo_inbox_read(&inbox, pair->near, &message), 0);
	put_raw(pair->far, 9, "");
	assert_int_equal(clo_inbox_read(&inbox, pair->near, &message),
			 -EMSGSIZE);
	clo_inbox_done(&inbox);
}

static void memory_follows_arrival(void **state)
{
	static const char some[1000] = "{";
	struct pair *pair = *state;
	struct clo_inbox inbox = {0};
	json_t *message = NULL;
	size_t i;

	put_raw(pair->far, CLO_CONTROL_MAX, "");
	for (i = 0; i < 50; i++) {
		put(pair->far, some, sizeof(some));
		assert_int_equal(clo_inbox_read(&inbox, pair->near, &message),
				 -EAGAIN);
		assert_true(inbox.size <= 4096 + 2 * inbox.len);
	}
	/* Small reads may take several turns, but all of it was taken. */
	while (inbox.len < 4 + i * sizeof(some))
		assert_int_equal(clo_inbox_read(&inbox, pair->near, &message),
				 -EAGAIN);
	assert_true(inbox.size <= 4096 + 2 * inbox.len);
	clo_inbox_done(&inbox);
}

static void tells_how_the_peer_left(void **state)
{
	struct pair *pair = *state;
	json_t *message = NULL;

	put_raw(pair->far, 100, "{");
	hang_up(&pair->far);
	assert_int_equal(get(pair, &message), -ECONNRESET);
	/* A second reader begins at the end. */
	assert_int_equal(get(pair, &message), -ENODATA);
	assert_null(message);
}

static void half_a_header(void **state)
{
	struct pair *pair = *state;
	json_t *message = NULL;

	put(pair->far, "\x01\x00", 2);
	hang_up(&pair->far);
	assert_int_equal(get(pair, &message), -ECONNRESET);
}

static void gives_up_on_silence(void **state)
{
	struct pair *pair = *state;
	json_t *message = NULL;

	assert_int_equal(clo_message_receive(pair->near, 10, &message),
			 -ETIMEDOUT);
	put_raw(pair->far, 100, "{");
	assert_int_equal(clo_message_receive(pair->near, 10, &message),
			 -ETIMEDOUT);
	assert_null(message);
}

static json_t *large(size_t len)
{
	CLO_AUTO_MEM char *text = calloc(1, len + 1);

	assert_non_null(text);
	memset(text, 'x', len);
	return json_pack("{s:s}", "text", text);
}

struct sender {
	int fd, r;
	const json_t *message;
};

static void *send_all(void *arg)
{
	struct sender *sender = arg;

	sender->r = clo_message_send(sender->fd, sender->message, DEADLINE_MS);
	return NULL;
}

static void large_both_sides_block(void **state)
{
	json_auto_t *sent = large(5U << 20), *received = NULL;
	struct pair *pair = *state;
	struct sender sender = {.fd = pair->far, .r = 1, .message = sent};
	pthread_t thread;
	int r;

	assert_int_equal(pthread_create(&thread, NULL, send_all, &sender), 0);
	r = get(pair, &received);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, 0);
	assert_int_equal(sender.r, 0);
	assert_true(json_equal(sent, received));
}

static void outbox_waits_for_room(void **state)
{
	json_auto_t *sent = large(4U << 20), *received = NULL;
	struct pair *pair = *state;
	struct clo_outbox outbox = {0};
	struct clo_inbox inbox = {0};
	int in = -EAGAIN, out;

	assert_int_equal(clo_outbox_put(&outbox, sent), 0);
	assert_int_equal(clo_outbox_put(&outbox, sent), -EBUSY);
	out = clo_outbox_write(&outbox, pair->far);
	assert_int_equal(out, -EAGAIN); /* more than a socket holds */
	while (in == -EAGAIN) {
		in = clo_inbox_read(&inbox, pair->near, &received);
		if (out == -EAGAIN)
			out = clo_outbox_write(&outbox, pair->far);
	}
	assert_int_equal(in, 0);
	assert_int_equal(out, 0);
	assert_true(json_equal(sent, received));
	/* Empty again: nothing to write, room for the next. */
	assert_int_equal(clo_outbox_write(&outbox, pair->far), 0);
	assert_int_equal(clo_outbox_put(&outbox, sent), 0);
	clo_outbox_done(&outbox);
	clo_inbox_done(&inbox);
}

static void outbox_refuses_too_much(void **state)
{
	/* Each quote is two bytes on the wire. */
	const size_t len = CLO_CONTROL_MAX / 2 + 1;
	CLO_AUTO_MEM char *text = calloc(1, len + 1);
	json_auto_t *message = NULL;
	struct clo_outbox outbox = {0};

	(void)state;
	assert_non_null(text);
	memset(text, '"', len);
	message = json_pack("{s:s}", "text", text);
	assert_int_equal(clo_outbox_put(&outbox, message), -EMSGSIZE);
	assert_null(outbox.data);
}

static void sending_to_nobody_is_no_signal(void **state)
{
	json_auto_t *sent = json_pack("{s:i}", "a", 42);
	struct pair *pair = *state;

	hang_up(&pair->near);
	assert_int_equal(clo_message_send(pair->far, sent, DEADLINE_MS),
			 -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(round_trip),
		TEST(wire_format),
		TEST(byte_by_byte),
		TEST(refuses_what_is_no_object),
		TEST(refuses_nesting_without_end),
		TEST(refuses_long_messages),
		TEST(keeps_to_a_lower_bound),
		TEST(memory_follows_arrival),
		TEST(tells_how_the_peer_left),
		TEST(half_a_header),
		TEST(gives_up_on_silence),
		TEST(large_both_sides_block),
		TEST(outbox_waits_for_room),
		TEST(outbox_refuses_too_much),
		TEST(sending_to_nobody_is_no_signal),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
