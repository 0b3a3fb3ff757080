/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/xml_mend.h"

#include <stdio.h>
#include <string.h>

#include "agent/guard/xml_harden.h"

/* Devices: see xml_devices.c and xml_listed.c for what is wrong with each. */

static bool may(const struct clo_xml_mend *mend, enum clo_device device)
{
	return mend->profile->devices & device;
}

static bool removed(struct clo_xml_mend *mend, xmlNode *node)
{
	clo_xml_remove(mend->text, node);
	return false;
}

static void remove_all(struct clo_xml_mend *mend, xmlNode *parent,
		       const char *name)
{
	xmlNode *next;

	for (xmlNode *node = xmlFirstElementChild(parent); node; node = next) {
		next = xmlNextElementSibling(node);
		if (clo_xml_is(node, name))
			clo_xml_remove(mend->text, node);
	}
}

/* Only the element itself is left, with this attribute. */
static bool reduce(struct clo_xml_mend *mend, xmlNode *node, const char *name,
		   const char *value)
{
	const xmlAttr *next;

	for (const xmlAttr *attr = node->properties; attr; attr = next) {
		next = attr->next;
		if (!attr->ns && strcmp((const char *)attr->name, name) != 0)
			clo_xml_unset(mend->text, node,
				      (const char *)attr->name);
	}
	clo_xml_set(mend->text, node, name, value);
	clo_xml_clear(mend->text, node);
	return true;
}

/* libvirt must not make what others read the scope's. */
static void keep_owner(struct clo_xml_mend *mend, xmlNode *disk)
{
	xmlNode *source = clo_xml_child(disk, "source");
	xmlNode *label = source ? source->children : NULL;

	while (label && !(clo_xml_is(label, "seclabel") &&
			  clo_xml_says(label, "model", "dac")))
		label = label->next;
	if (label && clo_xml_says(label, "relabel", "no"))
		return;
	if (!label)
		label = clo_xml_add(mend->text, source, "seclabel");
	clo_xml_set(mend->text, label, "model", "dac");
	clo_xml_set(mend->text, label, "relabel", "no");
	clo_xml_clear(mend->text, label);
}

/* libvirt takes no sum beside one of its parts. */
static void tune(struct clo_xml_mend *mend, xmlNode *disk)
{
	xmlNode *node;

	if (clo_xml_is_tuned(disk))
		return;
	node = clo_xml_need(mend->text, disk, "iotune");
	if (clo_xml_limits(node, "read_iops_sec") ||
	    clo_xml_limits(node, "write_iops_sec")) {
		clo_xml_mend_limit(mend, node, "read_iops_sec", CLO_XML_IOPS);
		clo_xml_mend_limit(mend, node, "write_iops_sec", CLO_XML_IOPS);
	} else if (clo_xml_limits(node, "read_bytes_sec") ||
		   clo_xml_limits(node, "write_bytes_sec")) {
		clo_xml_mend_limit(mend, node, "read_bytes_sec", CLO_XML_BYTES);
		clo_xml_mend_limit(mend, node, "write_bytes_sec",
				   CLO_XML_BYTES);
	} else {
		clo_xml_mend_limit(mend, node, "total_iops_sec", CLO_XML_IOPS);
	}
}

/* The drive goes, the medium stays. Shared disks are no disks less. */
static bool mend_disk(struct clo_xml_mend *mend, xmlNode *node)
{
	bool cdrom = clo_xml_says(node, "device", "cdrom");
	bool floppy = clo_xml_says(node, "device", "floppy");
	CLO_AUTO_XML xmlChar *path = NULL;

	if ((cdrom && !may(mend, CLO_DEVICE_CDROM)) ||
	    (floppy && !may(mend, CLO_DEVICE_FLOPPY)))
		return removed(mend, node);
	remove_all(mend, node, "shareable");
	path = clo_xml_attribute(clo_xml_child(node, "source"),
				 clo_xml_says(node, "type", "block") ? "dev"
								     : "file");
	if (path && clo_xml_in_bases(mend->profile, (const char *)path) &&
	    (cdrom || floppy || clo_xml_child(node, "readonly")))
		keep_owner(mend, node);
	if (!cdrom && !floppy &&
	    (clo_xml_says(node, "type", "file") ||
	     clo_xml_says(node, "type", "block")))
		tune(mend, node);
	return true;
}

static const uint8_t *mac_of(const struct clo_profile *profile,
			     const xmlNode *node)
{
	for (size_t i = 0; i < profile->n_nics; i++)
		if (clo_xml_has_mac(node, profile->nics[i].mac))
			return profile->nics[i].mac;
	return NULL;
}

static bool is_governed(const struct clo_profile *profile, const xmlNode *node)
{
	for (size_t i = 0; i < profile->n_bridges; i++)
		if (clo_xml_child_says(node, "source", "bridge",
				       profile->bridges[i]))
			return clo_xml_says(node, "type", "bridge");
	return false;
}

