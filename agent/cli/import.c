/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/import/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/cli/documents.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"

enum {
	OPT_OUTPUT,
	OPT_TENANT,
	OPT_TENANT_LABEL,
	OPT_ENVIRONMENT,
	OPT_ENVIRONMENT_LABEL,
	OPT_BETWEEN,
	OPT_NODE,
	OPT_BRIDGE,
	OPT_MAC,
	OPT_DOMAIN,
};

/* What was read, and what becomes of it. */
struct importing {
	const struct clo_cli *cli;
	struct clo_import_options options;
	json_t *texts; /* {"name", "text"} each, as of a directory */
	struct clo_flaws *flaws, *notes;
	json_t *documents; /* by file name */
};

static int read_file(struct importing *importing)
{
	const struct clo_cli *cli = importing->cli;
	CLO_AUTO_MEM char *text = NULL;
	json_t *value;
	size_t len;
	int r;

	r = clo_file_read(cli->operand, CLO_IMPORT_FILE_MAX, &text, &len);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				cli->operand,
				r == -EFBIG ? "longer than 64 MiB: split it"
					    : strerrordesc_np(-r));
	value = json_stringn(text, len);
	if (!value)
		return clo_fail(cli, CLO_EXIT_REFUSED, "%s: not UTF-8 text",
				cli->operand);
	importing->texts =
		json_pack("[{s:s, s:o}]", "name", cli->operand, "text", value);
	return importing->texts
		       ? CLO_EXIT_OK
		       : clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
}

_Static_assert(CLO_IMPORT_FILE_MAX >> 20 == 64, "read_file() says 64 MiB");

static int read_input(struct importing *importing)
{
	const char *path = importing->cli->operand;
	struct stat st;

	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		return clo_documents_read(importing->cli, path,
					  &importing->texts);
	return read_file(importing);
}

static const char *value_of(const struct clo_cli *cli, int option,
			    const char *otherwise)
{
	return cli->values[option] ? cli->values[option] : otherwise;
}

static int read_options(struct importing *importing)
{
	static const char *const between[] = {
		[CLO_BETWEEN_NAMED] = "named",
		[CLO_BETWEEN_ALL] = "all",
		[CLO_BETWEEN_NONE] = "none",
	};
	const struct clo_cli *cli = importing->cli;
	const char *word = value_of(cli, OPT_BETWEEN, "named");
	size_t i = 0;

	importing->options = (struct clo_import_options){
		.tenant_label =
			value_of(cli, OPT_TENANT_LABEL, "cloison.io/tenant"),
		.environment_label = value_of(cli, OPT_ENVIRONMENT_LABEL,
					      "cloison.io/environment"),
		.tenant = cli->values[OPT_TENANT],
		.environment = cli->values[OPT_ENVIRONMENT],
		.mac_annotation = value_of(cli, OPT_MAC, "cloison.io/mac"),
		.domain_annotation =
			value_of(cli, OPT_DOMAIN, "cloison.io/domain"),
		.node = cli->values[OPT_NODE],
		.bridge = value_of(cli, OPT_BRIDGE, "br0"),
	};
	while (i < CLO_ARRAY_LEN(between) && strcmp(between[i], word) != 0)
		i++;
	if (i == CLO_ARRAY_LEN(between))
		return clo_fail(cli, CLO_EXIT_USAGE,
				"import: --between %s is none of named, all "
				"and none",
				word);
	importing->options.between = (enum clo_import_between)i;
	if (!cli->values[OPT_OUTPUT] || !*cli->values[OPT_OUTPUT])
		return clo_fail(cli, CLO_EXIT_USAGE, "import: needs --output");
	if (cli->values[OPT_BRIDGE] && !cli->values[OPT_NODE])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"import: --bridge needs --node");
	return CLO_EXIT_OK;
}

/* What was written must parse; a Node is lent to it if it has none. */
static int check(struct importing *importing)
{
	static const char node[] =
		"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\","
		"\"name\":\"node\",\"bridges\":[\"br0\"]}";
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	json_auto_t *texts = json_array();
	const char *file;
	json_t *document;

	if (!importing->options.node &&
	    json_array_append_new(texts, json_pack("{s:s, s:s}", "name",
						   "node.json", "text", node)) <
		    0)
		return -ENOMEM;
	json_object_foreach (importing->documents, file, document) {
		CLO_AUTO_MEM char *text = json_dumps(document, JSON_INDENT(2));

		if (!text || json_array_append_new(
				     texts, json_pack("{s:s, s:s}", "name",
						      file, "text", text)) < 0)
			return -ENOMEM;
	}
	return clo_offline_parse(texts, time(NULL), &policy, importing->flaws);
}

static int translate(struct importing *importing)
{
	CLO_AUTO_MEM struct clo_document *borrowed = NULL;
	CLO_AUTO(clo_kube) struct clo_kube *kube = NULL;
	size_t n = json_array_size(importing->texts);
	int r;

	borrowed = calloc(n + 1, sizeof(*borrowed));
	if (!borrowed)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(importing->texts, i);
		const json_t *text = json_object_get(item, "text");

		borrowed[i].name = clo_member_text(item, "name");
		borrowed[i].text = json_string_value(text);
		borrowed[i].len = json_string_length(text);
	}
	r = clo_kube_read(borrowed, n, &importing->options, &kube,
			  importing->flaws, importing->notes);
	if (r == 0)
		r = clo_kube_translate(kube, &importing->options,
				       &importing->documents, importing->flaws,
				       importing->notes);
	return r < 0 ? r : check(importing);
}

