/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/reply.h"

#include <string.h>

json_t *clo_reply_accept(json_t *result)
{
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

json_t *clo_reply_refuse(enum clo_exit code, const char *text)
{
	return json_pack("{s:b, s:s, s:i}", "ok", 0, "error", text, "exit",
			 (int)code);
}

json_t *clo_reply_because(enum clo_exit code, json_t *why)
{
	return json_pack("{s:b, s:o, s:i}", "ok", 0, "error", why, "exit",
			 (int)code);
}

json_t *clo_reply_failure(const char *what, int r)
{
	return clo_reply_because(
		CLO_EXIT_FAILED,
		json_sprintf("%s: %s", what, strerrordesc_np(-r)));
}
