/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/ether.h>
#include <openssl/evp.h>
#include <string.h>

#include "agent/sys/virt_impl.h"
#include "agent/sys/xml.h"

#define NICS_MAX 1024U
#define NAME_MAX_LEN 255U

void clo_virt_domain_done(struct clo_virt_domain *domain)
{
	free(domain->name);
	free(domain->workload);
	free(domain->xml);
	free(domain->nics);
	*domain = (struct clo_virt_domain){0};
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
	CLO_AUTO_XML xmlChar *text =
		clo_xml_attribute(clo_xml_child(nic, "mac"), "address");
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
	CLO_AUTO_XML xmlChar *device =
		clo_xml_attribute(clo_xml_child(node, "target"), "dev");
	CLO_AUTO_XML xmlChar *source =
		clo_xml_attribute(clo_xml_child(node, "source"), "bridge");
	CLO_AUTO_XML xmlChar *type = clo_xml_attribute(node, "type");
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
	const xmlNode *devices = clo_xml_child(root, "devices");
	const xmlNode *node;
	size_t n = 0;
	int r;

	for (node = devices ? devices->children : NULL; node; node = node->next)
		n += clo_xml_is(node, "interface");
	if (n == 0)
		return 0;
	if (n > NICS_MAX)
		return -E2BIG;
	domain->nics = calloc(n, sizeof(*domain->nics));
	if (!domain->nics)
		return -ENOMEM;
	for (node = devices->children; node; node = node->next) {
		if (!clo_xml_is(node, "interface"))
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
	return clo_xml_is(node, "workload") && node->ns && node->ns->href &&
	       strcmp((const char *)node->ns->href, CLO_XML_NAMESPACE) == 0;
}

/* A label that is not exactly one name is no label but a fault. */
static int parse_label(const xmlNode *root, struct clo_virt_domain *domain)
{
	const xmlNode *metadata = clo_xml_child(root, "metadata");

	for (const xmlNode *node = metadata ? metadata->children : NULL; node;
	     node = node->next) {
		CLO_AUTO_XML xmlChar *name = NULL;
		int r;

		if (!is_label(node))
			continue;
		if (domain->workload)
			return -EBADMSG;
		name = clo_xml_attribute(node, "name");
		r = duplicate(name, &domain->workload);
		if (r < 0)
			return r;
	}

	return 0;
}

static int parse_uuid(const xmlNode *root, char ret_uuid[37])
{
	CLO_AUTO_XML xmlChar *text = NULL;
	const xmlNode *node = clo_xml_child(root, "uuid");

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
	CLO_AUTO_XML xmlChar *text = clo_xml_attribute(root, "id");
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
	CLO_AUTO_XML xmlChar *name = NULL;
	const xmlNode *node;
	int r;

	if (!root || !clo_xml_is(root, "domain"))
		return -EBADMSG;
	node = clo_xml_child(root, "name");
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
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	struct clo_virt_domain domain = {0};
	size_t len = strnlen(xml, CLO_XML_MAX + 1);
	int r;

	r = clo_xml_read(xml, len, &doc);
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
