/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/gateway/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/core/control.h"
#include "agent/gateway/query.h"

static const char usage[] =
	"usage: cloison-gateway [options]\n"
	"Answers control plane, auditors and tenants from this node's log, over\n"
	"HTTPS to who shows a client certificate of a role.\n"
	"\n"
	"  --listen ADDRESS:PORT   without it: the socket that systemd passes\n"
	"  --certificate FILE      of this node, PEM, with its chain\n"
	"  --key FILE              of that certificate\n"
	"  --client-ca FILE        authorities of client certificates, PEM\n"
	"  --revoked FILE          their revocation lists, PEM\n"
	"  --log FILE              [/var/lib/cloison/log.sqlite]\n"
	"  --socket PATH           cloisond's      [" CLO_CONTROL_SOCKET "]\n"
	"  --connections N         at once, 4 to 1024           [128]\n"
	"  --connections-each N    of one address, 1 to 1024    [32]\n"
	"  --requests N            of one client in a minute, 1 to 60000 [600]\n"
	"  --challenges N          the same, fresh proofs, 1 to 600      [6]\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 stopped in order, 1 failed, 2 usage.\n";

static int bad(const char *what, const char *value)
{
	(void)fprintf(stderr, "cloison-gateway: %s '%s'; see --help\n", what,
		      value);
	return -EINVAL;
}

static int take_number(const char *text, int64_t min, int64_t max,
		       unsigned int *ret_number)
{
	int64_t number;

	if (!clo_query_number(text, min, max, &number))
		return bad("not a number in its bounds:", text);
	*ret_number = (unsigned int)number;
	return 0;
}

static int take(int option, const char *value,
		struct clo_gateway_options *options)
{
	switch (option) {
	case 'L':
		options->listen = value;
		return 0;
	case 'c':
		options->certificate = value;
		return 0;
	case 'k':
		options->key = value;
		return 0;
	case 'a':
		options->client_ca = value;
		return 0;
	case 'r':
		options->revoked = value;
		return 0;
	case 'l':
		options->log = value;
		return 0;
	case 's':
		options->control = value;
		return 0;
	case 'n':
		return take_number(value, 4, 1024, &options->connections);
	case 'e':
		return take_number(value, 1, 1024, &options->connections_each);
	case 'q':
		return take_number(value, 1, 60000, &options->requests);
	case 'p':
		return take_number(value, 1, 600, &options->challenges);
	case 'h':
		return fputs(usage, stdout) < 0 ? -EIO : 1;
	case 'v':
		return puts("cloison-gateway " CLO_VERSION) < 0 ? -EIO : 1;
	default:
		return -EINVAL; /* getopt has said why */
	}
}

static int check(const struct clo_gateway_options *options)
{
	if (!options->certificate || !options->key || !options->client_ca)
		return bad("missing:", "--certificate, --key or --client-ca");
	return 0;
}

int clo_gateway_options_parse(int argc, char **argv,
			      struct clo_gateway_options *ret_options)
{
	static const struct option known[] = {
		{"listen", required_argument, NULL, 'L'},
		{"certificate", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"client-ca", required_argument, NULL, 'a'},
		{"revoked", required_argument, NULL, 'r'},
		{"log", required_argument, NULL, 'l'},
		{"socket", required_argument, NULL, 's'},
		{"connections", required_argument, NULL, 'n'},
		{"connections-each", required_argument, NULL, 'e'},
		{"requests", required_argument, NULL, 'q'},
		{"challenges", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct clo_gateway_options options = {
		.log = "/var/lib/cloison/log.sqlite",
		.control = CLO_CONTROL_SOCKET,
		.connections = 128,
		.connections_each = 32,
		.requests = 600,
		.challenges = 6,
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		int r = take(option, optarg, &options);

		if (r != 0)
			return r;
	}
	if (optind < argc)
		return bad("not an option:", argv[optind]);
	if (check(&options) < 0)
		return -EINVAL;

	*ret_options = options;
	return 0;
}