/* 0 or -errno: the directory is there, and nothing is in it. */
static int make_directory(const char *path)
{
	struct dirent **names = NULL;
	int n;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	n = scandir(path, &names, NULL, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n > 2 ? -ENOTEMPTY : 0; /* "." and ".." */
}

static int write_documents(struct importing *importing)
{
	const char *dir = importing->cli->values[OPT_OUTPUT];
	const char *file;
	json_t *document;
	int r = make_directory(dir);

	json_object_foreach (importing->documents, file, document) {
		CLO_AUTO_MEM char *path = NULL;
		CLO_AUTO_MEM char *text = NULL;

		if (r < 0)
			break;
		text = json_dumps(document, JSON_INDENT(2));
		if (!text || asprintf(&path, "%s/%s", dir, file) < 0)
			return -ENOMEM;
		r = clo_file_write(path, text, strlen(text));
	}
	return r;
}

static void print_notes(const struct importing *importing)
{
	size_t n = clo_flaws_kept(importing->notes);

	for (size_t i = 0; i < n; i++) {
		(void)fputs("note: ", stderr);
		clo_text_print(stderr,
			       clo_flaws_get(importing->notes, i)->text);
		(void)fputc('\n', stderr);
	}
	if (clo_flaws_count(importing->notes) > n)
		(void)fprintf(stderr, "note: and %zu more\n",
			      clo_flaws_count(importing->notes) - n);
}

static int print(const struct importing *importing)
{
	json_auto_t *notes = clo_offline_flaws(importing->notes);
	json_auto_t *files = json_array(), *result = NULL;
	const char *file;
	json_t *document;

	json_object_foreach (importing->documents, file, document)
		(void)json_array_append_new(files, json_string(file));
	if (!importing->cli->json) {
		print_notes(importing);
		(void)printf("%zu documents in %s; see what they allow with "
			     "cloison plan\n",
			     json_array_size(files),
			     importing->cli->values[OPT_OUTPUT]);
		return CLO_EXIT_OK;
	}
	result = json_pack("{s:O, s:O}", "files", files, "notes", notes);
	return result ? clo_json_print(result)
		      : clo_fail(importing->cli, CLO_EXIT_FAILED,
				 "out of memory");
}

static int import(struct importing *importing)
{
	const struct clo_cli *cli = importing->cli;
	json_auto_t *flaws = NULL;
	char error[80];
	int r;

	r = clo_flaws_new(&importing->flaws);
	if (r == 0)
		r = clo_flaws_new(&importing->notes);
	if (r == 0)
		r = translate(importing);
	if (r == -EINVAL) {
		flaws = clo_offline_flaws(importing->flaws);
		(void)snprintf(error, sizeof(error),
			       "nothing was written: %zu flaws",
			       clo_flaws_count(importing->flaws));
		return clo_refuse(cli, CLO_EXIT_REFUSED, error, flaws, NULL);
	}
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot import: %s",
				strerrordesc_np(-r));
	r = write_documents(importing);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot write %s: %s",
				cli->values[OPT_OUTPUT],
				r == -ENOTEMPTY
					? "it is not empty, and what is there "
					  "would be part of the policy"
					: strerrordesc_np(-r));
	return print(importing);
}

static int run(const struct clo_cli *cli)
{
	struct importing importing = {.cli = cli};
	int code = read_options(&importing);

	if (code == CLO_EXIT_OK)
		code = read_input(&importing);
	if (code == CLO_EXIT_OK)
		code = import(&importing);
	clo_flaws_free(importing.flaws);
	clo_flaws_free(importing.notes);
	json_decref(importing.texts);
	json_decref(importing.documents);
	return code;
}

const struct clo_command clo_command_import = {
	.name = "import",
	.operand = "INPUT",
	.summary = "make a policy of a Kubernetes cluster's",
	.details =
		"INPUT is a file of objects as JSON, a directory of *.json, or "
		"- for stdin:\n"
		"  kubectl get namespaces,pods,networkpolicies -A -o json |\n"
		"  cloison import --tenant acme --environment production "
		"--output DIR -\n"
		"Writes tenants, groups, rules and workloads that allow what "
		"the cluster allows.\nWhose a namespace is, and which "
		"environment, its labels say.\n"
		"Exit status 3: something cannot be translated; each line says "
		"what.\n",
	.options =
		{
			[OPT_OUTPUT] = {"output", "DIR",
					"new or empty; needed"},
			[OPT_TENANT] = {"tenant", "NAME",
					"of namespaces without the label"},
			[OPT_TENANT_LABEL] = {"tenant-label", "KEY",
					      "(cloison.io/tenant)"},
			[OPT_ENVIRONMENT] = {"environment", "ENV",
					     "of namespaces without the label"},
			[OPT_ENVIRONMENT_LABEL] = {"environment-label", "KEY",
						   "(cloison.io/environment)"},
			[OPT_BETWEEN] = {"between", "WHICH",
					 "rules over a border: those that a "
					 "policy names, all, none (named)"},
			[OPT_NODE] = {"node", "NAME", "write a Node, too"},
			[OPT_BRIDGE] = {"bridge", "BR",
					"that it governs (br0)"},
			[OPT_MAC] = {"mac-annotation", "KEY",
				     "of pods (cloison.io/mac)"},
			[OPT_DOMAIN] = {"domain-annotation", "KEY",
					"libvirt domain (cloison.io/domain)"},
		},
	.run = run,
};
