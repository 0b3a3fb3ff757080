/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/path.h"
#include "policy/read.h"

/* What strings of documents may look like. The schemas say the same. */

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* Of these characters only, neither first nor last a hyphen. */
static bool is_label(const char *text, size_t len, size_t max)
{
	return len > 0 && len <= max && text[0] != '-' &&
	       text[len - 1] != '-' && strspn(text, LOWER DIGITS "-") >= len;
}

static bool is_name(const char *text)
{
	return is_label(text, strlen(text), 63);
}

/* Characters of valid UTF-8. */
static size_t length(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* What the kernel's dev_valid_name() takes, of printable ASCII. */
static bool is_interface(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 15 || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '/' || *text == ':')
			return false;
	return true;
}

static bool is_domain(const char *text)
{
	size_t n = length(text);

	return n > 0 && n <= 255 && !strchr(text, '/') && !has_control(text);
}

static bool is_uuid(const char *text)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'x' ? !isxdigit((unsigned char)text[i])
				    : text[i] != '-')
			return false;
	return true;
}

static bool is_control(const char *text)
{
	const char *dot = strchr(text, '.');

	return dot && is_label(text, (size_t)(dot - text), 63) &&
	       is_name(dot + 1);
}

static bool is_rule(const char *text)
{
	const char *env = strchr(text, '/');
	const char *rule = env ? strchr(env + 1, '/') : NULL;

	return rule && is_label(text, (size_t)(env - text), 63) &&
	       is_label(env + 1, (size_t)(rule - env - 1), 63) &&
	       is_name(rule + 1);
}

static bool is_prose(const char *text)
{
	size_t n = length(text);

	return n > 0 && n <= 1024;
}

/* The only way to write it, and nothing that needs quoting. */
static bool is_path(const char *text)
{
	if (strlen(text) > 255 || !clo_path_is_plain(text))
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

const struct clo_format clo_format_name = {
	is_name,
	"a name: 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'",
};
const struct clo_format clo_format_interface = {
	is_interface,
	"an interface name: 1 to 15 printable characters without '/' and ':'",
};
const struct clo_format clo_format_domain = {
	is_domain,
	"a libvirt domain name: 1 to 255 characters without '/' and control "
	"characters",
};
const struct clo_format clo_format_uuid = {
	is_uuid,
	"a UUID like \"6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b11\"",
};
const struct clo_format clo_format_control = {
	is_control,
	"the id of a control like \"net.cross-tenant-deny\"",
};
const struct clo_format clo_format_rule = {
	is_rule,
	"a rule's full name like \"tenant/production/rule\"",
};
const struct clo_format clo_format_prose = {
	is_prose,
	"1 to 1024 characters",
};
const struct clo_format clo_format_path = {
	is_path,
	"an absolute path of up to 255 printable characters without \"..\", "
	"\".\", \"//\", spaces and a \"/\" at its end",
};
