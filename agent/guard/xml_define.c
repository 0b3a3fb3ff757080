/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_define.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/xml_check.h"
#include "agent/guard/xml_harden.h"
#include "agent/guard/xml_mend.h"

/* <domain> with nothing but what is its own; harden does the rest. */
struct draft {
	struct clo_xml_text *text;
	xmlNode *root, *devices;
	const struct clo_profile *profile;
	const struct clo_xml_shape *shape;
};

static xmlNode *add_text(struct draft *draft, xmlNode *parent, const char *name,
			 const char *value)
{
	xmlNode *node = clo_xml_add(draft->text, parent, name);

	clo_xml_set_text(draft->text, node, value);
	return node;
}

static void add_number(struct draft *draft, const char *name,
		       unsigned long long number, const char *unit)
{
	char digits[24];
	xmlNode *node;

	(void)snprintf(digits, sizeof(digits), "%llu", number);
	node = add_text(draft, draft->root, name, digits);
	if (unit)
		clo_xml_set(draft->text, node, "unit", unit);
}

static void add_label(struct draft *draft)
{
	xmlNode *node = clo_xml_add(draft->text, draft->root, "metadata");

	node = clo_xml_add(draft->text, node, "cloison:workload");
	clo_xml_set(draft->text, node, "xmlns:cloison", CLO_XML_NAMESPACE);
	clo_xml_set(draft->text, node, "name", draft->shape->label);
}

static void add_identity(struct draft *draft)
{
	const struct clo_xml_shape *shape = draft->shape;
	const char *name = shape->name ? shape->name : draft->profile->name;

	(void)add_text(draft, draft->root, "name", name);
	if (draft->profile->uuid)
		(void)add_text(draft, draft->root, "uuid",
			       draft->profile->uuid);
	if (shape->label)
		add_label(draft);
	add_number(draft, "memory", shape->memory, "MiB");
	add_number(draft, "vcpu", shape->vcpus, NULL);
}

static void add_boot(struct draft *draft)
{
	const struct clo_xml_shape *shape = draft->shape;
	struct clo_xml_text *text = draft->text;
	xmlNode *os = clo_xml_add(text, draft->root, "os");
	xmlNode *node = add_text(draft, os, "type", "hvm");

	clo_xml_set(text, node, "arch", "x86_64");
	clo_xml_set(text, node, "machine", "q35");
	if (shape->loader) {
		node = add_text(draft, os, "loader", shape->loader);
		clo_xml_set(text, node, "readonly", "yes");
		clo_xml_set(text, node, "type", "pflash");
		node = add_text(draft, os, "nvram", shape->nvram);
		if (shape->nvram_template)
			clo_xml_set(text, node, "template",
				    shape->nvram_template);
	}
	if (shape->kernel)
		(void)add_text(draft, os, "kernel", shape->kernel);
	if (shape->initrd)
		(void)add_text(draft, os, "initrd", shape->initrd);
	if (shape->cmdline)
		(void)add_text(draft, os, "cmdline", shape->cmdline);
	node = clo_xml_add(text, draft->root, "features");
	(void)clo_xml_add(text, node, "acpi");
	(void)clo_xml_add(text, node, "apic");
	node = clo_xml_add(text, draft->root, "cpu");
	clo_xml_set(text, node, "mode",
		    shape->emulated ? "custom" : "host-passthrough");
	if (shape->emulated)
		(void)add_text(draft, node, "model", "qemu64");
}

static void add_disk(struct draft *draft, const struct clo_xml_image *image,
		     char letter)
{
	struct clo_xml_text *text = draft->text;
	xmlNode *disk = clo_xml_add(text, draft->devices, "disk");
	xmlNode *node = clo_xml_add(text, disk, "driver");
	char target[] = "vda";

	clo_xml_set(text, disk, "type", image->block ? "block" : "file");
	clo_xml_set(text, disk, "device", "disk");
	clo_xml_set(text, node, "name", "qemu");
	clo_xml_set(text, node, "type", image->format);
	node = clo_xml_add(text, disk, "source");
	clo_xml_set(text, node, image->block ? "dev" : "file", image->path);
	target[2] = letter;
	node = clo_xml_add(text, disk, "target");
	clo_xml_set(text, node, "dev", target);
	clo_xml_set(text, node, "bus", "virtio");
	if (image->read_only)
		(void)clo_xml_add(text, disk, "readonly");
}

/* Where there are several bridges, harden would not know which. */
static void add_nics(struct draft *draft)
{
	struct clo_xml_mend mend = {draft->text, draft->profile};

	for (size_t i = 0; i < draft->profile->n_nics; i++)
		if (draft->shape->bridge)
			clo_xml_mend_nic(&mend, draft->devices,
					 draft->profile->nics[i].mac,
					 draft->shape->bridge);
}

static void add_console(struct draft *draft)
{
	const struct clo_xml_shape *shape = draft->shape;
	struct clo_xml_text *text = draft->text;
	xmlNode *serial = clo_xml_add(text, draft->devices, "serial");
	const char *path = shape->console ? shape->console : shape->socket;
	xmlNode *node;

	clo_xml_set(text, serial, "type",
		    shape->console  ? "file"
		    : shape->socket ? "unix"
				    : "pty");
	if (path) {
		node = clo_xml_add(text, serial, "source");
		if (path == shape->socket)
			clo_xml_set(text, node, "mode", "bind");
		clo_xml_set(text, node, "path", path);
	}
	node = clo_xml_add(text, serial, "target");
	clo_xml_set(text, node, "port", "0");
}

