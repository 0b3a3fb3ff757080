/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/xml_check.h"
#include "agent/guard/xml_define.h"
#include "agent/guard/xml_harden.h"
#include "xml_profile.h"

/*
 * The functions over a domain's XML, for scripts, about one profile.
 * usage: profile_xml check|harden <XML       1: there are findings (stderr)
 *        profile_xml define kvm|qemu
 */

static int tell(const struct clo_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		(void)fprintf(stderr, "%s: %s\n", findings->list[i].where,
			      findings->list[i].text);
	return findings->n > 0;
}

static int define(const char *kind)
{
	static const struct clo_xml_image disks[] = {
		{.path = XML_LAB_HOME "/disk.qcow2", .format = "qcow2"},
		{.path = "/run/lab/bases/base",
		 .format = "raw",
		 .read_only = true},
	};
	const struct clo_xml_shape shape = {
		.emulated = strcmp(kind, "qemu") == 0,
		.memory = 96,
		.vcpus = 1,
		.disks = disks,
		.n_disks = CLO_ARRAY_LEN(disks),
		.kernel = XML_LAB_HOME "/vmlinuz",
		.initrd = XML_LAB_HOME "/initrd",
		.cmdline = "console=ttyS0 quiet panic=-1",
		.console = XML_LAB_HOME "/console",
	};
	struct clo_findings findings = {0};
	char *xml = NULL;
	int r = clo_xml_define(&xml_lab_profile, &shape, &findings, &xml);

	if (r == 0)
		(void)fputs(xml, stdout);
	r = tell(&findings) || r < 0;
	clo_findings_done(&findings);
	free(xml);
	return r;
}

int main(int argc, char **argv)
{
	static char text[1 << 20];
	struct clo_findings findings = {0};
	char *hardened = NULL;
	int r;

	if (argc == 3 && strcmp(argv[1], "define") == 0)
		return define(argv[2]);
	if (argc != 2)
		return 2;
	text[fread(text, 1, sizeof(text) - 1, stdin)] = '\0';
	if (strcmp(argv[1], "harden") == 0) {
		if (clo_xml_harden(text, &xml_lab_profile, &hardened) < 0)
			return 3;
		(void)fputs(hardened, stdout);
	}
	if (clo_xml_check(hardened ? hardened : text, &xml_lab_profile,
			  &findings) < 0)
		return 3;
	r = tell(&findings);
	clo_findings_done(&findings);
	free(hardened);
	return r;
}
