/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/finding.h"
#include "agent/guard/profile.h"
#include "xml_profile.h"

/* Domains for the tests of xml_*.c, and what is wrong with them. */

/* Each breaks one line of the profile, and gets one reason. */
struct xml_mutation {
	const char *from, *to; /* in good.xml, the first one */
	const char *control, *where, *text;
};

extern const struct xml_mutation xml_mutations[];
extern const size_t n_xml_mutations;
extern const char *const xml_lab_forms[]; /* files; NULL ends it */

/* A file of tests/data/xml; the caller frees. */
char *xml_file(const char *name);
/* `text` with its first `from` replaced; the caller frees. */
char *xml_change(const char *text, const char *from, const char *to);
void xml_print(const struct clo_findings *findings);
