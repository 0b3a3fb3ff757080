/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_harden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/xml_mend.h"

#define DEPTH_MAX 16
#define PASSES_MAX 8 /* one, mostly: a repair may lay open another one */

/* Where what is not in the profile stays: with it something would be lost. */
static const char *const kept[] = {
	"domain/devices/disk/", /* how its bytes are read */
	"domain/devices/filesystem", "domain/devices/hostdev",
	"domain/devices/memory",     "domain/devices/tpm",
	"domain/launchSecurity", /* the tenant's protection from the node */
	"domain/maxMemory",          "domain/os/", /* how it boots */
};

static bool is_kept(const char *place)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(kept); i++)
		if (strncmp(place, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

void clo_xml_mend_limit(struct clo_xml_mend *mend, xmlNode *parent,
			const char *name, const char *value)
{
	if (parent && !clo_xml_limits(parent, name))
		clo_xml_set_text(mend->text,
				 clo_xml_need(mend->text, parent, name), value);
}

static bool mend_crash(struct clo_xml_mend *mend, xmlNode *node)
{
	if (clo_xml_says(node, NULL, "coredump-restart"))
		clo_xml_set_text(mend->text, node, "restart");
	else if (clo_xml_says(node, NULL, "coredump-destroy"))
		clo_xml_set_text(mend->text, node, "destroy");
	return true;
}

static bool mend_memory_source(struct clo_xml_mend *mend, xmlNode *node)
{
	if (clo_xml_says(node, "type", "anonymous") ||
	    clo_xml_says(node, "type", "memfd"))
		return true;
	clo_xml_remove(mend->text, node);
	return false;
}

static bool mend_memory_access(struct clo_xml_mend *mend, xmlNode *node)
{
	clo_xml_set(mend->text, node, "mode", "private");
	return true;
}

static bool mend_cell(struct clo_xml_mend *mend, xmlNode *node)
{
	CLO_AUTO_XML xmlChar *access = clo_xml_attribute(node, "memAccess");

	if (access)
		clo_xml_set(mend->text, node, "memAccess", "private");
	return true;
}

static bool mend_sysinfo(struct clo_xml_mend *mend, xmlNode *node)
{
	if (clo_xml_says(node, "type", "smbios"))
		return true;
	clo_xml_remove(mend->text, node);
	return false;
}

static bool mend_loader(struct clo_xml_mend *mend, xmlNode *node)
{
	CLO_AUTO_XML xmlChar *path = xmlNodeGetContent(node);

	if (path && (clo_xml_below((const char *)path, "/usr/share") ||
		     clo_xml_in_bases(mend->profile, (const char *)path)))
		clo_xml_set(mend->text, node, "readonly", "yes");
	return true;
}

/* The first label of DAC is made right, there is no second one. */
static bool mend_label(struct clo_xml_mend *mend, xmlNode *node)
{
	bool dac = clo_xml_says(node, "model", "dac");
	char label[32];

	for (const xmlNode *other = node->prev; dac && other;
	     other = other->prev)
		if (clo_xml_is(other, "seclabel") &&
		    clo_xml_says(other, "model", "dac")) {
			clo_xml_remove(mend->text, node);
			return false;
		}
	if (!dac && clo_xml_says(node, "type", "none")) {
		clo_xml_remove(mend->text, node);
		return false;
	}
	(void)snprintf(label, sizeof(label), "+%u:+%u", mend->profile->uid,
		       mend->profile->gid);
	if (!dac || (clo_xml_says(node, "type", "static") &&
		     clo_xml_child_says(node, "label", NULL, label)))
		return true;
	clo_xml_set(mend->text, node, "type", "static");
	clo_xml_set(mend->text, node, "relabel", "yes");
	clo_xml_clear(mend->text, node);
	clo_xml_set_text(mend->text, clo_xml_add(mend->text, node, "label"),
			 label);
	return true;
}

static bool repair(struct clo_xml_mend *mend, xmlNode *node, const char *place)
{
	static const struct {
		const char *place;
		bool (*mend)(struct clo_xml_mend *mend, xmlNode *node);
	} mends[] = {
		{"domain/on_crash", mend_crash},
		{"domain/memoryBacking/source", mend_memory_source},
		{"domain/memoryBacking/access", mend_memory_access},
		{"domain/cpu/numa/cell", mend_cell},
		{"domain/sysinfo", mend_sysinfo},
		{"domain/os/loader", mend_loader},
		{"domain/seclabel", mend_label},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(mends); i++)
		if (strcmp(mends[i].place, place) == 0)
			return mends[i].mend(mend, node);
	return clo_xml_mend_device(mend, node, place);
}

static void walk(struct clo_xml_mend *mend, xmlNode *parent, const char *place,
		 unsigned int depth)
{
	xmlNode *next;

	for (xmlNode *node = xmlFirstElementChild(parent); node; node = next) {
		enum clo_xml_verdict verdict;
		char inner[CLO_XML_PATH_MAX];
		int n;

		next = xmlNextElementSibling(node);
		n = snprintf(inner, sizeof(inner), "%s/%s", place, node->name);
		if (n < 0 || (size_t)n >= sizeof(inner) || depth > DEPTH_MAX)
			continue;
		verdict = clo_xml_judge(mend->profile, node, inner);
		if (verdict == CLO_XML_REFUSED && is_kept(inner))
			continue;
		if (verdict == CLO_XML_REFUSED)
			clo_xml_remove(mend->text, node);
		else if (repair(mend, node, inner) && verdict != CLO_XML_WHOLE)
			walk(mend, node, inner, depth + 1);
	}
}

/* In KiB; 0: libvirt would not understand it either. */
static unsigned long long size_of(const xmlNode *node)
{
	static const struct {
		const char *unit;
		unsigned long long bytes;
	} units[] = {
		{"b", 1},
		{"bytes", 1},
		{"KB", 1000},
		{"k", 1ULL << 10},
		{"KiB", 1ULL << 10},
		{"MB", 1000000},
		{"M", 1ULL << 20},
		{"MiB", 1ULL << 20},
		{"GB", 1000000000},
		{"G", 1ULL << 30},
		{"GiB", 1ULL << 30},
		{"T", 1ULL << 40},
		{"TiB", 1ULL << 40},
	};

	CLO_AUTO_XML xmlChar *unit = clo_xml_attribute(node, "unit");
	CLO_AUTO_XML xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
	unsigned long long n, size;

	if (!text || strlen((const char *)text) > 12)
		return 0;
	n = strtoull((const char *)text, NULL, 10);
	for (size_t i = 0; i < CLO_ARRAY_LEN(units); i++)
		if (strcmp(unit ? (const char *)unit : "KiB", units[i].unit) ==
			    0 &&
		    !__builtin_mul_overflow(n, units[i].bytes, &size))
			return size >> 10;
	return 0;
}

static void limit_memory(struct clo_xml_mend *mend, xmlNode *root)
{
	const xmlNode *most = clo_xml_child(root, "maxMemory");
	unsigned long long size =
		size_of(most ? most : clo_xml_child(root, "memory"));
	xmlNode *tune = clo_xml_child(root, "memtune");
	char limit[24];

	if (clo_xml_limits(tune, "hard_limit") || size == 0 ||
	    size > 1ULL << 40)
		return;
	(void)snprintf(limit, sizeof(limit), "%llu",
		       size + size / 4 + CLO_XML_OVERHEAD);
	tune = clo_xml_need(mend->text, root, "memtune");
	tune = clo_xml_need(mend->text, tune, "hard_limit");
	clo_xml_set(mend->text, tune, "unit", "KiB");
	clo_xml_set_text(mend->text, tune, limit);
}

static void add_label(struct clo_xml_mend *mend, xmlNode *root)
{
	xmlNode *node;

	for (node = root->children; node; node = node->next)
		if (clo_xml_is(node, "seclabel") &&
		    clo_xml_says(node, "model", "dac"))
			return;
	node = clo_xml_add(mend->text, root, "seclabel");
	clo_xml_set(mend->text, node, "type", "static");
	clo_xml_set(mend->text, node, "model", "dac");
	if (node)
		(void)mend_label(mend, node);
}

static void complete(struct clo_xml_mend *mend, xmlNode *root)
{
	const struct clo_profile *profile = mend->profile;
	struct clo_xml_text *text = mend->text;
	xmlNode *cpu = clo_xml_child(root, "cputune");
	xmlNode *node;

	clo_xml_set(text, clo_xml_child(root, "memory"), "dumpCore", "off");
	node = clo_xml_need(text, root, "memoryBacking");
	(void)clo_xml_need(text, node, "nosharepages");
	if (!clo_xml_limits(cpu, "shares") && !clo_xml_limits(cpu, "quota") &&
	    !clo_xml_limits(cpu, "global_quota"))
		clo_xml_mend_limit(mend, clo_xml_need(text, root, "cputune"),
				   "shares", CLO_XML_SHARES);
	if (profile->weighs)
		clo_xml_mend_limit(mend, clo_xml_need(text, root, "blkiotune"),
				   "weight", CLO_XML_WEIGHT);
	limit_memory(mend, root);
	node = clo_xml_need(text, root, "resource");
	clo_xml_set_text(text, clo_xml_need(text, node, "partition"),
			 profile->partition);
	clo_xml_mend_devices(mend, clo_xml_need(text, root, "devices"));
	add_label(mend, root);
}

int clo_xml_harden(const char *xml, const struct clo_profile *profile,
		   char **ret_xml)
{
	CLO_AUTO(clo_xml_text) struct clo_xml_text *text = NULL;
	struct clo_xml_mend mend = {.profile = profile};
	xmlNode *root;
	int r;

	r = clo_xml_text_new(xml, strnlen(xml, CLO_XML_MAX + 1), &text);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	mend.text = text;
	root = clo_xml_text_root(text);
	if (!clo_xml_is_domain(root))
		return -EINVAL;

	for (int i = 0; i < PASSES_MAX; i++) {
		unsigned long edits = clo_xml_text_edits(text);

		walk(&mend, root, "domain", 0);
		complete(&mend, root);
		if (clo_xml_text_edits(text) == edits)
			break;
	}
	return clo_xml_text_print(text, ret_xml);
}
