/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <string.h>

static void ctxt_freep(xmlParserCtxtPtr *ctxt)
{
	xmlFreeParserCtxt(*ctxt);
}

void clo_xml_doc_freep(xmlDocPtr *doc)
{
	xmlFreeDoc(*doc);
}

void clo_xml_freep(xmlChar **text)
{
	xmlFree(*text);
}

/* libvirt writes no DTD, and a DTD is where entities come from. */
static void refuse_dtd(void *arg, const xmlChar *name, const xmlChar *external,
		       const xmlChar *system)
{
	xmlParserCtxtPtr ctxt = arg;

	(void)name;
	(void)external;
	(void)system;
	xmlStopParser(ctxt);
}

int clo_xml_read(const char *xml, size_t len, xmlDocPtr *ret_doc)
{
	__attribute__((cleanup(ctxt_freep))) xmlParserCtxtPtr ctxt = NULL;
	xmlDocPtr doc;

	if (len > CLO_XML_MAX)
		return -E2BIG;
	ctxt = xmlNewParserCtxt();
	if (!ctxt)
		return -ENOMEM;
	ctxt->sax->internalSubset = refuse_dtd;
	ctxt->sax->externalSubset = refuse_dtd;
	doc = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR |
					XML_PARSE_NOWARNING);
	if (!doc)
		return -EBADMSG;

	*ret_doc = doc;
	return 0;
}

bool clo_xml_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE &&
	       strcmp((const char *)node->name, name) == 0;
}

xmlNode *clo_xml_child(const xmlNode *parent, const char *name)
{
	for (xmlNode *node = parent ? parent->children : NULL; node;
	     node = node->next)
		if (clo_xml_is(node, name))
			return node;

	return NULL;
}

xmlChar *clo_xml_attribute(const xmlNode *node, const char *name)
{
	return node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
}