static void add_tpm(struct draft *draft)
{
	struct clo_xml_text *text = draft->text;
	xmlNode *tpm = clo_xml_add(text, draft->devices, "tpm");
	xmlNode *node = clo_xml_add(text, tpm, "backend");

	clo_xml_set(text, tpm, "model", "tpm-crb");
	clo_xml_set(text, node, "type", "external");
	node = clo_xml_add(text, node, "source");
	clo_xml_set(text, node, "type", "unix");
	clo_xml_set(text, node, "mode", "connect");
	clo_xml_set(text, node, "path", draft->shape->tpm);
}

static void add_devices(struct draft *draft)
{
	struct clo_xml_text *text = draft->text;
	xmlNode *node;

	draft->devices = clo_xml_add(text, draft->root, "devices");
	(void)add_text(draft, draft->devices, "emulator",
		       draft->profile->emulator);
	for (size_t i = 0; i < draft->shape->n_disks; i++)
		add_disk(draft, &draft->shape->disks[i], (char)('a' + i));
	add_nics(draft);
	add_console(draft);
	if (draft->shape->tpm)
		add_tpm(draft);
	node = clo_xml_add(text, draft->devices, "rng");
	clo_xml_set(text, node, "model", "virtio");
	node = add_text(draft, node, "backend", "/dev/urandom");
	clo_xml_set(text, node, "model", "random");
}

/* XML knows no other control characters. */
static bool is_text(const char *text)
{
	if (!text)
		return true;
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' && *at != '\t')
			return false;
	return xmlCheckUTF8((const xmlChar *)text);
}

static bool is_whole(const struct clo_profile *profile,
		     const struct clo_xml_shape *shape)
{
	const char *const texts[] = {
		shape->name,           shape->bridge,  shape->kernel,
		shape->initrd,         shape->cmdline, shape->loader,
		shape->nvram,          shape->tpm,     shape->console,
		shape->nvram_template, shape->label,   shape->socket,
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++)
		if (!is_text(texts[i]))
			return false;
	for (size_t i = 0; i < shape->n_disks; i++)
		if (!shape->disks[i].path || !is_text(shape->disks[i].path) ||
		    !shape->disks[i].format || !is_text(shape->disks[i].format))
			return false;
	return (shape->name || profile->name) && shape->memory > 0 &&
	       shape->vcpus > 0 && !shape->loader == !shape->nvram;
}

static int check_bridge(const struct clo_profile *profile, const char *bridge,
			struct clo_findings *findings)
{
	static const char place[] = "domain/devices/interface";

	if (!bridge && profile->n_nics > 0 && profile->n_bridges > 1)
		return clo_finding_add(findings, CLO_CONTROL_NETWORK, place,
				       "the policy's Node has %zu bridges: "
				       "choose the one of its NICs",
				       profile->n_bridges);
	for (size_t i = 0; bridge && i < profile->n_bridges; i++)
		if (strcmp(bridge, profile->bridges[i]) == 0)
			return 0;
	return bridge ? clo_finding_add(findings, CLO_CONTROL_NETWORK, place,
					"%s is no bridge of the policy's Node",
					bridge)
		      : 0;
}

/* What harden would set right is not what was asked for: say so. */
static int check_wishes(const struct clo_profile *profile,
			const struct clo_xml_shape *shape,
			struct clo_findings *findings)
{
	const char *console = shape->console ? shape->console : shape->socket;
	size_t n = findings->n;
	int r;

	r = check_bridge(profile, shape->bridge, findings);
	if (r == 0 && console && !clo_xml_below(console, profile->directory))
		r = clo_finding_add(
			findings, CLO_CONTROL_CONFINED, "domain/devices/serial",
			"%s is not below %s", console, profile->directory);
	return r == 0 && findings->n > n ? -EINVAL : r;
}

static int harden_and_check(const char *draft,
			    const struct clo_profile *profile,
			    struct clo_findings *findings, char **ret_xml)
{
	CLO_AUTO_MEM char *xml = NULL;
	size_t n = findings->n;
	int r;

	r = clo_xml_harden(draft, profile, &xml);
	if (r < 0)
		return r;
	r = clo_xml_check(xml, profile, findings);
	if (r < 0)
		return r;
	if (findings->n > n)
		return -EINVAL;

	*ret_xml = CLO_TAKE(xml);
	return 0;
}

int clo_xml_define(const struct clo_profile *profile,
		   const struct clo_xml_shape *shape,
		   struct clo_findings *findings, char **ret_xml)
{
	static const char bare[] = "<domain/>\n";
	CLO_AUTO(clo_xml_text) struct clo_xml_text *text = NULL;
	struct draft draft = {.profile = profile, .shape = shape};
	CLO_AUTO_MEM char *xml = NULL;
	int r;

	if (shape->n_disks > CLO_XML_DISKS_MAX)
		return -E2BIG;
	if (!is_whole(profile, shape))
		return -EINVAL;
	r = check_wishes(profile, shape, findings);
	if (r < 0)
		return r;
	r = clo_xml_text_new(bare, sizeof(bare) - 1, &text);
	if (r < 0)
		return r;
	draft.text = text;
	draft.root = clo_xml_text_root(text);
	clo_xml_set(text, draft.root, "type", shape->emulated ? "qemu" : "kvm");
	add_identity(&draft);
	add_boot(&draft);
	add_devices(&draft);
	r = clo_xml_text_print(text, &xml);
	if (r < 0)
		return r;

	return harden_and_check(xml, profile, findings, ret_xml);
}
