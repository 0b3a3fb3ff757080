/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/problem.h"

#include <jansson.h>

#include "agent/base/auto.h"

static const struct {
	unsigned int status;
	const char *title;
} titles[] = {
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{409, "Conflict"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
};

const char *clo_problem_title(unsigned int status)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

char *clo_problem_text(unsigned int status, const char *detail)
{
	json_auto_t *problem =
		json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank",
			  "title", clo_problem_title(status), "status",
			  (int)status, "detail", detail);

	return problem ? json_dumps(problem, JSON_COMPACT) : NULL;
}
