/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/control.h"

static const char usage[] =
	"usage: cloisond [options]\n"
	"Guards the taps of this node's workloads, proves it and attests it.\n"
	"\n"
	"  --state-dir DIR  policy, key and log   [/var/lib/cloison]\n"
	"  --pin-dir DIR    on a bpffs            [/sys/fs/bpf/cloison]\n"
	"  --socket PATH    control socket        [" CLO_CONTROL_SOCKET "]\n"
	"  --libvirt URI    or \"none\"             [qemu:///system]\n"
	"  --period SECONDS between proofs, 1 to 3600  [60]\n"
	"  --attach HOW     auto, tcx or clsact   [auto]\n"
	"  --init           make state directory and signing key, then exit\n"
	"  --remove         take every guard out of the kernel, then exit\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 stopped in order, 1 failed, 2 usage.\n";

static int bad(const char *option, const char *value, const char *want)
{
	(void)fprintf(stderr, "cloisond: %s: '%s' is not %s\n", option, value,
		      want);
	return -EINVAL;
}

static int parse_period(const char *text, unsigned int *ret_period)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	/* strtoul() takes signs, too, and wraps what is negative */
	if (errno || *end || !isdigit((unsigned char)*text) || value < 1 ||
	    value > 3600)
		return bad("--period", text, "a number of seconds, 1 to 3600");
	*ret_period = (unsigned int)value;
	return 0;
}

static int parse_attach(const char *text, enum clo_attach *ret_attach)
{
	static const char *const names[] = {
		[CLO_ATTACH_AUTO] = "auto",
		[CLO_ATTACH_TCX] = "tcx",
		[CLO_ATTACH_CLSACT] = "clsact",
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret_attach = (enum clo_attach)i;
			return 0;
		}
	return bad("--attach", text, "auto, tcx or clsact");
}

static int take(int option, const char *value, struct clo_options *options,
		enum clo_mode *mode)
{
	switch (option) {
	case 's':
		options->state_dir = value;
		return 0;
	case 'p':
		options->pin_dir = value;
		return 0;
	case 'c':
		options->socket = value;
		return 0;
	case 'l':
		options->libvirt = strcmp(value, "none") == 0 ? "" : value;
		return 0;
	case 't':
		return parse_period(value, &options->period);
	case 'a':
		return parse_attach(value, &options->attach);
	case 'i':
		*mode = CLO_MODE_INIT;
		return 0;
	case 'r':
		*mode = CLO_MODE_REMOVE;
		return 0;
	case 'h':
		*mode = CLO_MODE_DONE;
		return fputs(usage, stdout) < 0 ? -EIO : 0;
	case 'v':
		*mode = CLO_MODE_DONE;
		return puts("cloisond " CLO_VERSION) < 0 ? -EIO : 0;
	default:
		return -EINVAL; /* getopt has said why */
	}
}

int clo_options_parse(int argc, char **argv, struct clo_options *ret_options,
		      enum clo_mode *ret_mode)
{
	static const struct option known[] = {
		{"state-dir", required_argument, NULL, 's'},
		{"pin-dir", required_argument, NULL, 'p'},
		{"socket", required_argument, NULL, 'c'},
		{"libvirt", required_argument, NULL, 'l'},
		{"period", required_argument, NULL, 't'},
		{"attach", required_argument, NULL, 'a'},
		{"init", no_argument, NULL, 'i'},
		{"remove", no_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct clo_options options = {
		.state_dir = "/var/lib/cloison",
		.pin_dir = "/sys/fs/bpf/cloison",
		.socket = CLO_CONTROL_SOCKET,
		.libvirt = "qemu:///system",
		.period = 60,
	};
	enum clo_mode mode = CLO_MODE_RUN;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		int r = take(option, optarg, &options, &mode);

		if (r < 0)
			return r;
		if (mode == CLO_MODE_DONE)
			break;
	}
	if (mode != CLO_MODE_DONE && optind < argc)
		return bad("argument", argv[optind], "an option; see --help");

	*ret_options = options;
	*ret_mode = mode;
	return 0;
}
