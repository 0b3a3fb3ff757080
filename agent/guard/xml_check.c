/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/path.h"
#include "agent/guard/xml_impl.h"

#define DEPTH_MAX 16
#define FINDINGS_MAX 256 /* more are not told one by one */

void clo_xml_find(struct clo_xml_look *look, const char *control,
		  const char *where, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	clo_vtell(&look->tell, control, where, fmt, args);
	va_end(args);
}

bool clo_xml_says(const xmlNode *node, const char *name, const char *value)
{
	CLO_AUTO_XML xmlChar *text = NULL;

	if (!node)
		return false;
	text = name ? clo_xml_attribute(node, name) : xmlNodeGetContent(node);
	return text && strcmp((const char *)text, value) == 0;
}

bool clo_xml_child_says(const xmlNode *node, const char *element,
			const char *name, const char *value)
{
	return clo_xml_says(clo_xml_child(node, element), name, value);
}

bool clo_xml_below(const char *path, const char *directory)
{
	return clo_path_is_below(path, directory) && clo_path_is_plain(path);
}

bool clo_xml_in_bases(const struct clo_profile *profile, const char *path)
{
	for (size_t i = 0; i < profile->n_bases; i++)
		if (clo_xml_below(path, profile->bases[i]))
			return true;
	return false;
}

static void check_source(struct clo_xml_look *look, const xmlNode *node,
			 const char *where)
{
	if (!clo_xml_says(node, "type", "anonymous") &&
	    !clo_xml_says(node, "type", "memfd"))
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "is memory that others could map");
}

static void check_access(struct clo_xml_look *look, const xmlNode *node,
			 const char *where)
{
	if (!clo_xml_says(node, "mode", "private"))
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "is memory that others could map");
}

static void check_cell(struct clo_xml_look *look, const xmlNode *node,
		       const char *where)
{
	CLO_AUTO_XML xmlChar *access = clo_xml_attribute(node, "memAccess");

	if (access && strcmp((const char *)access, "private") != 0)
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "is memory that others could map");
}

static void check_emulator(struct clo_xml_look *look, const xmlNode *node,
			   const char *where)
{
	if (!clo_xml_says(node, NULL, look->profile->emulator))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "is not %s, which confines QEMU",
			     look->profile->emulator);
}

/*
 * What is read before the guest's own disks. libvirt makes kernel and initrd
 * the scope's, so that these cannot be shared; firmware it leaves alone.
 */
static void check_boot(struct clo_xml_look *look, const xmlNode *node,
		       const char *where)
{
	CLO_AUTO_XML xmlChar *text = xmlNodeGetContent(node);
	const char *path = text ? (const char *)text : "";

	if (!*path || clo_xml_below(path, look->profile->directory))
		return;
	if (clo_xml_is(node, "loader") &&
	    clo_xml_says(node, "readonly", "yes") &&
	    (clo_xml_below(path, "/usr/share") ||
	     clo_xml_in_bases(look->profile, path)))
		return;
	clo_xml_find(look, CLO_CONTROL_DATA, where, "%s is not below %s", path,
		     look->profile->directory);
}

/* fw_cfg would hand files of the host to the guest. */
static void check_sysinfo(struct clo_xml_look *look, const xmlNode *node,
			  const char *where)
{
	if (!clo_xml_says(node, "type", "smbios"))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "is of another type than smbios");
}

static void check_template(struct clo_xml_look *look, const xmlNode *node,
			   const char *where)
{
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(node, "template");

	if (path && !clo_xml_below((const char *)path, "/usr/share") &&
	    !clo_xml_in_bases(look->profile, (const char *)path))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is no firmware of the system or a base",
			     (const char *)path);
}

static void check_nvram(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	check_boot(look, node, where);
	check_template(look, node, where);
}

static void check_type(struct clo_xml_look *look, const xmlNode *node,
		       const char *where)
{
	CLO_AUTO_XML xmlChar *machine = clo_xml_attribute(node, "machine");

	if (!machine || !strstr((const char *)machine, "q35"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is another machine than q35");
}

static void check_crash(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	CLO_AUTO_XML xmlChar *text = xmlNodeGetContent(node);

	if (text && strncmp((const char *)text, "coredump", 8) == 0)
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "would write the guest's memory to a file");
}

/* Others than DAC are the host's business. */
static void check_label(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	char label[32];

	if (clo_xml_says(node, "type", "none"))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "turns a label of the host off: remove it");
	if (!clo_xml_says(node, "model", "dac"))
		return;
	(void)snprintf(label, sizeof(label), "+%u:+%u", look->profile->uid,
		       look->profile->gid);
	if (!clo_xml_says(node, "type", "static") ||
	    !clo_xml_child_says(node, "label", NULL, label))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "is not <seclabel type='static' model='dac' "
			     "relabel='yes'><label>%s</label></seclabel>",
			     label);
}

