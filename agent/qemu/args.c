/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/qemu/qemu.h"

#define PRIVATE "/var/lib/libvirt/qemu/domain-"
#define KEY "/master-key.aes"

/*
 * Of '{"qom-type":"secret","id":"masterKey0",...,"file":"PATH"}', or of the
 * older 'secret,id=masterKey0,...,file=PATH': the directory of PATH, which
 * libvirt made. Anything else is no private directory.
 */
static void find_private(const char *object, char ret_private[256])
{
	const char *begin = strstr(object, PRIVATE);
	const char *end = begin ? strstr(begin, KEY) : NULL;
	size_t len;

	if (!strstr(object, "masterKey0") || !end)
		return;
	len = (size_t)(end - begin);
	if (len >= 256 ||
	    memchr(begin + strlen(PRIVATE), '/', len - strlen(PRIVATE)))
		return;
	memcpy(ret_private, begin, len);
	ret_private[len] = '\0';
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/*
 * What libvirt starts to learn what a QEMU can do has no machine at all, and
 * these options only: its first word for those that take a value, else NULL.
 */
static const struct {
	const char *option, *value;
} probe_options[] = {
	{"-S", NULL},
	{"-no-user-config", NULL},
	{"-nodefaults", NULL},
	{"-nographic", NULL},
	{"-daemonize", NULL},
	{"-machine", "none"},
	{"-qmp", "unix:/var/lib/libvirt/qemu/"},
	{"-pidfile", "/var/lib/libvirt/qemu/"},
};

/* How many words this option has; 0: it is not one of a probe. */
static int probe_words(const char *option, const char *value)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(probe_options); i++) {
		if (strcmp(option, probe_options[i].option) != 0)
			continue;
		if (!probe_options[i].value)
			return 1;
		return value && begins(value, probe_options[i].value) ? 2 : 0;
	}
	return 0;
}

static bool is_probe(int argc, char *const *argv)
{
	bool no_machine = false;
	int words;

	if (argc == 2 &&
	    (strcmp(argv[1], "-help") == 0 || strcmp(argv[1], "-version") == 0))
		return true;
	for (int i = 1; i < argc; i += words) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		words = probe_words(argv[i], value);
		if (words == 0)
			return false;
		if (strcmp(argv[i], "-machine") == 0) {
			no_machine =
				value && (value[4] == '\0' || value[4] == ',');
			if (!no_machine)
				return false;
		}
	}
	return no_machine;
}

int clo_qemu_args_read(int argc, char *const *argv,
		       struct clo_qemu_args *ret_args, const char **ret_why)
{
	struct clo_qemu_args *args = ret_args;

	memset(args, 0, sizeof(*args));
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-uuid") == 0) {
			if (args->uuid) {
				*ret_why = "two options -uuid";
				return -EINVAL;
			}
			args->uuid = argv[++i];
		} else if (strcmp(argv[i], "-object") == 0) {
			find_private(argv[++i], args->private);
		}
	}
	args->probe = !args->uuid && is_probe(argc, argv);
	if (args->probe)
		return 0;
	if (!args->uuid)
		*ret_why = "no option -uuid: libvirt did not start this";
	else if (!clo_sandbox_uuid_valid(args->uuid))
		*ret_why = "the option -uuid has no UUID";
	else
		return 0;
	return -EINVAL;
}
