/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a stranger may write on the control socket. The first two bytes say in
 * which pieces it arrives; then messages follow, as on the wire. Whatever
 * object comes out of them is asked of a node without a policy.
 */

#include "agent/core/message.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/core/control.h"
#include "agent/core/requests.h"
#include "tests/fixture_key.h"

#define ANNOUNCED_MAX (64U << 10)
#define MESSAGES_MAX 16

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct clo_options options = {.period = 60, .state_dir = "/nowhere"};
static struct clo_inventory nothing = {.domains_known = true};
static struct clo_node node = {.options = &options, .inventory = &nothing};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char dir[] = "/tmp/clo-fuzz-XXXXXX";
	char path[64];

	(void)argc;
	(void)argv;
	node.key = fixture_key(FIXTURE_KEY_1);
	assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log.db", dir);
	if (clo_store_open(
		    path,
		    &(const struct clo_store_signer){"log.example/1", node.key},
		    &node.store) < 0)
		abort();
	/* Nothing is written there: its names may go at once. */
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	for (size_t i = 0; i < CLO_ARRAY_LEN(suffixes); i++) {
		char file[80];

		(void)snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		(void)unlink(file);
	}
	(void)rmdir(dir);
	return 0;
}

/* What asks the kernel, not the request: its state, and a fresh proof. */
static bool needs_kernel(const json_t *request)
{
	static const char *const asking[] = {"status", "endpoints", "flows",
					     "monitor"};
	const char *op = json_string_value(json_object_get(request, "op"));
	const char *nonce =
		json_string_value(json_object_get(request, "nonce"));

	if (!op)
		return false;
	for (size_t i = 0; i < CLO_ARRAY_LEN(asking); i++)
		if (strcmp(op, asking[i]) == 0)
			return true;
	return strcmp(op, "attest") == 0 && nonce;
}

/* Each reply is one that a client can act on. */
static bool is_sound(const json_t *reply)
{
	const json_t *ok = json_object_get(reply, "ok");
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_int_t code = json_integer_value(json_object_get(reply, "exit"));

	if (json_is_true(ok))
		return json_is_object(json_object_get(reply, "result"));
	return json_is_false(ok) && error && !strpbrk(error, "\n\r\x1b") &&
	       code > CLO_EXIT_OK && code <= CLO_EXIT_FORBIDDEN;
}

static void ask(const json_t *request)
{
	struct clo_outbox outbox = {0};
	json_t *reply;
	int r;

	if (needs_kernel(request))
		return;
	reply = clo_request_answer(&node, request, CLO_CALLER_READER);
	assert(is_sound(reply));
	r = clo_outbox_put(&outbox, reply);
	assert(r == 0);
	clo_outbox_done(&outbox);
	json_decref(reply);
	assert(!node.force);
}

/* What ends a connection, and nothing else. */
static bool is_final(int r)
{
	return r == -ENODATA || r == -ECONNRESET || r == -EMSGSIZE ||
	       r == -EBADMSG;
}

/* Read once; what clo_inbox_read() says. */
static int read_once(struct clo_inbox *inbox, int fd)
{
	json_t *message = NULL;
	int r = clo_inbox_read(inbox, fd, &message);

	assert(json_is_object(message) == (r == 0));
	assert(inbox->size <= 4096 + 2 * inbox->len);
	if (r == 0)
		ask(message);
	json_decref(message);
	return r;
}

/* Read what is there; false once the socket is to be closed. */
static bool read_all(struct clo_inbox *inbox, int fd)
{
	for (int i = 0; i < MESSAGES_MAX; i++) {
		size_t before = inbox->len;
		int r = read_once(inbox, fd);

		if (r < 0 && r != -EAGAIN) {
			assert(is_final(r));
			return false;
		}
		if (r == -EAGAIN && inbox->len == before)
			break;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clo_inbox inbox = {.max = ANNOUNCED_MAX};
	bool open = true;
	size_t pieces[2];
	int fds[2];

	if (size < 2 || size > ANNOUNCED_MAX)
		return 0;
	pieces[0] = 1 + data[0];
	pieces[1] = 1 + (size_t)data[1] * 16;
	data += 2;
	size -= 2;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       fds) < 0)
		abort();

	for (size_t i = 0; open && size > 0; i++) {
		size_t len = pieces[i % 2] < size ? pieces[i % 2] : size;
		ssize_t sent = send(fds[1], data, len, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		data += sent;
		size -= (size_t)sent;
		open = read_all(&inbox, fds[0]);
	}
	(void)close(fds[1]);
	if (open)
		(void)read_all(&inbox, fds[0]);
	clo_inbox_done(&inbox);
	(void)close(fds[0]);
	return 0;
}
