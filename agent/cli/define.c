/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/client.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"

enum {
	OPT_MEMORY,
	OPT_VCPUS,
	OPT_DISK,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_LOADER,
	OPT_NVRAM,
	OPT_NVRAM_TEMPLATE,
	OPT_TPM,
	OPT_CONSOLE,
	OPT_BRIDGE,
	OPT_EMULATED,
};

/* The daemon knows how many make sense. */
#define NUMBER_MAX 999999999

/* Members of the shape; `needs` is the option without which it is nothing. */
static const struct {
	int option, needs;
	const char *member;
} texts[] = {
	{OPT_KERNEL, OPT_KERNEL, "kernel"},
	{OPT_INITRD, OPT_KERNEL, "initrd"},
	{OPT_CMDLINE, OPT_KERNEL, "cmdline"},
	{OPT_LOADER, OPT_LOADER, "loader"},
	{OPT_NVRAM, OPT_LOADER, "nvram"},
	{OPT_NVRAM_TEMPLATE, OPT_LOADER, "nvramTemplate"},
	{OPT_TPM, OPT_TPM, "tpm"},
	{OPT_CONSOLE, OPT_CONSOLE, "console"},
	{OPT_BRIDGE, OPT_BRIDGE, "bridge"},
};

static const char *name_of(int option)
{
	return clo_command_define.options[option].name;
}

static int add_number(const struct clo_cli *cli, int option, json_t *shape)
{
	const char *text = cli->values[option];
	long long number;

	if (!text)
		return clo_fail(cli, CLO_EXIT_USAGE, "define: needs --%s",
				name_of(option));
	number = clo_number_parse(text, NUMBER_MAX);
	if (number < 1)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"define: --%s %s is no number from 1 to %d",
				name_of(option), text, NUMBER_MAX);
	(void)json_object_set_new(shape, name_of(option), json_integer(number));
	return CLO_EXIT_OK;
}

static int add_texts(const struct clo_cli *cli, json_t *shape)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		const char *text = cli->values[texts[i].option];
		const char *name = name_of(texts[i].option);

		if (!text)
			continue;
		if (!cli->values[texts[i].needs])
			return clo_fail(cli, CLO_EXIT_USAGE,
					"define: --%s needs --%s", name,
					name_of(texts[i].needs));
		if (text[0] == '\0')
			return clo_fail(cli, CLO_EXIT_USAGE,
					"define: --%s is empty: give a value "
					"or leave it out",
					name);
		if (json_object_set_new(shape, texts[i].member,
					json_string(text)) < 0)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"define: --%s %s: no text in UTF-8",
					name, text);
	}
	return CLO_EXIT_OK;
}

/* One word behind the path; false: it is none. */
static bool read_word(const char *word, size_t len, json_t *disk)
{
	static const struct {
		const char *word, *member, *text; /* NULL: true */
	} words[] = {
		{"format=raw", "format", "raw"},
		{"format=qcow2", "format", "qcow2"},
		{"readonly", "readOnly", NULL},
		{"block", "block", NULL},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(words); i++) {
		if (strlen(words[i].word) != len ||
		    strncmp(words[i].word, word, len) != 0)
			continue;
		(void)json_object_set_new(disk, words[i].member,
					  words[i].text
						  ? json_string(words[i].text)
						  : json_true());
		return true;
	}
	return false;
}

/* PATH[,WORD...] */
static int add_disk(const struct clo_cli *cli, const char *text, json_t *disks)
{
	static const char suffix[] = ".qcow2";
	size_t n = sizeof(suffix) - 1, len = strcspn(text, ",");
	bool qcow2 = len > n && strncmp(text + len - n, suffix, n) == 0;
	json_t *disk;

	if (len == 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"define: --disk %s names no file", text);
	disk = json_pack("{s:s%, s:s}", "path", text, len, "format",
			 qcow2 ? "qcow2" : "raw");
	if (json_array_append_new(disks, disk) < 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"define: --disk %s: no text in UTF-8", text);
	for (const char *at = text + len; *at; at += len) {
		len = strcspn(++at, ",");
		if (!read_word(at, len, disk))
			return clo_fail(cli, CLO_EXIT_USAGE,
					"define: --disk %s: \"%.*s\" is none "
					"of format=raw, format=qcow2, readonly "
					"and block",
					text, (int)len, at);
	}
	return CLO_EXIT_OK;
}

