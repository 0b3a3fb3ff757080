/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/forward/target.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "tls://"
#define HOST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

/* Empty: the port that RFC 5425 has. */
static bool take_port(const char *text, char ret_port[6])
{
	size_t len = strspn(text, "0123456789");
	long port;

	if (!*text) {
		(void)snprintf(ret_port, 6, "6514");
		return true;
	}
	if (text[len] || len > 5)
		return false;
	port = strtol(text, NULL, 10);
	if (port < 1 || port > 65535)
		return false;
	(void)snprintf(ret_port, 6, "%s", text);
	return true;
}

int clo_target_parse(const char *text, struct clo_target *ret_target)
{
	struct clo_target target;
	bool bracket;
	size_t len;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	text += strlen(SCHEME);
	bracket = *text == '[';
	text += bracket;
	len = strspn(text, bracket ? "0123456789abcdefABCDEF:." : HOST);
	if (len == 0 || len >= sizeof(target.host) ||
	    (bracket && text[len] != ']'))
		return -EINVAL;
	(void)snprintf(target.host, sizeof(target.host), "%.*s", (int)len,
		       text);
	text += len + bracket;
	if ((*text && *text != ':') || (*text && !text[1]) ||
	    !take_port(text + (*text == ':'), target.port))
		return -EINVAL;

	*ret_target = target;
	return 0;
}
