/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/client.h"

#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "agent/core/message.h"

/* The daemon proves a whole policy before it replies. */
#define SILENCE_MS 120000

static int fail_exchange(const struct clo_cli *cli, int r)
{
	switch (r) {
	case -EBADMSG:
		return clo_fail_reply(cli);
	case -EMSGSIZE:
		return clo_fail(cli, CLO_EXIT_FAILED,
				"message too long: more than %u MiB",
				CLO_CONTROL_MAX >> 20);
	case -ENOMEM:
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	case -ETIMEDOUT:
		return clo_fail(cli, CLO_EXIT_UNREACHABLE,
				"the daemon does not answer");
	default:
		return clo_fail(cli, CLO_EXIT_UNREACHABLE,
				"the daemon hung up before it had replied");
	}
}

static int fail_connect(const struct clo_cli *cli, int r)
{
	bool denied = r == -EACCES || r == -EPERM;

	return clo_fail(cli, denied ? CLO_EXIT_FORBIDDEN : CLO_EXIT_UNREACHABLE,
			"cannot reach cloisond at %s: %s%s", cli->socket,
			strerrordesc_np(-r),
			denied ? " (be root, or of the group "
				 "\"" CLO_CONTROL_GROUP "\" to read)"
			       : "");
}

/* {"ok": false, ...}: exit codes of 1 to 6, everything else is an error. */
static int refused(const struct clo_cli *cli, const json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_int_t code = clo_member_int(reply, "exit");

	if (!error)
		return clo_fail_reply(cli);
	if (code < CLO_EXIT_FAILED || code > CLO_EXIT_FORBIDDEN)
		code = CLO_EXIT_FAILED;

	return clo_refuse(cli, (enum clo_exit)code, error,
			  json_object_get(reply, "flaws"),
			  json_object_get(reply, "breaches"));
}

/* CLO_EXIT_OK and the first reply, or the failure was printed. */
static int exchange(const struct clo_cli *cli, const json_t *request,
		    int *ret_fd, json_t **ret_reply)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	if (!request)
		return fail_exchange(cli, -ENOMEM);
	r = clo_message_connect(cli->socket, SILENCE_MS, &fd);
	if (r < 0)
		return fail_connect(cli, r);
	r = clo_message_exchange(fd, request, SILENCE_MS, ret_reply);
	if (r < 0)
		return fail_exchange(cli, r);

	*ret_fd = clo_take_fd(&fd);
	return CLO_EXIT_OK;
}

int clo_client_exchange(const struct clo_cli *cli, const json_t *request,
			json_t **ret_reply)
{
	CLO_AUTO_FD int fd = -1;

	return exchange(cli, request, &fd, ret_reply);
}

int clo_client_result(const struct clo_cli *cli, const json_t *reply,
		      json_t **ret_result)
{
	json_t *ok = json_object_get(reply, "ok");
	json_t *result = json_object_get(reply, "result");

	if (json_is_false(ok))
		return refused(cli, reply);
	if (!json_is_true(ok) || !json_is_object(result))
		return clo_fail_reply(cli);

	*ret_result = json_incref(result);
	return CLO_EXIT_OK;
}

static int ask(const struct clo_cli *cli, const json_t *request, int *ret_fd,
	       json_t **ret_result)
{
	json_auto_t *reply = NULL;
	int code = exchange(cli, request, ret_fd, &reply);

	return code == CLO_EXIT_OK ? clo_client_result(cli, reply, ret_result)
				   : code;
}

int clo_client_call(const struct clo_cli *cli, const json_t *request,
		    json_t **ret_result)
{
	CLO_AUTO_FD int fd = -1;

	return ask(cli, request, &fd, ret_result);
}

int clo_client_stream(const struct clo_cli *cli, const json_t *request,
		      int (*on_message)(json_t *message, void *userdata),
		      void *userdata)
{
	json_auto_t *result = NULL;
	CLO_AUTO_FD int fd = -1;
	int code;
	int r;

	code = ask(cli, request, &fd, &result);
	if (code != CLO_EXIT_OK)
		return code;
	code = on_message(result, userdata);
	while (code < 0) {
		json_auto_t *message = NULL;

		r = clo_message_receive(fd, -1, &message);
		if (r < 0)
			return fail_exchange(cli, r);
		code = on_message(message, userdata);
	}
	return code;
}
