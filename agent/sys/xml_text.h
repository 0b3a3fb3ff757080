/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/base/auto.h"
#include "agent/sys/xml.h"

/*
 * A document to be edited that stays the author's: what no edit touches is
 * printed byte for byte as it was read. New elements are indented as their
 * neighbours are.
 *
 * Edits cannot fail where they stand: that memory ran out is told by print.
 * An edit that changes nothing is none.
 */
struct clo_xml_text;

/* Borrows `xml`. Errors of clo_xml_read(), and -EBADMSG for another encoding
 * than UTF-8. */
int clo_xml_text_new(const char *xml, size_t len,
		     struct clo_xml_text **ret_text);
void clo_xml_text_free(struct clo_xml_text *text);
CLO_DEFINE_FREEP(clo_xml_text)

xmlNode *clo_xml_text_root(const struct clo_xml_text *text);
/* 0 or -ENOMEM. */
int clo_xml_text_print(const struct clo_xml_text *text, char **ret_xml);

/* How many edits changed something. */
unsigned long clo_xml_text_edits(const struct clo_xml_text *text);

/* Attributes without a namespace; the text of an element. */
void clo_xml_set(struct clo_xml_text *text, xmlNode *node, const char *name,
		 const char *value);
void clo_xml_unset(struct clo_xml_text *text, xmlNode *node, const char *name);
void clo_xml_set_text(struct clo_xml_text *text, xmlNode *node,
		      const char *value);
/* A new last element in `parent`; NULL, which all edits take: no memory. */
xmlNode *clo_xml_add(struct clo_xml_text *text, xmlNode *parent,
		     const char *name);
/* The first such element in `parent`, or a new one. */
xmlNode *clo_xml_need(struct clo_xml_text *text, xmlNode *parent,
		      const char *name);
/* With the white space before it. Frees the node. */
void clo_xml_remove(struct clo_xml_text *text, xmlNode *node);
/* All that is in it. */
void clo_xml_clear(struct clo_xml_text *text, xmlNode *node);
