/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scan.h"

#include <string.h>

#include <jansson.h>

int clo_scan_lines(const char *p, const char *end)
{
	int lines = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

const char *clo_scan_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

const char *clo_scan_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end)
			p++;
	return p < end ? p + 1 : end;
}

static const char *scan_nested(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = clo_scan_string(p, end);
			continue;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (--depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
		p++;
	}
	return end;
}

const char *clo_scan_value(const char *p, const char *end)
{
	if (p == end)
		return end;
	if (*p == '"')
		return clo_scan_string(p, end);
	if (*p == '[' || *p == '{')
		return scan_nested(p, end);
	while (p < end && !strchr(",]} \t\r\n", *p))
		p++;
	return p;
}

const char *clo_scan_first(const char *p, const char *end)
{
	if (p == end || (*p != '[' && *p != '{'))
		return NULL;
	p = clo_scan_space(p + 1, end);
	return p == end || *p == ']' || *p == '}' ? NULL : p;
}

const char *clo_scan_next(const char *p, const char *end)
{
	p = clo_scan_space(clo_scan_value(p, end), end);
	if (p == end || *p != ',')
		return NULL;
	p = clo_scan_space(p + 1, end);
	return p == end ? NULL : p;
}

const char *clo_scan_member_value(const char *p, const char *end)
{
	p = clo_scan_space(clo_scan_value(p, end), end);
	if (p == end || *p != ':')
		return end;
	return clo_scan_space(p + 1, end);
}

const char *clo_scan_item(const char *p, const char *end, size_t index)
{
	if (p == end || *p != '[')
		return NULL;

	for (p = clo_scan_first(p, end); p && index > 0; index--)
		p = clo_scan_next(p, end);
	return p;
}

/* Is the key with its quotes in [p, end) this one? */
static bool key_is(const char *p, const char *end, const char *key)
{
	size_t len = (size_t)(end - p);
	json_t *decoded;
	bool same;

	if (!memchr(p, '\\', len))
		return len == strlen(key) + 2 &&
		       memcmp(p + 1, key, len - 2) == 0;

	decoded = json_loadb(p, len, JSON_DECODE_ANY, NULL);
	same = decoded && strcmp(json_string_value(decoded), key) == 0;
	json_decref(decoded);
	return same;
}

const char *clo_scan_member(const char *p, const char *end, const char *key,
			    bool last)
{
	const char *found = NULL, *value;

	if (p == end || *p != '{')
		return NULL;

	for (p = clo_scan_first(p, end); p && *p == '"';
	     p = clo_scan_next(value, end)) {
		value = clo_scan_member_value(p, end);
		if (!key_is(p, clo_scan_string(p, end), key))
			continue;
		found = value;
		if (!last)
			break;
	}
	return found;
}

struct clo_scan_size clo_scan_size(const char *p, const char *end,
				   unsigned int limit)
{
	struct clo_scan_size size = {.values = 1};
	const char *start = p;
	unsigned int depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = clo_scan_string(p, end);
			continue;
		case '[':
		case '{':
			size.values++;
			if (++depth <= size.depth)
				break;
			size.depth = depth;
			if (depth == limit + 1)
				size.deepest = (size_t)(p - start);
			break;
		case ']':
		case '}':
			depth -= depth > 0;
			break;
		case ',':
			size.values++;
			break;
		default:
			break;
		}
		p++;
	}
	return size;
}
