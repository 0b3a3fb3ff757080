/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/gateway/problem.h"
#include "agent/gateway/stream.h"

#define DETAIL_MAX 200

void clo_answer_done(struct clo_answer *answer)
{
	free(answer->body);
	clo_stream_free(answer->stream);
	*answer = (struct clo_answer){0};
}

void clo_answer_bytes(struct clo_answer *answer, const char *type, char *data,
		      size_t len)
{
	clo_answer_done(answer);
	answer->status = data ? 200 : 500;
	answer->type = type;
	answer->body = data;
	answer->len = len;
}

void clo_answer_text(struct clo_answer *answer, const char *type, char *text)
{
	clo_answer_bytes(answer, type, text, text ? strlen(text) : 0);
}

void clo_answer_json(struct clo_answer *answer, json_t *value)
{
	clo_answer_text(answer, CLO_JSON_TYPE,
			value ? json_dumps(value, JSON_COMPACT) : NULL);
	json_decref(value);
}

void clo_answer_problem(struct clo_answer *answer, unsigned int status,
			const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	clo_answer_text(answer, CLO_PROBLEM_TYPE,
			clo_problem_text(status, detail));
	answer->status = status;
}

void clo_answer_failure(struct clo_answer *answer, int r, const char *what)
{
	(void)clo_log_errno(CLO_LOG_WARN, r, "%s", what);
	clo_answer_problem(answer, 503, "%s: not now", what);
	answer->retry_after = 5;
}
