/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream/carry.h"

#include <errno.h>
#include <stdio.h>

#include "agent/base/log.h"

int clo_carry_bad(const char *name, const char *why)
{
	(void)fprintf(stderr, "%s: %s; see --help\n", name, why);
	return -EINVAL;
}

int clo_carry_parse(const struct clo_carrier *carrier, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", carrier->known, NULL)) >=
	       0) {
		if (option == 'h')
			return fputs(carrier->usage, stdout) < 0 ? -EIO : 1;
		if (option == 'v')
			return printf("%s " CLO_VERSION "\n", carrier->name) < 0
				       ? -EIO
				       : 1;
		if (option >= 128 || !carrier->places[option])
			return -EINVAL; /* getopt has said why */
		*carrier->places[option] = optarg;
	}
	return optind < argc ? clo_carry_bad(carrier->name, "takes no operand")
			     : 0;
}

int clo_carry_begin(const char *log, struct clo_reader **ret_reader,
		    struct clo_wait *ret_wait)
{
	int r;

	r = clo_reader_open(log, ret_reader);
	if (r == 0)
		r = clo_wait_begin(log, ret_wait);
	return r < 0 ? clo_log_errno(CLO_LOG_ERR, r, "log %s", log) : 0;
}
