/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/statement.h"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int clo_stream_token(const char *name, char ret_token[CLO_STREAM_NODE_MAX])
{
	size_t n = 0;

	if (!*name)
		return -EINVAL;
	for (; *name; name++) {
		if (n + 4 > CLO_STREAM_NODE_MAX)
			return -EINVAL;
		if (is_plain(*name))
			ret_token[n++] = *name;
		else
			n += (size_t)snprintf(ret_token + n, 4, "=%02x",
					      (unsigned char)*name);
	}
	ret_token[n] = '\0';
	return 0;
}

/* Both parts are labels of the policy: a-z, 0-9 and '-'. */
static bool is_scope(const char *scope)
{
	const char *slash = strchr(scope, '/');

	if (!slash || slash == scope || !slash[1] || strchr(slash + 1, '/'))
		return false;
	for (const char *c = scope; *c; c++)
		if (c != slash && !is_plain(*c))
			return false;
	return true;
}

int clo_stream_subject(const char *kind, const char *scope, const char *node,
		       char ret_subject[CLO_STREAM_SUBJECT_MAX])
{
	enum clo_kind known = clo_kind_of_name(kind);
	const char *branch =
		known < CLO_KINDS && clo_kinds[known].event ? "evt" : "att";
	const char *slash = strchr(scope, '/');
	int n;

	if (!*scope)
		n = snprintf(ret_subject, CLO_STREAM_SUBJECT_MAX,
			     "%s.v1._._.%s", branch, node);
	else if (is_scope(scope))
		n = snprintf(ret_subject, CLO_STREAM_SUBJECT_MAX,
			     "%s.v1.%.*s.%s.%s", branch, (int)(slash - scope),
			     scope, slash + 1, node);
	else
		return -EINVAL;
	return n < CLO_STREAM_SUBJECT_MAX ? 0 : -EINVAL;
}

void clo_stream_wildcard(const char *branch, const char *node,
			 char ret_subject[CLO_STREAM_SUBJECT_MAX])
{
	(void)snprintf(ret_subject, CLO_STREAM_SUBJECT_MAX, "%s.v1.*.*.%s",
		       branch, node);
}

int clo_stream_id(const char *node, const char *boot, int64_t sequence,
		  char ret_id[CLO_STREAM_ID_MAX])
{
	return snprintf(ret_id, CLO_STREAM_ID_MAX, "%s/%s/%lld", node, boot,
			(long long)sequence) < CLO_STREAM_ID_MAX
		       ? 0
		       : -EINVAL;
}

int clo_stream_id_parse(const char *id, const char *node, char ret_boot[64],
			int64_t *ret_sequence)
{
	size_t n = strlen(node);
	const char *slash;
	char *end;

	if (strncmp(id, node, n) != 0 || id[n] != '/')
		return -EINVAL;
	id += n + 1;
	slash = strchr(id, '/');
	if (!slash || slash == id || slash - id >= 64 || slash[1] < '0' ||
	    slash[1] > '9')
		return -EINVAL;
	errno = 0;
	*ret_sequence = strtoll(slash + 1, &end, 10);
	if (errno || *end)
		return -EINVAL;
	(void)snprintf(ret_boot, 64, "%.*s", (int)(slash - id), id);
	return 0;
}
