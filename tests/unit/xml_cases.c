/* SPDX-License-Identifier: Apache-2.0 */
#include "xml_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* The forms are libvirt 9.0's own words about one domain. */
const char *const xml_lab_forms[] = {
	"lab-minimal.xml", /* as an operator writes it */
	"lab-inactive.xml", /* dumpxml, defined */
	"lab-prepare.xml", /* what the hook gets before the start */
	"lab-live.xml", /* dumpxml, running; what the hook gets after it */
	"lab-restore.xml", /* what the hook gets before a restore */
	NULL,
};

const struct xml_mutation xml_mutations[] = {
#include "xml_mutations.inc"
};
const size_t n_xml_mutations = CLO_ARRAY_LEN(xml_mutations);

char *xml_file(const char *name)
{
	char path[512];
	char *text = calloc(1, 65536);
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/data/xml/%s",
		       CLO_SOURCE_DIR, name);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	(void)fclose(file);
	return text;
}

char *xml_change(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	size_t size = strlen(text) + strlen(to) + 1;
	char *changed = malloc(size);

	if (!at)
		fail_msg("the good one has no %s", from);
	assert_non_null(changed);
	(void)snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, to,
		       at + strlen(from));
	return changed;
}

void xml_print(const struct clo_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		print_error("[%s] %s: %s\n", findings->list[i].control,
			    findings->list[i].where, findings->list[i].text);
}
