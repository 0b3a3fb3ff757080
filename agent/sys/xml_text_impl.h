/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/sys/xml_text.h"

/* What the xml_text*.c files share. Nobody else includes this. */

/* Of a node, in its _private: where it was read, and what became of it. */
struct span {
	struct span *next; /* all of a text */
	const char *start, *end; /* NULL: it is new */
	const char *tag_end; /* of an element: behind its start tag */
	char *lead, *tail; /* white space before it, before its end tag */
	bool retag; /* the start tag changed */
	bool touched; /* that, or something in it */
};

struct clo_xml_text {
	const char *xml;
	size_t len;
	xmlDocPtr doc;
	struct span *spans;
	unsigned long edits;
	int r; /* -ENOMEM: an edit was lost */
};

/* NULL: no memory, which is noted. */
struct span *clo_xml_span_new(struct clo_xml_text *text, xmlNode *node);
/* Gives every node its place in the text. -EBADMSG: it does not fit. */
int clo_xml_spans_find(struct clo_xml_text *text);
