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
	"  --emulator PATH  of sandboxed domains\n"
	"                   [" CLO_EMULATOR "]\n"
	"  --period SECONDS between proofs, 1 to 3600  [60]\n"
	"  --statement-period SECONDS  between statements that say the same; in\n"
	"                   between a heartbeat each period; 1 to 86400 [900]\n"
	"  --connections N  tracked at most, of each IP version; 1024 to\n"
	"                   4194304       [what the policy's node says]\n"
	"  --flow-log-size BYTES   of one file, 64K to 64G, or \"none\": no\n"
	"                   flow log; with K, M or G    [64M]\n"
	"  --flow-log-days N       kept at most, 1 to 3650   [30]\n"
	"  --flow-log-bytes BYTES  of all files, 1M to 1024G [1G]\n"
	"  --attach HOW     auto, tcx or clsact   [auto]\n"
	"  --tpm TCTI       device:PATH or swtpm:path=PATH; \"none\": sign with\n"
	"                   the file key   [device:/dev/tpmrm0 if it is there]\n"
	"  --policy-trust FILE     whose policy bundles are applied\n"
	"                   [/etc/cloison/policy-trust.json]\n"
	"  --init           make state directory and signing key, then exit\n"
	"  --reenrol        the TPM that is there is the node's, then exit\n"
	"  --fence          close the policy's bridges until it runs, then exit\n"
	"  --remove         take every guard out of the kernel, then exit\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 stopped in order, 1 failed, 2 usage, 3 the node's TPM is\n"
	"another one, fails or is gone.\n";

static int bad(const char *option, const char *value, const char *want)
{
	(void)fprintf(stderr, "cloisond: %s: '%s' is not %s\n", option, value,
		      want);
	return -EINVAL;
}

static bool parse_number(const char *text, unsigned long min, unsigned long max,
			 unsigned int *ret_number)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	/* strtoul() takes signs, too, and wraps what is negative */
	if (errno || *end || !isdigit((unsigned char)*text) || value < min ||
	    value > max)
		return false;
	*ret_number = (unsigned int)value;
	return true;
}

static int parse_period(const char *text, unsigned int *ret_period)
{
	return parse_number(text, 1, 3600, ret_period)
		       ? 0
		       : bad("--period", text,
			     "a number of seconds, 1 to 3600");
}

static int parse_statement_period(const char *text, unsigned int *ret_period)
{
	return parse_number(text, 1, 86400, ret_period)
		       ? 0
		       : bad("--statement-period", text,
			     "a number of seconds, 1 to 86400");
}

static int parse_connections(const char *text, unsigned int *ret_connections)
{
	return parse_number(text, CLO_CONNECTIONS_MIN, CLO_CONNECTIONS_MAX,
			    ret_connections)
		       ? 0
		       : bad("--connections", text,
			     "a number of connections, 1024 to 4194304");
}

/* Digits and at most one of K, M and G. */
static bool parse_bytes(const char *text, uint64_t min, uint64_t max,
			uint64_t *ret_bytes)
{
	static const char units[] = "KMG";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
	uint64_t value;

	if (digits == 0 || digits > 15 || (text[digits] && !unit) ||
	    (unit && text[digits + 1]))
		return false;
	value = strtoull(text, NULL, 10);
	if (unit && value > max)
		return false;
	value <<= unit ? 10 * (unit - units + 1) : 0;
	if (value < min || value > max)
		return false;
	*ret_bytes = value;
	return true;
}

static int parse_log_size(const char *text, uint64_t *ret_bytes)
{
	if (strcmp(text, "none") == 0) {
		*ret_bytes = 0;
		return 0;
	}
	return parse_bytes(text, UINT64_C(64) << 10, UINT64_C(64) << 30,
			   ret_bytes)
		       ? 0
		       : bad("--flow-log-size", text,
			     "64K to 64G of bytes, or none");
}

static int parse_log_total(const char *text, uint64_t *ret_bytes)
{
	return parse_bytes(text, UINT64_C(1) << 20, UINT64_C(1) << 40,
			   ret_bytes)
		       ? 0
		       : bad("--flow-log-bytes", text, "1M to 1024G of bytes");
}

