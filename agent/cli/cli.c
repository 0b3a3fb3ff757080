/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"

/* clang-format off */
static const struct clo_command *const commands[] = {
	&clo_command_apply,
	&clo_command_plan,
	&clo_command_prove,
	&clo_command_status,
	&clo_command_matrix,
	&clo_command_endpoints,
	&clo_command_trace,
	&clo_command_ask,
	&clo_command_flows,
	&clo_command_monitor,
	&clo_command_attest,
	&clo_command_enrol,
	&clo_command_verify,
	&clo_command_key,
	&clo_command_define,
	&clo_command_harden,
	&clo_command_bundle,
	&clo_command_import,
	&clo_command_log,
	NULL,
};

/* clang-format on */

enum {
	OPT_SOCKET,
	OPT_JSON,
	OPT_NO_COLOR,
	OPT_HELP,
	OPT_VERSION,
	N_GLOBAL,
};

static const struct clo_option globals[N_GLOBAL + 1] = {
	[OPT_SOCKET] = {"socket", "PATH",
			"control socket (" CLO_CONTROL_SOCKET ")"},
	[OPT_JSON] = {"json", NULL, "one JSON document on stdout"},
	[OPT_NO_COLOR] = {"no-color", NULL, "no colours (nor with NO_COLOR)"},
	[OPT_HELP] = {"help", NULL, "show help and exit"},
	[OPT_VERSION] = {"version", NULL, "show the version and exit"},
};

/* One pass over a part of the command line. */
struct parse {
	struct clo_cli cli;
	const char *given[N_GLOBAL]; /* like cli.values */
	const char *wrong, *problem; /* the first mistake, and which kind */
};

/* getopt_long's values: FIRST + index, the command's own after the globals. */
#define FIRST 256

static size_t add_options(struct option *longs, const struct clo_option *from,
			  int value)
{
	size_t n;

	for (n = 0; from[n].name; n++)
		longs[n] = (struct option){
			.name = from[n].name,
			.has_arg =
				from[n].value ? required_argument : no_argument,
			.val = value + (int)n,
		};
	return n;
}

static void note(struct parse *parse, const char *problem, const char *wrong)
{
	if (parse->problem)
		return;

	parse->problem = problem;
	parse->wrong = wrong;
}

static void keep(struct parse *parse, const struct clo_command *command,
		 size_t option, const char *arg)
{
	struct clo_cli *cli = &parse->cli;

	cli->values[option] = arg;
	if (!command->list ||
	    strcmp(command->options[option].name, command->list) != 0)
		return;
	if (cli->n_list == CLO_LIST_MAX)
		note(parse, "is one too many", arg);
	else
		cli->list[cli->n_list++] = arg;
}

/*
 * Global options and, with a command, its own; the whole line is read also
 * after a mistake, so that --json is known when it is reported. `flags` as in
 * getopt_long's option string. Returns the index of the first operand.
 */
static int parse_options(struct parse *parse, const char *flags,
			 const struct clo_command *command, int argc,
			 char *argv[])
{
	struct option longs[N_GLOBAL + CLO_OPTIONS_MAX + 1] = {0};
	int value;
	size_t n;

	n = add_options(longs, globals, FIRST);
	if (command)
		(void)add_options(longs + n, command->options, FIRST + (int)n);

	opterr = 0;
	optind = 0; /* glibc: begin anew */
	/* The only thread; nothing else calls getopt. NOLINTNEXTLINE */
	while ((value = getopt_long(argc, argv, flags, longs, NULL)) != -1) {
		const char *arg = optarg ? optarg : "";

		if (value == ':')
			note(parse, "needs a value", argv[optind - 1]);
		else if (value < FIRST)
			note(parse, "is no option here", argv[optind - 1]);
		else if (value < FIRST + N_GLOBAL)
			parse->given[value - FIRST] = arg;
		else if (command)
			keep(parse, command, (size_t)(value - FIRST - N_GLOBAL),
			     arg);
	}

	return optind;
}

static void settle_globals(struct parse *parse)
{
	const char *const *given = parse->given;
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	parse->cli.socket =
		given[OPT_SOCKET] ? given[OPT_SOCKET] : CLO_CONTROL_SOCKET;
	parse->cli.json = given[OPT_JSON] != NULL;
	parse->cli.color = !parse->cli.json && !given[OPT_NO_COLOR] &&
			   !(no_color && no_color[0] != '\0') &&
			   !(term && strcmp(term, "dumb") == 0) &&
			   isatty(STDOUT_FILENO) == 1;
}

static void print_options(const struct clo_option *options)
{
	char left[40];

	for (; options->name; options++) {
		(void)snprintf(left, sizeof(left), "--%s%s%s", options->name,
			       options->value ? " " : "",
			       options->value ? options->value : "");
		(void)printf("  %-20s %s\n", left, options->help);
	}
}

