/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

/* XML that others wrote, read without entities, files and network. */

#define CLO_XML_MAX (4U << 20) /* bytes of one document */
/* Of <cloison:workload name="..."/> in a domain's metadata. */
#define CLO_XML_NAMESPACE "urn:cloison:workload:v1"

void clo_xml_doc_freep(xmlDocPtr *doc);
void clo_xml_freep(xmlChar **text);
#define CLO_AUTO_XML_DOC __attribute__((cleanup(clo_xml_doc_freep)))
#define CLO_AUTO_XML __attribute__((cleanup(clo_xml_freep)))

/* -E2BIG, -EBADMSG: no XML, or with a DTD; -ENOMEM. */
int clo_xml_read(const char *xml, size_t len, xmlDocPtr *ret_doc);
bool clo_xml_is(const xmlNode *node, const char *name); /* that element */
/* The first such element in `parent`, which may be NULL; NULL: none. */
xmlNode *clo_xml_child(const xmlNode *parent, const char *name);
/* NULL: none, or node is NULL. The caller frees. */
xmlChar *clo_xml_attribute(const xmlNode *node, const char *name);