static void connect(struct clo_xml_mend *mend, xmlNode *node)
{
	if (!clo_xml_says(node, "type", "bridge")) {
		remove_all(mend, node, "target");
		clo_xml_set(mend->text, node, "type", "bridge");
	}
	node = clo_xml_need(mend->text, node, "source");
	if (node)
		(void)reduce(mend, node, "bridge", mend->profile->bridges[0]);
}

static bool mend_interface(struct clo_xml_mend *mend, xmlNode *node)
{
	const uint8_t *mac = mac_of(mend->profile, node);

	if (!mac)
		return removed(mend, node);
	for (const xmlNode *other = node->prev; other; other = other->prev)
		if (clo_xml_is(other, "interface") &&
		    clo_xml_has_mac(other, mac))
			return removed(mend, node);
	if (!is_governed(mend->profile, node)) {
		if (mend->profile->n_bridges != 1)
			return true; /* which one is not ours to guess */
		connect(mend, node);
	}
	clo_xml_set(mend->text, clo_xml_need(mend->text, node, "model"), "type",
		    "virtio");
	clo_xml_set(mend->text, clo_xml_need(mend->text, node, "driver"),
		    "name", "qemu");
	return true;
}

static bool is_own(const struct clo_xml_mend *mend, const xmlNode *source)
{
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(source, "path");

	return path &&
	       clo_xml_below((const char *)path, mend->profile->directory);
}

static bool mend_character(struct clo_xml_mend *mend, xmlNode *node)
{
	xmlNode *source = clo_xml_child(node, "source");

	if (clo_xml_says(node, "type", "pty") ||
	    (is_own(mend, source) && (clo_xml_says(node, "type", "file") ||
				      (clo_xml_says(node, "type", "unix") &&
				       clo_xml_says(source, "mode", "bind")))))
		return true;
	clo_xml_set(mend->text, node, "type", "pty");
	remove_all(mend, node, "source");
	return true;
}

static bool mend_channel(struct clo_xml_mend *mend, xmlNode *node)
{
	xmlNode *source = clo_xml_child(node, "source");
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(source, "path");

	if (!clo_xml_says(node, "type", "unix") ||
	    !clo_xml_child_says(node, "target", "type", "virtio"))
		return removed(mend, node);
	if (!source)
		return true;
	/* libvirt chooses anew */
	if (!clo_xml_says(source, "mode", "bind") ||
	    (path && !is_own(mend, source) &&
	     !clo_xml_is_chosen(node, (const char *)path)))
		remove_all(mend, node, "source");
	return true;
}

static bool mend_controller(struct clo_xml_mend *mend, xmlNode *node)
{
	if (clo_xml_says(node, "type", "usb") && !may(mend, CLO_DEVICE_USB)) {
		for (const xmlNode *other = node->prev; other;
		     other = other->prev)
			if (clo_xml_is(other, "controller") &&
			    clo_xml_says(other, "type", "usb"))
				return removed(mend, node);
		if (!clo_xml_says(node, "model", "none")) {
			(void)reduce(mend, node, "type", "usb");
			clo_xml_set(mend->text, node, "model", "none");
		}
		return true;
	}
	if (clo_xml_says(node, "type", "pci") ||
	    clo_xml_says(node, "type", "sata") ||
	    clo_xml_says(node, "type", "virtio-serial") ||
	    clo_xml_says(node, "type", "scsi") ||
	    clo_xml_says(node, "type", "usb") ||
	    (clo_xml_says(node, "type", "fdc") &&
	     may(mend, CLO_DEVICE_FLOPPY)) ||
	    (clo_xml_says(node, "type", "ide") && may(mend, CLO_DEVICE_CDROM)))
		return true;
	return removed(mend, node);
}

/* A check that finds nothing there, as it is used for the whole domain. */
static bool passes(const struct clo_xml_mend *mend, const xmlNode *node,
		   void (*check)(struct clo_xml_look *look, const xmlNode *node,
				 const char *where))
{
	struct clo_findings findings = {0};
	struct clo_xml_look look = {
		.profile = mend->profile,
		.tell = {.findings = &findings},
	};
	bool good;

	check(&look, node, "");
	good = findings.n == 0 && look.tell.r == 0;
	clo_findings_done(&findings);
	return good;
}

static bool mend_input(struct clo_xml_mend *mend, xmlNode *node)
{
	return passes(mend, node, clo_xml_input) || removed(mend, node);
}

static bool mend_redirdev(struct clo_xml_mend *mend, xmlNode *node)
{
	return passes(mend, node, clo_xml_redirdev) || removed(mend, node);
}

static bool mend_rng(struct clo_xml_mend *mend, xmlNode *node)
{
	xmlNode *backend;

	if (passes(mend, node, clo_xml_rng))
		return true;
	clo_xml_set(mend->text, node, "model", "virtio");
	backend = clo_xml_need(mend->text, node, "backend");
	if (backend)
		(void)reduce(mend, backend, "model", "random");
	clo_xml_set_text(mend->text, backend, "/dev/urandom");
	return true;
}

