/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "agent/sys/xml_text_impl.h"

/*
 * libxml2 has read the text without a fault, so there is nothing but tags,
 * comments, instructions, CDATA and text, in the order of the nodes. A piece
 * that is of another type than its node is refused: never guess whose bytes
 * they are.
 */

struct piece {
	const char *start, *end;
	int type; /* of xmlElementType; 0: an end tag */
	bool empty; /* a start tag that is an end tag, too */
};

/* Behind the next `what`; NULL: none. */
static const char *behind(const char *at, const char *what)
{
	const char *found = strstr(at, what);

	return found ? found + strlen(what) : NULL;
}

/* Behind the '>' of a tag; one in quotes is none. */
static const char *behind_tag(const char *at)
{
	for (; *at && *at != '>'; at++) {
		if (*at != '\'' && *at != '"')
			continue;
		at = strchr(at + 1, *at);
		if (!at)
			return NULL;
	}
	return *at ? at + 1 : NULL;
}

static bool starts(const char *at, const char *what)
{
	return strncmp(at, what, strlen(what)) == 0;
}

static int read_piece(const char *at, struct piece *ret_piece)
{
	struct piece piece = {.start = at, .type = XML_ELEMENT_NODE};

	if (*at != '<') {
		piece.type = XML_TEXT_NODE;
		piece.end = at + strcspn(at, "<");
	} else if (starts(at, "<!--")) {
		piece.type = XML_COMMENT_NODE;
		piece.end = behind(at + 4, "-->");
	} else if (starts(at, "<![CDATA[")) {
		piece.type = XML_CDATA_SECTION_NODE;
		do /* neighbours are one node */
			at = behind(at + 9, "]]>");
		while (at && starts(at, "<![CDATA["));
		piece.end = at;
	} else if (starts(at, "<?")) {
		piece.type = XML_PI_NODE;
		piece.end = behind(at + 2, "?>");
	} else {
		if (at[1] == '/')
			piece.type = 0;
		piece.end = behind_tag(at);
	}
	if (!piece.end)
		return -EBADMSG;
	piece.empty = piece.type == XML_ELEMENT_NODE && piece.end[-2] == '/';

	*ret_piece = piece;
	return 0;
}

/* The next node in the order of the text, or the one whose end is next. */
struct cursor {
	xmlNode *
		node; /* whose start is next; NULL: none in `parent` any more */
	xmlNode *parent; /* whose end is next if node is NULL */
};

static int close_element(struct cursor *cursor, const struct piece *piece)
{
	struct span *span;

	if (cursor->node || !cursor->parent)
		return -EBADMSG;
	span = cursor->parent->_private;
	span->end = piece->end;
	cursor->node = cursor->parent->next;
	cursor->parent = cursor->parent->parent;
	return 0;
}

static int open_node(struct clo_xml_text *text, struct cursor *cursor,
		     const struct piece *piece)
{
	xmlNode *node = cursor->node;
	struct span *span;

	if (!node || (int)node->type != piece->type)
		return -EBADMSG;
	span = clo_xml_span_new(text, node);
	if (!span)
		return -ENOMEM;
	span->start = piece->start;
	span->end = span->tag_end = piece->end;
	if (piece->type != XML_ELEMENT_NODE || piece->empty) {
		if (piece->empty && node->children)
			return -EBADMSG;
		cursor->node = node->next;
		return 0;
	}
	cursor->parent = node;
	cursor->node = node->children;
	return 0;
}

/* Behind what is before the root element. */
static const char *find_root(const char *at)
{
	struct piece piece;

	if (starts(at, "\xef\xbb\xbf"))
		at += 3;
	while (*at) {
		if (read_piece(at, &piece) < 0)
			return NULL;
		if (piece.type == XML_ELEMENT_NODE)
			return at;
		at = piece.end;
	}
	return NULL;
}

int clo_xml_spans_find(struct clo_xml_text *text)
{
	xmlNode *root = clo_xml_text_root(text);
	struct cursor cursor = {.node = root};
	const char *at = find_root(text->xml);
	const struct span *span;
	struct piece piece;
	int r;

	do {
		r = at && root ? read_piece(at, &piece) : -EBADMSG;
		if (r == 0)
			r = piece.type == 0 ? close_element(&cursor, &piece)
					    : open_node(text, &cursor, &piece);
		if (r < 0)
			return r;
		at = piece.end;
		span = root->_private;
	} while (cursor.parent && cursor.parent->type == XML_ELEMENT_NODE);

	return span && span->end == at ? 0 : -EBADMSG;
}

int clo_xml_text_new(const char *xml, size_t len,
		     struct clo_xml_text **ret_text)
{
	CLO_AUTO(clo_xml_text) struct clo_xml_text *text = NULL;
	const char *encoding;
	int r;

	text = calloc(1, sizeof(*text));
	if (!text)
		return -ENOMEM;
	text->xml = xml;
	text->len = len;
	r = clo_xml_read(xml, len, &text->doc);
	if (r < 0)
		return r;
	encoding = (const char *)text->doc->encoding;
	if (encoding && strcasecmp(encoding, "UTF-8") != 0)
		return -EBADMSG;
	r = clo_xml_spans_find(text);
	if (r < 0)
		return r;

	*ret_text = CLO_TAKE(text);
	return 0;
}
