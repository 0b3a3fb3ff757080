/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/role.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/auto.h"

#define OURS "urn:cloison:"
#define TENANT "urn:cloison:tenant:"

static const struct {
	const char *uri;
	const char *name;
	enum clo_role role;
} roles[] = {
	{"urn:cloison:role:control-plane", "control-plane",
	 CLO_ROLE_CONTROL_PLANE},
	{"urn:cloison:role:auditor", "auditor", CLO_ROLE_AUDITOR},
	{NULL, "tenant", CLO_ROLE_TENANT},
};

const char *clo_role_text(enum clo_role role)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "nobody";
}

static bool is_in_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

int clo_role_tenant(const char *text, size_t len, char ret_name[CLO_NAME_MAX])
{
	if (len == 0 || len >= CLO_NAME_MAX || text[0] == '-' ||
	    text[len - 1] == '-')
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!is_in_name(text[i]))
			return -EINVAL;

	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	return 0;
}

static bool begins_with(const char *uri, size_t len, const char *prefix)
{
	return len >= strlen(prefix) &&
	       strncmp(uri, prefix, strlen(prefix)) == 0;
}

static int understand(const char *uri, size_t len, struct clo_who *ret_who)
{
	if (begins_with(uri, len, TENANT)) {
		ret_who->role = CLO_ROLE_TENANT;
		return clo_role_tenant(uri + strlen(TENANT),
				       len - strlen(TENANT), ret_who->tenant);
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(roles); i++)
		if (roles[i].uri && len == strlen(roles[i].uri) &&
		    memcmp(uri, roles[i].uri, len) == 0) {
			ret_who->role = roles[i].role;
			return 0;
		}
	return -EINVAL;
}

int clo_role_add(const char *uri, size_t len, struct clo_who *who)
{
	struct clo_who found = {.role = CLO_ROLE_NOBODY};
	int r;

	if (!begins_with(uri, len, OURS))
		return 0;
	if (who->role != CLO_ROLE_NOBODY)
		return -EINVAL;
	r = understand(uri, len, &found);
	if (r < 0)
		return r;

	*who = found;
	return 0;
}