static bool mend_audio(struct clo_xml_mend *mend, xmlNode *node)
{
	if (passes(mend, node, clo_xml_audio))
		return true;
	clo_xml_set(mend->text, node, "type", "none");
	clo_xml_clear(mend->text, node);
	return true;
}

static bool mend_balloon(struct clo_xml_mend *mend, xmlNode *node)
{
	return passes(mend, node, clo_xml_balloon) ||
	       reduce(mend, node, "model", "none");
}

static bool mend_watchdog(struct clo_xml_mend *mend, xmlNode *node)
{
	if (!passes(mend, node, clo_xml_watchdog))
		clo_xml_set(mend->text, node, "action", "reset");
	return true;
}

static bool mend_graphics(struct clo_xml_mend *mend, xmlNode *node)
{
	if (passes(mend, node, clo_xml_graphics))
		return true;
	if (!clo_xml_says(node, "type", "vnc") &&
	    !clo_xml_says(node, "type", "spice"))
		return removed(mend, node);
	remove_all(mend, node, "listen");
	clo_xml_set(mend->text, node, "listen", "127.0.0.1");
	return true;
}

static bool mend_video(struct clo_xml_mend *mend, xmlNode *node)
{
	if (!passes(mend, node, clo_xml_video))
		remove_all(mend, node, "driver");
	return true;
}

static bool mend_filesystem(struct clo_xml_mend *mend, xmlNode *node)
{
	remove_all(mend, node, "binary");
	return true;
}

static bool mend_emulator(struct clo_xml_mend *mend, xmlNode *node)
{
	clo_xml_set_text(mend->text, node, mend->profile->emulator);
	return true;
}

bool clo_xml_mend_device(struct clo_xml_mend *mend, xmlNode *node,
			 const char *place)
{
	static const struct {
		const char *place;
		bool (*mend)(struct clo_xml_mend *mend, xmlNode *node);
	} mends[] = {
		{"domain/devices/audio", mend_audio},
		{"domain/devices/channel", mend_channel},
		{"domain/devices/console", mend_character},
		{"domain/devices/controller", mend_controller},
		{"domain/devices/disk", mend_disk},
		{"domain/devices/emulator", mend_emulator},
		{"domain/devices/filesystem", mend_filesystem},
		{"domain/devices/graphics", mend_graphics},
		{"domain/devices/input", mend_input},
		{"domain/devices/interface", mend_interface},
		{"domain/devices/memballoon", mend_balloon},
		{"domain/devices/redirdev", mend_redirdev},
		{"domain/devices/rng", mend_rng},
		{"domain/devices/serial", mend_character},
		{"domain/devices/video", mend_video},
		{"domain/devices/watchdog", mend_watchdog},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(mends); i++)
		if (strcmp(mends[i].place, place) == 0)
			return mends[i].mend(mend, node);
	return true;
}

static bool has_nic(const xmlNode *devices, const uint8_t mac[6])
{
	for (const xmlNode *node = devices->children; node; node = node->next)
		if (clo_xml_is(node, "interface") && clo_xml_has_mac(node, mac))
			return true;
	return false;
}

void clo_xml_mend_nic(struct clo_xml_mend *mend, xmlNode *devices,
		      const uint8_t mac[6], const char *bridge)
{
	struct clo_xml_text *text = mend->text;
	xmlNode *node = clo_xml_add(text, devices, "interface");
	char address[18];

	(void)snprintf(address, sizeof(address),
		       "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5]);
	clo_xml_set(text, node, "type", "bridge");
	clo_xml_set(text, clo_xml_add(text, node, "mac"), "address", address);
	clo_xml_set(text, clo_xml_add(text, node, "source"), "bridge", bridge);
	clo_xml_set(text, clo_xml_add(text, node, "model"), "type", "virtio");
	clo_xml_set(text, clo_xml_add(text, node, "driver"), "name", "qemu");
}

void clo_xml_mend_devices(struct clo_xml_mend *mend, xmlNode *devices)
{
	const struct clo_profile *profile = mend->profile;

	if (!devices)
		return;
	clo_xml_set_text(mend->text,
			 clo_xml_need(mend->text, devices, "emulator"),
			 profile->emulator);
	for (size_t i = 0; profile->n_bridges == 1 && i < profile->n_nics; i++)
		if (!has_nic(devices, profile->nics[i].mac))
			clo_xml_mend_nic(mend, devices, profile->nics[i].mac,
					 profile->bridges[0]);
	if (!may(mend, CLO_DEVICE_USB) &&
	    !clo_xml_has_controller(devices, "usb")) {
		xmlNode *usb = clo_xml_add(mend->text, devices, "controller");

		clo_xml_set(mend->text, usb, "type", "usb");
		clo_xml_set(mend->text, usb, "model", "none");
	}
	clo_xml_set(mend->text, clo_xml_need(mend->text, devices, "memballoon"),
		    "model", "none");
}