/* Where it may be, who looks at it; `whole`: with all that is in it. */
struct rule {
	const char *place;
	void (*check)(struct clo_xml_look *look, const xmlNode *node,
		      const char *where);
	bool whole;
	bool many; /* else once: readers differ in which one they take */
	unsigned int device; /* only if the workload lists it */
};

static const struct rule rules[] = {
#include "agent/guard/xml_rules.inc"
};

static const struct rule *rule_of(const char *place)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(rules); i++)
		if (strcmp(rules[i].place, place) == 0)
			return &rules[i];
	return NULL;
}

/* What to write into the workload's devices to have it. */
static const char *listed_as(unsigned int device)
{
	static const struct {
		unsigned int device;
		const char *name;
	} names[] = {
		{CLO_DEVICE_AUDIO, "audio"},
		{CLO_DEVICE_FILESYSTEM, "filesystem"},
		{CLO_DEVICE_PASSTHROUGH, "passthrough"},
		{CLO_DEVICE_SHMEM, "shmem"},
		{CLO_DEVICE_USB, "usb"},
		{CLO_DEVICE_VIDEO, "video"},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (names[i].device == device)
			return names[i].name;
	return "?";
}

static const char *rule_name(const char *place)
{
	return strrchr(place, '/') + 1;
}

enum clo_xml_verdict clo_xml_judge(const struct clo_profile *profile,
				   const xmlNode *node, const char *place)
{
	const struct rule *rule = node->ns ? NULL : rule_of(place);

	if (!rule || (rule->device && !(profile->devices & rule->device)))
		return CLO_XML_REFUSED;
	return rule->whole ? CLO_XML_WHOLE : CLO_XML_ADMITTED;
}

static void walk(struct clo_xml_look *look, const xmlNode *parent,
		 const char *place, unsigned int depth);

static void visit(struct clo_xml_look *look, const xmlNode *node,
		  const char *place, unsigned int depth)
{
	const struct rule *rule = node->ns ? NULL : rule_of(place);

	if (!rule) {
		clo_xml_find(look, CLO_CONTROL_DEVICES, place,
			     "is not in the profile: remove it");
		return;
	}
	if (rule->device && !(look->profile->devices & rule->device)) {
		clo_xml_find(look, CLO_CONTROL_DEVICES, place,
			     "is not in the profile: remove it, or list "
			     "\"%s\" in the workload's devices",
			     listed_as(rule->device));
		return;
	}
	if (!rule->many &&
	    clo_xml_child(node->parent, rule_name(place)) != node)
		clo_xml_find(look, CLO_CONTROL_CONFINED, place,
			     "is there more than once");
	if (rule->check)
		rule->check(look, node, place);
	if (!rule->whole)
		walk(look, node, place, depth + 1);
}

static void walk(struct clo_xml_look *look, const xmlNode *parent,
		 const char *place, unsigned int depth)
{
	for (const xmlNode *node = parent->children; node; node = node->next) {
		char inner[CLO_XML_PATH_MAX];
		int n;

		if (node->type == XML_ENTITY_REF_NODE)
			clo_xml_find(look, CLO_CONTROL_CONFINED, place,
				     "has an entity");
		if (look->tell.findings->n >= FINDINGS_MAX)
			return; /* refused in any case */
		if (node->type != XML_ELEMENT_NODE)
			continue;
		n = snprintf(inner, sizeof(inner), "%s/%s", place, node->name);
		if (n < 0 || (size_t)n >= sizeof(inner) || depth > DEPTH_MAX)
			clo_xml_find(look, CLO_CONTROL_DEVICES, place,
				     "has what is not in the profile");
		else
			visit(look, node, inner, depth);
	}
}

static size_t count_labels(const xmlNode *root)
{
	size_t n = 0;

	for (const xmlNode *node = root->children; node; node = node->next)
		n += clo_xml_is(node, "seclabel") &&
		     clo_xml_says(node, "model", "dac");
	return n;
}

/* libvirt takes "-1" and numbers without end for no limit. */
bool clo_xml_limits(const xmlNode *parent, const char *name)
{
	const xmlNode *node = clo_xml_child(parent, name);
	CLO_AUTO_XML xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
	const char *digits = text ? (const char *)text : "";
	size_t len = strlen(digits);

	return len > 0 && len < 16 && strspn(digits, "0123456789") == len &&
	       strspn(digits, "0") < len;
}

static void check_resources(struct clo_xml_look *look, const xmlNode *root)
{
	const xmlNode *cpu = clo_xml_child(root, "cputune");

	if (!clo_xml_child_says(clo_xml_child(root, "resource"), "partition",
				NULL, look->profile->partition))
		clo_xml_find(look, CLO_CONTROL_SHARED, "domain/resource",
			     "needs <partition>%s</partition>",
			     look->profile->partition);
	if (!clo_xml_limits(cpu, "shares") && !clo_xml_limits(cpu, "quota") &&
	    !clo_xml_limits(cpu, "global_quota"))
		clo_xml_find(look, CLO_CONTROL_SHARED, "domain/cputune",
			     "has neither shares nor a quota");
	if (!clo_xml_limits(clo_xml_child(root, "memtune"), "hard_limit"))
		clo_xml_find(look, CLO_CONTROL_SHARED, "domain/memtune",
			     "has no hard_limit");
	if (look->profile->weighs &&
	    !clo_xml_limits(clo_xml_child(root, "blkiotune"), "weight"))
		clo_xml_find(look, CLO_CONTROL_SHARED, "domain/blkiotune",
			     "has no weight");
}

/* What must be there. */
static void check_presence(struct clo_xml_look *look, const xmlNode *root)
{
	const xmlNode *devices = clo_xml_child(root, "devices");

	if (count_labels(root) != 1)
		clo_xml_find(look, CLO_CONTROL_CONFINED, "domain",
			     "has %zu DAC labels: it needs <seclabel "
			     "type='static' model='dac' relabel='yes'>"
			     "<label>+%u:+%u</label></seclabel>",
			     count_labels(root), look->profile->uid,
			     look->profile->gid);
	if (!clo_xml_child(devices, "emulator"))
		clo_xml_find(look, CLO_CONTROL_CONFINED, "domain/devices",
			     "has no <emulator>%s</emulator>",
			     look->profile->emulator);
	if (!clo_xml_child(clo_xml_child(root, "memoryBacking"),
			   "nosharepages"))
		clo_xml_find(look, CLO_CONTROL_SHARED, "domain/memoryBacking",
			     "needs <nosharepages/>: no page is shared with "
			     "another guest");
	if (!clo_xml_child_says(root, "memory", "dumpCore", "off"))
		clo_xml_find(look, CLO_CONTROL_CONFINED, "domain/memory",
			     "needs dumpCore='off'");
	check_resources(look, root);
	clo_xml_implied(look, devices);
	clo_xml_interfaces(look, devices);
}

static void check_name(struct clo_xml_look *look, const xmlNode *root)
{
	const struct clo_profile *profile = look->profile;

	if ((profile->name &&
	     !clo_xml_child_says(root, "name", NULL, profile->name)) ||
	    (profile->uuid &&
	     !clo_xml_child_says(root, "uuid", NULL, profile->uuid)))
		clo_xml_find(look, "env.label-integrity", "domain",
			     "is not the one that workload %s names",
			     profile->workload);
}

bool clo_xml_is_domain(const xmlNode *root)
{
	return root && !root->ns && clo_xml_is(root, "domain") &&
	       (clo_xml_says(root, "type", "kvm") ||
		clo_xml_says(root, "type", "qemu"));
}

int clo_xml_open(const char *xml, xmlDocPtr *ret_doc)
{
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	int r;

	r = clo_xml_read(xml, strnlen(xml, CLO_XML_MAX + 1), &doc);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	if (!clo_xml_is_domain(xmlDocGetRootElement(doc)))
		return -EINVAL;

	*ret_doc = CLO_TAKE(doc);
	return 0;
}

bool clo_xml_is_emulated(const char *xml)
{
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;

	return clo_xml_open(xml, &doc) == 0 &&
	       clo_xml_says(xmlDocGetRootElement(doc), "type", "qemu");
}

int clo_xml_check(const char *xml, const struct clo_profile *profile,
		  struct clo_findings *findings)
{
	struct clo_xml_look look = {
		.profile = profile,
		.tell = {.findings = findings},
	};
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	const xmlNode *root;
	int r;

	r = clo_xml_open(xml, &doc);
	if (r < 0)
		return r;

	root = xmlDocGetRootElement(doc);
	check_name(&look, root);
	walk(&look, root, "domain", 0);
	check_presence(&look, root);
	return look.tell.r;
}
