/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/sys/xml_text_impl.h"

#define STEP "  " /* of indentation */

struct span *clo_xml_span_new(struct clo_xml_text *text, xmlNode *node)
{
	struct span *span = calloc(1, sizeof(*span));

	if (!span) {
		text->r = -ENOMEM;
		return NULL;
	}
	span->next = text->spans;
	text->spans = span;
	node->_private = span;
	return span;
}

/* It and all around it is not what was read any more. */
static void touch(struct clo_xml_text *text, xmlNode *node, bool retag)
{
	text->edits++;
	if (retag && node->_private)
		((struct span *)node->_private)->retag = true;
	for (; node && node->type == XML_ELEMENT_NODE; node = node->parent)
		if (node->_private)
			((struct span *)node->_private)->touched = true;
}

void clo_xml_set(struct clo_xml_text *text, xmlNode *node, const char *name,
		 const char *value)
{
	CLO_AUTO_XML xmlChar *old = clo_xml_attribute(node, name);

	if (!node || (old && strcmp((const char *)old, value) == 0))
		return;
	if (!xmlSetNsProp(node, NULL, (const xmlChar *)name,
			  (const xmlChar *)value))
		text->r = -ENOMEM;
	touch(text, node, true);
}

void clo_xml_unset(struct clo_xml_text *text, xmlNode *node, const char *name)
{
	xmlAttr *attr =
		node ? xmlHasNsProp(node, (const xmlChar *)name, NULL) : NULL;

	if (!attr)
		return;
	(void)xmlRemoveProp(attr);
	touch(text, node, true);
}

static void drop(xmlNode *node)
{
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}

void clo_xml_clear(struct clo_xml_text *text, xmlNode *node)
{
	if (!node || !node->children)
		return;
	while (node->children)
		drop(node->children);
	touch(text, node, false);
}

void clo_xml_set_text(struct clo_xml_text *text, xmlNode *node,
		      const char *value)
{
	CLO_AUTO_XML xmlChar *old = node ? xmlNodeGetContent(node) : NULL;
	xmlNode *inner;

	if (!node || (old && strcmp((const char *)old, value) == 0 &&
		      !xmlFirstElementChild(node)))
		return;
	clo_xml_clear(text, node);
	inner = xmlNewDocText(text->doc, (const xmlChar *)value);
	if (inner)
		(void)xmlAddChild(node, inner);
	else
		text->r = -ENOMEM;
	touch(text, node, false);
}

/* The white space before a node, if it begins a line; else NULL. */
static const char *lead_of(const xmlNode *node)
{
	const struct span *span = node->_private;
	const xmlNode *before = node->prev;
	const char *line;

	if (span && span->lead)
		return span->lead;
	if (!before || before->type != XML_TEXT_NODE || !before->content)
		return NULL;
	line = strrchr((const char *)before->content, '\n');
	return line && line[1 + strspn(line + 1, " \t")] == '\0' ? line : NULL;
}

static char *copy(struct clo_xml_text *text, const char *lead, const char *more)
{
	char *made = NULL;

	if (asprintf(&made, "%s%s", lead, more) < 0) {
		text->r = -ENOMEM;
		return NULL;
	}
	return made;
}

/* A line of its own where the neighbours have one, or the parent has. */
static void indent(struct clo_xml_text *text, xmlNode *parent,
		   struct span *span)
{
	const xmlNode *first = xmlFirstElementChild(parent);
	struct span *outer = parent->_private;
	const char *lead;

	if (first) {
		lead = lead_of(first);
		if (lead)
			span->lead = copy(text, lead, "");
		return;
	}
	lead = lead_of(parent);
	if (!lead && parent->parent->type != XML_ELEMENT_NODE)
		lead = "\n";
	if (!lead)
		return;
	span->lead = copy(text, lead, STEP);
	if (outer && !outer->tail)
		outer->tail = copy(text, lead, "");
}

static bool is_blank(const xmlNode *node)
{
	return node && node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

xmlNode *clo_xml_add(struct clo_xml_text *text, xmlNode *parent,
		     const char *name)
{
	xmlNode *node;
	struct span *span;

	if (!parent)
		return NULL;
	if (!xmlFirstElementChild(parent) && is_blank(parent->children))
		clo_xml_clear(text, parent);
	node = xmlNewDocNode(text->doc, NULL, (const xmlChar *)name, NULL);
	span = node ? clo_xml_span_new(text, node) : NULL;
	if (!span) {
		text->r = -ENOMEM;
		xmlFreeNode(node);
		return NULL;
	}
	span->touched = true;
	indent(text, parent, span);
	if (is_blank(parent->last))
		(void)xmlAddPrevSibling(parent->last, node);
	else
		(void)xmlAddChild(parent, node);
	touch(text, parent, false);
	return node;
}

xmlNode *clo_xml_need(struct clo_xml_text *text, xmlNode *parent,
		      const char *name)
{
	xmlNode *node = parent ? clo_xml_child(parent, name) : NULL;

	return node ? node : clo_xml_add(text, parent, name);
}

void clo_xml_remove(struct clo_xml_text *text, xmlNode *node)
{
	if (!node)
		return;
	touch(text, node->parent, false);
	if (is_blank(node->prev))
		drop(node->prev);
	drop(node);
}
