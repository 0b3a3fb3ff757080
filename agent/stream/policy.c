/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/policy_bundle.h"
#include "agent/attest/sha256.h"
#include "agent/base/log.h"
#include "agent/core/message.h"

#define SILENCE_MS 120000 /* the daemon proves a whole policy first */

/* A line that is the same as the last one is not said again. */
__attribute__((format(printf, 3, 4))) static void
say(struct clo_policy_in *in, enum clo_log_level level, const char *fmt, ...)
{
	char text[sizeof(in->said)];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strcmp(text, in->said) != 0)
		clo_log(level, "%s", text);
	memcpy(in->said, text, sizeof(in->said));
}

static int ask(const struct clo_policy_in *in, const json_t *request,
	       json_t **ret_reply)
{
	CLO_AUTO_FD int fd = -1;
	int r;

	r = clo_message_connect(in->socket, SILENCE_MS, &fd);
	return r < 0 ? r
		     : clo_message_exchange(fd, request, SILENCE_MS, ret_reply);
}

/* 0: the daemon has decided, and would say the same again. */
static int take_reply(struct clo_policy_in *in, const json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_t *result = json_object_get(reply, "result");
	const char *outcome = "?", *reason = "";
	json_int_t revision = 0;
	int final = 0;

	if (!json_is_true(json_object_get(reply, "ok")) ||
	    json_unpack(result, "{s:I, s:s, s:s, s:b}", "revision", &revision,
			"outcome", &outcome, "reason", &reason, "final",
			&final) < 0) {
		say(in, CLO_LOG_WARN, "policy of %s/%s: %s", in->bucket,
		    in->key, error ? error : "the daemon's reply is none");
		return -EAGAIN;
	}
	say(in, CLO_LOG_INFO, "policy of %s/%s revision=%lld %s%s%s",
	    in->bucket, in->key, (long long)revision, outcome,
	    *reason ? ": " : "", reason);
	return final ? 0 : -EAGAIN;
}

static int hand_over(struct clo_policy_in *in, const char *value, size_t len)
{
	json_auto_t *request = NULL;
	json_auto_t *reply = NULL;
	json_t *envelope = json_stringn(value, len);
	int r;

	if (!envelope || memchr(value, '\0', len)) {
		json_decref(envelope);
		say(in, CLO_LOG_WARN, "policy of %s/%s: it is no text",
		    in->bucket, in->key);
		return -EAGAIN;
	}
	request = json_pack("{s:s, s:o}", "op", "bundle", "envelope", envelope);
	if (!request)
		return -ENOMEM;
	r = ask(in, request, &reply);
	if (r < 0) {
		say(in, CLO_LOG_WARN,
		    "policy of %s/%s: the daemon at %s does not take it: %s",
		    in->bucket, in->key, in->socket, strerrordesc_np(-r));
		return -EAGAIN;
	}
	return take_reply(in, reply);
}

int clo_policy_in_round(struct clo_policy_in *in, struct clo_broker *broker)
{
	CLO_AUTO_MEM char *value = NULL;
	uint8_t digest[32];
	size_t len;
	int r;

	r = clo_broker_get(broker, in->bucket, in->key, CLO_POLICY_BUNDLE_MAX,
			   &value, &len);
	if (r == -ENOENT)
		return 0;
	if (r == -EMSGSIZE || r == -EACCES) {
		say(in, CLO_LOG_WARN, "policy of %s/%s: %s", in->bucket,
		    in->key,
		    r == -EACCES ? "no answer: is it permitted?"
				 : "longer than 8 MiB");
		return -EAGAIN;
	}
	if (r == 0)
		r = clo_sha256(value, len, digest);
	if (r < 0)
		return r;
	if (in->any && memcmp(digest, in->done, sizeof(digest)) == 0)
		return 0;
	r = hand_over(in, value, len);
	if (r < 0)
		return r;
	in->any = true;
	memcpy(in->done, digest, sizeof(in->done));
	return 0;
}
