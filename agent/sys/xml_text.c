/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/xml_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/sys/xml_text_impl.h"

static void print_node(FILE *out, const xmlNode *node);

static void escape(FILE *out, const xmlChar *value, bool attribute)
{
	for (const char *at = (const char *)value; at && *at; at++) {
		if (*at == '<')
			(void)fputs("&lt;", out);
		else if (*at == '>')
			(void)fputs("&gt;", out);
		else if (*at == '&')
			(void)fputs("&amp;", out);
		else if (*at == '\'' && attribute)
			(void)fputs("&apos;", out);
		else if (*at == '\r' ||
			 (attribute && (*at == '\n' || *at == '\t')))
			(void)fprintf(out, "&#%d;", *at);
		else
			(void)fputc(*at, out);
	}
}

static void print_name(FILE *out, const xmlNs *ns, const xmlChar *name)
{
	if (ns && ns->prefix)
		(void)fprintf(out, "%s:", ns->prefix);
	(void)fputs((const char *)name, out);
}

/* Without its end. */
static void print_tag(FILE *out, const xmlNode *node)
{
	(void)fputc('<', out);
	print_name(out, node->ns, node->name);
	for (const xmlNs *ns = node->nsDef; ns; ns = ns->next) {
		(void)fprintf(out, ns->prefix ? " xmlns:%s='" : " xmlns%s='",
			      ns->prefix ? (const char *)ns->prefix : "");
		escape(out, ns->href, true);
		(void)fputc('\'', out);
	}
	for (xmlAttr *attr = node->properties; attr; attr = attr->next) {
		CLO_AUTO_XML xmlChar *value =
			xmlNodeListGetString(node->doc, attr->children, 1);

		(void)fputc(' ', out);
		print_name(out, attr->ns, attr->name);
		(void)fputs("='", out);
		escape(out, value, true);
		(void)fputc('\'', out);
	}
}

/* The start tag as it was, but open or empty as it is now. */
static void print_old_tag(FILE *out, const struct span *span)
{
	size_t len = (size_t)(span->tag_end - span->start) - 1;

	if (span->start[len - 1] == '/')
		len--;
	(void)fwrite(span->start, 1, len, out);
}

static void print_element(FILE *out, const xmlNode *node)
{
	const struct span *span = node->_private;

	if (span && span->lead)
		(void)fputs(span->lead, out);
	if (span && span->start && !span->retag)
		print_old_tag(out, span);
	else
		print_tag(out, node);
	if (!node->children) {
		(void)fputs("/>", out);
		return;
	}
	(void)fputc('>', out);
	for (const xmlNode *inner = node->children; inner; inner = inner->next)
		print_node(out, inner);
	if (span && span->tail)
		(void)fputs(span->tail, out);
	(void)fputs("</", out);
	print_name(out, node->ns, node->name);
	(void)fputc('>', out);
}

static void print_node(FILE *out, const xmlNode *node)
{
	const struct span *span = node->_private;

	if (span && span->start && !span->touched)
		(void)fwrite(span->start, 1, (size_t)(span->end - span->start),
			     out);
	else if (node->type == XML_ELEMENT_NODE)
		print_element(out, node);
	else
		escape(out, node->content, false);
}

int clo_xml_text_print(const struct clo_xml_text *text, char **ret_xml)
{
	const xmlNode *root = clo_xml_text_root(text);
	const struct span *span = root->_private;
	char *xml = NULL;
	size_t size = 0;
	FILE *out;
	bool failed;

	if (text->r < 0)
		return text->r;
	out = open_memstream(&xml, &size);
	if (!out)
		return -ENOMEM;
	(void)fwrite(text->xml, 1, (size_t)(span->start - text->xml), out);
	print_node(out, root);
	(void)fwrite(span->end, 1, text->len - (size_t)(span->end - text->xml),
		     out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(xml);
		return -ENOMEM;
	}

	*ret_xml = xml;
	return 0;
}

xmlNode *clo_xml_text_root(const struct clo_xml_text *text)
{
	return xmlDocGetRootElement(text->doc);
}

unsigned long clo_xml_text_edits(const struct clo_xml_text *text)
{
	return text->edits;
}

void clo_xml_text_free(struct clo_xml_text *text)
{
	if (!text)
		return;

	xmlFreeDoc(text->doc);
	while (text->spans) {
		struct span *span = text->spans;

		text->spans = span->next;
		free(span->lead);
		free(span->tail);
		free(span);
	}
	free(text);
}
