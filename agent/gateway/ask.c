/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/ask.h"

#include <errno.h>

#include "agent/base/auto.h"
#include "agent/core/message.h"

#define SILENCE_MS 60000 /* a fresh proof takes its time */

int clo_ask(struct clo_connector *connector, const json_t *request,
	    json_t **ret_result, enum clo_exit *reterr_code)
{
	CLO_AUTO_FD int fd = -1;
	json_auto_t *reply = NULL;
	json_t *result;
	int r;

	if (!request)
		return -ENOMEM;
	r = clo_connector_get(connector, &fd);
	if (r == 0)
		r = clo_message_exchange(fd, request, SILENCE_MS, &reply);
	if (r < 0)
		return r;
	result = json_object_get(reply, "result");
	if (!json_is_true(json_object_get(reply, "ok"))) {
		*reterr_code = (enum clo_exit)json_integer_value(
			json_object_get(reply, "exit"));
		return -EREMOTE;
	}
	if (!json_is_object(result))
		return -EBADMSG;

	*ret_result = json_incref(result);
	return 0;
}