/* Without --disk the daemon chooses; the word "none" is for no disk at all. */
static int add_disks(const struct clo_cli *cli, json_t *shape)
{
	json_t *disks = json_array();
	int code = CLO_EXIT_OK;

	if (cli->n_list == 0) {
		json_decref(disks);
		return CLO_EXIT_OK;
	}
	(void)json_object_set_new(shape, "disks", disks);
	if (cli->n_list == 1 && strcmp(cli->list[0], "none") == 0)
		return CLO_EXIT_OK;
	for (size_t i = 0; i < cli->n_list && code == CLO_EXIT_OK; i++)
		code = strcmp(cli->list[i], "none") == 0
			       ? clo_fail(cli, CLO_EXIT_USAGE,
					  "define: \"--disk none\" beside "
					  "other disks")
			       : add_disk(cli, cli->list[i], disks);
	return code;
}

/* CLO_EXIT_OK and the request, or the usage error has been printed. */
static int make_request(const struct clo_cli *cli, json_t **ret_request)
{
	json_auto_t *shape = json_object();
	int code;

	code = add_number(cli, OPT_MEMORY, shape);
	if (code == CLO_EXIT_OK)
		code = add_number(cli, OPT_VCPUS, shape);
	if (code == CLO_EXIT_OK)
		code = add_texts(cli, shape);
	if (code == CLO_EXIT_OK)
		code = add_disks(cli, shape);
	if (code != CLO_EXIT_OK)
		return code;
	(void)json_object_set_new(shape, "emulated",
				  json_boolean(cli->values[OPT_EMULATED]));
	*ret_request = json_pack("{s:s, s:s, s:O}", "op", "define", "workload",
				 cli->operand, "shape", shape);
	return *ret_request ? CLO_EXIT_OK
			    : clo_fail(cli, CLO_EXIT_USAGE,
				       "%s: no text in UTF-8", cli->operand);
}

static int run(const struct clo_cli *cli)
{
	json_auto_t *request = NULL, *result = NULL;
	const json_t *left;
	const char *xml;
	int code;

	code = make_request(cli, &request);
	if (code == CLO_EXIT_OK)
		code = clo_client_call(cli, request, &result);
	if (code != CLO_EXIT_OK)
		return code;
	left = json_object_get(result, "left");
	xml = json_string_value(json_object_get(result, "xml"));
	if (!json_is_array(left) || !xml != (json_array_size(left) > 0))
		return clo_fail_reply(cli);

	if (cli->json)
		(void)clo_json_print(result);
	else if (xml)
		(void)fputs(xml, stdout);
	else
		clo_report_findings(left);
	return xml ? CLO_EXIT_OK : CLO_EXIT_REFUSED;
}

const struct clo_command clo_command_define = {
	.name = "define",
	.operand = "WORKLOAD",
	.summary = "print the XML of a workload's new domain",
	.details =
		"WORKLOAD is its name in the policy, or TENANT/ENV/WORKLOAD. "
		"Prints a libvirt\ndomain that keeps to the workload's profile; "
		"--memory and --vcpus are needed,\nthe rest has defaults. To "
		"define it:\n"
		"  cloison define web-1 --memory 2048 --vcpus 2 | virsh define "
		"/dev/stdin\n"
		"Files that do not begin with / are in the workload's "
		"directory. A disk may be\nPATH,format=raw|qcow2,readonly,block; "
		"the format follows from the name, qcow2\nfor *.qcow2 and else "
		"raw. \"--disk none\" is for none.\n"
		"Exit status 3: the domain would not keep to its profile; each "
		"line says why.\n",
	.options =
		{
			[OPT_MEMORY] = {"memory", "MIB", "of the guest"},
			[OPT_VCPUS] = {"vcpus", "N", "virtual CPUs"},
			[OPT_DISK] = {"disk", "PATH[,...]",
				      "may be given again (disk.qcow2)"},
			[OPT_KERNEL] = {"kernel", "FILE",
					"boot it, without firmware"},
			[OPT_INITRD] = {"initrd", "FILE", "with --kernel"},
			[OPT_CMDLINE] = {"cmdline", "TEXT", "with --kernel"},
			[OPT_LOADER] = {"loader", "FILE",
					"firmware (libvirt's BIOS)"},
			[OPT_NVRAM] = {"nvram", "FILE",
				       "its variables (vars.fd)"},
			[OPT_NVRAM_TEMPLATE] = {"nvram-template", "F",
						"what they begin as"},
			[OPT_TPM] = {"tpm", "SOCKET",
				     "of the workload's own swtpm (no TPM)"},
			[OPT_CONSOLE] = {"console", "FILE",
					 "of the serial port (console.sock)"},
			[OPT_BRIDGE] = {"bridge", "BR",
					"of its NICs (the Node's only one)"},
			[OPT_EMULATED] = {"emulated", NULL,
					  "without KVM, by QEMU's TCG"},
		},
	.list = "disk",
	.run = run,
};