static void print_commands(const struct clo_command *const *list)
{
	for (; *list; list++)
		(void)printf("  %-20s %s\n", (*list)->name, (*list)->summary);
}

static int print_command_help(const struct clo_command *command)
{
	(void)printf("usage: cloison %s [OPTION...]%s%s%s%s\nTo %s.\n\n%s",
		     command->name, command->operand ? " " : "",
		     command->operand ? command->operand : "",
		     command->second ? " " : "",
		     command->second ? command->second : "", command->summary,
		     command->details);
	if (command->commands)
		print_commands(command->commands);
	(void)puts("\nOptions:");
	print_options(command->options);
	print_options(globals);
	return CLO_EXIT_OK;
}

static int print_help(void)
{
	(void)puts("usage: cloison [OPTION...] COMMAND [ARGUMENT...]\n"
		   "Shows and changes what keeps this node's tenants apart.\n\n"
		   "Commands:");
	print_commands(commands);
	(void)puts("\nOptions, before or after the command:");
	print_options(globals);
	(void)puts("\nExit status: 0 done, 1 failed (verify: not authentic), "
		   "2 usage,\n3 refused or FAILED, 4 inconclusive or stale, "
		   "5 no daemon, 6 not permitted.\n"
		   "cloison COMMAND --help tells more.");
	return CLO_EXIT_OK;
}

static int print_version(void)
{
	(void)puts("cloison " CLO_VERSION);
	return CLO_EXIT_OK;
}

/* Those of a group are called "GROUP NAME". */
static const struct clo_command *
find_command(const struct clo_command *const *list, const char *group,
	     const char *name)
{
	size_t skip = group ? strlen(group) + 1 : 0;

	for (; *list; list++) {
		if (strcmp((*list)->name + skip, name) == 0)
			return *list;
	}
	return NULL;
}

/* From the command's name on. */
static int run_command(struct parse *parse, const struct clo_command *command,
		       int argc, char *argv[])
{
	int at = parse_options(parse, ":", command, argc, argv);

	if (!parse->problem && parse->given[OPT_HELP])
		return print_command_help(command);
	if (!parse->problem && parse->given[OPT_VERSION])
		return print_version();

	if (command->operand && at < argc)
		parse->cli.operand = argv[at++];
	else if (command->operand && command->operand[0] != '[')
		note(parse, "is missing", command->operand);
	if (command->second && at < argc)
		parse->cli.second = argv[at++];
	else if (command->second)
		note(parse, "is missing", command->second);
	if (at < argc)
		note(parse, "is one argument too many", argv[at]);

	settle_globals(parse);
	if (parse->problem)
		return clo_fail(&parse->cli, CLO_EXIT_USAGE,
				"%s: %s %s (see cloison %s --help)",
				command->name, parse->wrong, parse->problem,
				command->name);

	return command->run(&parse->cli);
}

static int missing_command(struct parse *parse, const char *group)
{
	return clo_fail(&parse->cli, CLO_EXIT_USAGE,
			"%s%swhich command? (see cloison %s%s--help)",
			group ? group : "", group ? ": " : "",
			group ? group : "", group ? " " : "");
}

/*
 * What stands before the next command's name; then that command, of this group
 * or of all of them.
 */
static int dispatch(struct parse *parse, const struct clo_command *group,
		    int argc, char *argv[])
{
	const char *of = group ? group->name : NULL;
	const struct clo_command *command;
	int at = parse_options(parse, "+:", NULL, argc, argv);

	settle_globals(parse);
	if (parse->problem)
		return clo_fail(&parse->cli, CLO_EXIT_USAGE,
				"%s %s (see cloison --help)", parse->wrong,
				parse->problem);
	if (parse->given[OPT_HELP])
		return group ? print_command_help(group) : print_help();
	if (parse->given[OPT_VERSION])
		return print_version();
	if (at >= argc)
		return missing_command(parse, of);
	command =
		find_command(group ? group->commands : commands, of, argv[at]);
	if (!command)
		return clo_fail(&parse->cli, CLO_EXIT_USAGE,
				"%s%s%s is no command (see cloison --help)",
				of ? of : "", of ? " " : "", argv[at]);

	if (command->commands)
		return dispatch(parse, command, argc - at, argv + at);
	return run_command(parse, command, argc - at, argv + at);
}

int clo_cli_main(int argc, char *argv[])
{
	struct parse parse = {0};
	int code = dispatch(&parse, NULL, argc, argv);

	/* Output that nobody got is a failure, whatever it said. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "cloison: cannot write to stdout\n");
		return CLO_EXIT_FAILED;
	}
	return code;
}
