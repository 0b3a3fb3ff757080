/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <netinet/ether.h>
#include <openssl/evp.h>
#include <string.h>

#include "agent/sys/virt_impl.h"

#define XML_MAX (4U << 20)
#define NICS_MAX 1024U
#define NAME_MAX_LEN 255U

static void doc_freep(xmlDocPtr *doc)
{
	xmlFreeDoc(*doc);
}

static void ctxt_freep(xmlParserCtxtPtr *ctxt)
{
	xmlFreeParserCtxt(*ctxt);
}

static void text_freep(xmlChar **text)
{
	xmlFree(*text);
}

#define AUTO_TEXT __attribute__((cleanup(text_freep)))

void clo_virt_domain_done(struct clo_virt_domain *domain)
{
	free(domain->name);
	free(domain->workload);
	free(domain->xml);
	free(domain->nics);
	*domain = (struct clo_virt_domain){0};
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

static int read_doc(const char *xml, size_t len, xmlDocPtr *ret_doc)
{
	__attribute__((cleanup(ctxt_freep))) xmlParserCtxtPtr ctxt = NULL;
	xmlDocPtr doc;

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

static bool is_element(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE &&
	       strcmp((const char *)node->name, name) == 0;
}

static xmlNode *child(const xmlNode *parent, const char *name)
{
	for (xmlNode *node = parent ? parent->children : NULL; node;
	     node = node->next)
		if (is_element(node, name))
			return node;

	return NULL;
}

static xmlChar *attribute(const xmlNode *node, const char *name)
{
	return node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
}

/* Text that must fit; `text` may be NULL if `optional`. */
static int copy(const xmlChar *text, bool optional, char *to, size_t size)
{
	size_t len;

	if (!text)
		return optional ? 0 : -EBADMSG;
	len = strlen((const char *)text);
	if (len >= size)
		return -EBADMSG;

	memcpy(to, text, len + 1);
	return 0;
}

static int duplicate(const xmlChar *text, char **ret_copy)
{
	size_t len = text ? strlen((const char *)text) : 0;
	char *made;

	if (len == 0 || len > NAME_MAX_LEN)
		return -EBADMSG;
	made = strdup((const char *)text);
	if (!made)
		return -ENOMEM;

	*ret_copy = made;
	return 0;
}

static int parse_mac(const xmlNode *nic, uint8_t ret_mac[6])
{
	AUTO_TEXT xmlChar *text = attribute(child(nic, "mac"), "address");
	struct ether_addr mac;

	if (!text || strlen((const char *)text) != 17)
		return -EBADMSG;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit(text[i]))
			return -EBADMSG;
	if (!ether_aton_r((const char *)text, &mac))
		return -EBADMSG;

	memcpy(ret_mac, mac.ether_addr_octet, 6);
	return 0;
}

static int parse_nic(const xmlNode *node, struct clo_virt_nic *nic)
{
	AUTO_TEXT xmlChar *device = attribute(child(node, "target"), "dev");
	AUTO_TEXT xmlChar *source = attribute(child(node, "source"), "bridge");
	AUTO_TEXT xmlChar *type = attribute(node, "type");
	int r;

	r = parse_mac(node, nic->mac);
	if (r < 0)
		return r;
	r = copy(type, false, nic->type, sizeof(nic->type));
	if (r < 0)
		return r;
	r = copy(device, true, nic->device, sizeof(nic->device));
	if (r < 0)
		return r;

	return copy(source, true, nic->source, sizeof(nic->source));
}

static int parse_nics(const xmlNode *root, struct clo_virt_domain *domain)
{
	const xmlNode *devices = child(root, "devices");
	const xmlNode *node;
	size_t n = 0;
	int r;

	for (node = devices ? devices->children : NULL; node; node = node->next)
		n += is_element(node, "interface");
	if (n == 0)
		return 0;
	if (n > NICS_MAX)
		return -E2BIG;
	domain->nics = calloc(n, sizeof(*domain->nics));
	if (!domain->nics)
		return -ENOMEM;
	for (node = devices->children; node; node = node->next) {
		if (!is_element(node, "interface"))
			continue;
		r = parse_nic(node, &domain->nics[domain->n_nics]);
		if (r < 0)
			return r;
		domain->n_nics++;
	}

	return 0;
}

static bool is_label(const xmlNode *node)
{
	return is_element(node, "workload") && node->ns && node->ns->href &&
	       strcmp((const char *)node->ns->href, CLO_VIRT_NAMESPACE) == 0;
}

/* A label that is not exactly one name is no label but a fault. */
static int parse_label(const xmlNode *root, struct clo_virt_domain *domain)
{
	const xmlNode *metadata = child(root, "metadata");

	for (const xmlNode *node = metadata ? metadata->children : NULL; node;
	     node = node->next) {
		AUTO_TEXT xmlChar *name = NULL;
		int r;

		if (!is_label(node))
			continue;
		if (domain->workload)
			return -EBADMSG;
		name = attribute(node, "name");
		r = duplicate(name, &domain->workload);
		if (r < 0)
			return r;
	}

	return 0;
}

static int parse_uuid(const xmlNode *root, char ret_uuid[37])
{
	AUTO_TEXT xmlChar *text = NULL;
	const xmlNode *node = child(root, "uuid");

	text = node ? xmlNodeGetContent(node) : NULL;
	if (!text || strlen((const char *)text) != 36)
		return -EBADMSG;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit(text[i]))
			return -EBADMSG;
	}

	memcpy(ret_uuid, text, 37);
	return 0;
}

/* -1: not running. */
static int parse_id(const xmlNode *root, int *ret_id)
{
	AUTO_TEXT xmlChar *text = attribute(root, "id");
	char *end;
	long id;

	if (!text) {
		*ret_id = -1;
		return 0;
	}
	if (!isdigit(text[0]))
		return -EBADMSG;
	errno = 0;
	id = strtol((const char *)text, &end, 10);
	if (errno || *end || id > INT_MAX)
		return -EBADMSG;

	*ret_id = (int)id;
	return 0;
}

static int parse_root(const xmlNode *root, struct clo_virt_domain *domain)
{
	AUTO_TEXT xmlChar *name = NULL;
	const xmlNode *node;
	int r;

	if (!root || !is_element(root, "domain"))
		return -EBADMSG;
	node = child(root, "name");
	name = node ? xmlNodeGetContent(node) : NULL;
	r = duplicate(name, &domain->name);
	if (r < 0)
		return r;
	r = parse_uuid(root, domain->uuid);
	if (r < 0)
		return r;
	r = parse_id(root, &domain->id);
	if (r < 0)
		return r;
	r = parse_label(root, domain);
	if (r < 0)
		return r;

	return parse_nics(root, domain);
}

int clo_virt_parse(const char *xml, struct clo_virt_domain *ret_domain)
{
	__attribute__((cleanup(doc_freep))) xmlDocPtr doc = NULL;
	struct clo_virt_domain domain = {0};
	size_t len = strnlen(xml, XML_MAX + 1);
	int r;

	if (len > XML_MAX)
		return -E2BIG;
	r = read_doc(xml, len, &doc);
	if (r < 0)
		return r;
	r = parse_root(xmlDocGetRootElement(doc), &domain);
	if (r == 0 && EVP_Digest(xml, len, domain.xml_digest, NULL,
				 EVP_sha256(), NULL) != 1)
		r = -EIO;
	if (r < 0) {
		clo_virt_domain_done(&domain);
		return r;
	}

	*ret_domain = domain;
	return 0;
}