static int parse_log_days(const char *text, unsigned int *ret_days)
{
	return parse_number(text, 1, 3650, ret_days)
		       ? 0
		       : bad("--flow-log-days", text,
			     "a number of days, 1 to 3650");
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

static int parse_tpm(const char *text, const char **ret_tpm)
{
	if (strcmp(text, "none") != 0 && strncmp(text, "device:/", 8) != 0 &&
	    strncmp(text, "swtpm:path=/", 12) != 0)
		return bad("--tpm", text,
			   "device:PATH, swtpm:path=PATH or none");
	*ret_tpm = text;
	return 0;
}

static int take_action(int option, enum clo_action *action)
{
	static const struct {
		int option;
		enum clo_action action;
	} known[] = {
		{'f', CLO_ACTION_FENCE},
		{'i', CLO_ACTION_INIT},
		{'r', CLO_ACTION_REMOVE},
		{'R', CLO_ACTION_REENROL},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(known); i++)
		if (known[i].option == option) {
			*action = known[i].action;
			return 0;
		}
	return -EINVAL; /* getopt has said why */
}

static int take(int option, const char *value, struct clo_options *options,
		enum clo_action *action)
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
	case 'e':
		options->emulator = value;
		return 0;
	case 'l':
		options->libvirt = strcmp(value, "none") == 0 ? "" : value;
		return 0;
	case 't':
		return parse_period(value, &options->period);
	case 'P':
		return parse_statement_period(value,
					      &options->statement_period);
	case 'n':
		return parse_connections(value, &options->connections);
	case 'S':
		return parse_log_size(value, &options->flow_log.file_bytes);
	case 'D':
		return parse_log_days(value, &options->flow_log.days);
	case 'B':
		return parse_log_total(value, &options->flow_log.total_bytes);
	case 'a':
		return parse_attach(value, &options->attach);
	case 'T':
		return parse_tpm(value, &options->tpm);
	case 'K':
		options->policy_trust = value;
		return 0;
	case 'h':
		*action = CLO_ACTION_DONE;
		return fputs(usage, stdout) < 0 ? -EIO : 0;
	case 'v':
		*action = CLO_ACTION_DONE;
		return puts("cloisond " CLO_VERSION) < 0 ? -EIO : 0;
	default:
		return take_action(option, action);
	}
}

/* What each option cannot say alone. */
static int check(const struct clo_options *options)
{
	return options->flow_log.file_bytes <= options->flow_log.total_bytes
		       ? 0
		       : bad("--flow-log-size", "of one file",
			     "at most --flow-log-bytes");
}

static const struct option known[] = {
	{"state-dir", required_argument, NULL, 's'},
	{"pin-dir", required_argument, NULL, 'p'},
	{"socket", required_argument, NULL, 'c'},
	{"emulator", required_argument, NULL, 'e'},
	{"libvirt", required_argument, NULL, 'l'},
	{"period", required_argument, NULL, 't'},
	{"statement-period", required_argument, NULL, 'P'},
	{"connections", required_argument, NULL, 'n'},
	{"flow-log-size", required_argument, NULL, 'S'},
	{"flow-log-days", required_argument, NULL, 'D'},
	{"flow-log-bytes", required_argument, NULL, 'B'},
	{"attach", required_argument, NULL, 'a'},
	{"tpm", required_argument, NULL, 'T'},
	{"policy-trust", required_argument, NULL, 'K'},
	{"reenrol", no_argument, NULL, 'R'},
	{"init", no_argument, NULL, 'i'},
	{"fence", no_argument, NULL, 'f'},
	{"remove", no_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{0},
};

int clo_options_parse(int argc, char **argv, struct clo_options *ret_options,
		      enum clo_action *ret_action)
{
	struct clo_options options = {
		.state_dir = "/var/lib/cloison",
		.pin_dir = "/sys/fs/bpf/cloison",
		.socket = CLO_CONTROL_SOCKET,
		.emulator = CLO_EMULATOR,
		.libvirt = "qemu:///system",
		.period = 60,
		.statement_period = 900,
		.policy_trust = "/etc/cloison/policy-trust.json",
		.flow_log = {CLO_FLOWLOG_FILE_BYTES, CLO_FLOWLOG_DAYS,
			     CLO_FLOWLOG_TOTAL_BYTES},
	};
	enum clo_action action = CLO_ACTION_RUN;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		int r = take(option, optarg, &options, &action);

		if (r < 0)
			return r;
		if (action == CLO_ACTION_DONE)
			break;
	}
	if (action != CLO_ACTION_DONE && optind < argc)
		return bad("argument", argv[optind], "an option; see --help");
	if (action != CLO_ACTION_DONE && check(&options) < 0)
		return -EINVAL;

	*ret_options = options;
	*ret_action = action;
	return 0;
}
