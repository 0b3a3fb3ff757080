/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/query.h"

#include <errno.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One character of `text`; gives how many bytes stand for it, or -EINVAL. */
static int decode_one(const char *text, size_t len, char *ret_c)
{
	int high, low;
	char c = text[0];

	if (c <= ' ' || c > '~')
		return -EINVAL;
	if (c != '%') {
		*ret_c = c;
		return 1;
	}
	if (len < 3)
		return -EINVAL;
	high = digit(text[1]);
	low = digit(text[2]);
	if (high < 0 || low < 0)
		return -EINVAL;
	c = (char)(high * 16 + low);
	if (c < ' ' || c > '~')
		return -EINVAL;
	*ret_c = c;
	return 3;
}

static int decode(const char *text, size_t len, char *ret_text, size_t size)
{
	size_t n = 0;

	while (len > 0) {
		int used;

		if (n + 1 >= size)
			return -E2BIG;
		used = decode_one(text, len, &ret_text[n]);
		if (used < 0)
			return used;
		n++;
		text += used;
		len -= (size_t)used;
	}
	ret_text[n] = '\0';
	return 0;
}

static int add(const char *pair, size_t len, struct clo_query *query)
{
	struct clo_parameter *parameter = &query->parameters[query->n];
	const char *equals = memchr(pair, '=', len);
	size_t name;
	int r;

	if (!equals || equals == pair)
		return -EINVAL;
	if (query->n == CLO_QUERY_MAX)
		return -E2BIG;
	name = (size_t)(equals - pair);
	r = decode(pair, name, parameter->name, sizeof(parameter->name));
	if (r == 0)
		r = decode(equals + 1, len - name - 1, parameter->value,
			   sizeof(parameter->value));
	if (r < 0)
		return r;
	if (clo_query_get(query, parameter->name))
		return -EEXIST;

	query->n++;
	return 0;
}

int clo_query_parse(const char *text, size_t len, struct clo_query *ret_query)
{
	const char *end = text + len;

	ret_query->n = 0;
	if (len == 0)
		return 0;
	for (;;) {
		const char *and = memchr(text, '&', (size_t)(end - text));
		const char *to = and? and : end;
		int r = add(text, (size_t)(to - text), ret_query);

		if (r < 0)
			return r;
		if (!and)
			return 0;
		text = and+1;
	}
}

const char *clo_query_get(const struct clo_query *query, const char *name)
{
	for (size_t i = 0; i < query->n; i++)
		if (strcmp(query->parameters[i].name, name) == 0)
			return query->parameters[i].value;
	return NULL;
}

bool clo_query_number(const char *text, int64_t min, int64_t max,
		      int64_t *ret_number)
{
	size_t len = strlen(text);
	int64_t number = 0;

	if (len == 0 || len > 18) /* what cannot wrap */
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (*text - '0');
	}
	if (number < min || number > max)
		return false;

	*ret_number = number;
	return true;
}
