/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/ether.h>
#include <string.h>

#include "agent/guard/xml_impl.h"

static bool may(const struct clo_xml_look *look, enum clo_device device)
{
	return look->profile->devices & device;
}

/* Where an image is; NULL: it has no path. The caller frees. */
static xmlChar *source_of(const xmlNode *image)
{
	return clo_xml_attribute(clo_xml_child(image, "source"),
				 clo_xml_says(image, "type", "block") ? "dev"
								      : "file");
}

/* libvirt shall not make it the scope's: others use it, too. */
static bool keeps_owner(const xmlNode *disk)
{
	const xmlNode *source = clo_xml_child(disk, "source");

	for (const xmlNode *label = source ? source->children : NULL; label;
	     label = label->next)
		if (clo_xml_is(label, "seclabel") &&
		    clo_xml_says(label, "model", "dac"))
			return clo_xml_says(label, "relabel", "no");
	return false;
}

static void check_image(struct clo_xml_look *look, const xmlNode *node,
			const char *where, bool read_only)
{
	CLO_AUTO_XML xmlChar *path = source_of(node);
	const char *text = (const char *)path;

	if (!path) {
		/* an empty drive */
		if (!clo_xml_says(node, "device", "cdrom"))
			clo_xml_find(look, CLO_CONTROL_DATA, where,
				     "has no file: name one below %s",
				     look->profile->directory);
		return;
	}
	if (clo_xml_below(text, look->profile->directory))
		return;
	if (!clo_xml_in_bases(look->profile, text))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is not below %s: move it there", text,
			     look->profile->directory);
	else if (!read_only)
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is shared: it needs <readonly/>", text);
	else if (!keeps_owner(node))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is shared: its source needs <seclabel "
			     "model='dac' relabel='no'/>",
			     text);
}

/* In one of the two units. */
static bool is_limited(const xmlNode *tune, const char *total,
		       const char *reads, const char *writes, bool read_only)
{
	return clo_xml_limits(tune, total) ||
	       (clo_xml_limits(tune, reads) &&
		(read_only || clo_xml_limits(tune, writes)));
}

/* One guest must not starve the others of I/O. */
bool clo_xml_is_tuned(const xmlNode *disk)
{
	const xmlNode *tune = clo_xml_child(disk, "iotune");
	bool read_only = clo_xml_child(disk, "readonly");

	return is_limited(tune, "total_bytes_sec", "read_bytes_sec",
			  "write_bytes_sec", read_only) ||
	       is_limited(tune, "total_iops_sec", "read_iops_sec",
			  "write_iops_sec", read_only);
}

static bool is_image_type(const xmlNode *node)
{
	return clo_xml_says(node, "type", "file") ||
	       clo_xml_says(node, "type", "block");
}

static void check_drive(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	static const struct {
		const char *kind;
		enum clo_device device;
	} drives[] = {{"cdrom", CLO_DEVICE_CDROM},
		      {"floppy", CLO_DEVICE_FLOPPY}};

	for (size_t i = 0; i < CLO_ARRAY_LEN(drives); i++) {
		if (!clo_xml_says(node, "device", drives[i].kind))
			continue;
		if (!may(look, drives[i].device))
			clo_xml_find(look, CLO_CONTROL_DEVICES, where,
				     "is a drive: remove it, or list \"%s\" in "
				     "the workload's devices",
				     drives[i].kind);
		return;
	}
	if (!clo_xml_says(node, "device", "disk"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is neither a disk nor a drive");
}

void clo_xml_disk(struct clo_xml_look *look, const xmlNode *node,
		  const char *where)
{
	bool cdrom = clo_xml_says(node, "device", "cdrom") ||
		     clo_xml_says(node, "device", "floppy");
	const xmlNode *driver = clo_xml_child(node, "driver");

	check_drive(look, node, where);
	if (!is_image_type(node)) {
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "is neither a file nor a block device");
		return;
	}
	if (!cdrom && !clo_xml_child_says(node, "target", "bus", "virtio") &&
	    !clo_xml_child_says(node, "target", "bus", "scsi"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is on another bus than virtio or scsi");
	if (!clo_xml_says(driver, "type", "raw") &&
	    !clo_xml_says(driver, "type", "qcow2"))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "has no format, or another than raw or qcow2: a "
			     "guest could choose it by what it writes");
	if (clo_xml_child(node, "shareable"))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "is shareable: no two workloads write one disk");
	check_image(look, node, where,
		    cdrom || clo_xml_child(node, "readonly"));
	if (!cdrom && !clo_xml_is_tuned(node))
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "has no limit for all that it reads and writes: "
			     "add <iotune>");
}

void clo_xml_backing(struct clo_xml_look *look, const xmlNode *node,
		     const char *where)
{
	CLO_AUTO_XML xmlChar *path = source_of(node);
	const xmlNode *next = clo_xml_child(node, "backingStore");

	if (!node->children) /* the end of the chain */
		return;
	if (!is_image_type(node) || !path)
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "is neither a file nor a block device");
	else if (!clo_xml_below((const char *)path, look->profile->directory) &&
		 !clo_xml_in_bases(look->profile, (const char *)path))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is not below %s", (const char *)path,
			     look->profile->directory);
	if (next)
		clo_xml_backing(look, next, where);
}

static bool is_governed(const struct clo_profile *profile, const xmlNode *node)
{
	const xmlNode *source = clo_xml_child(node, "source");

	for (size_t i = 0; i < profile->n_bridges; i++)
		if (clo_xml_says(source, "bridge", profile->bridges[i]))
			return true;
	return false;
}

bool clo_xml_has_mac(const xmlNode *interface, const uint8_t mac[6])
{
	CLO_AUTO_XML xmlChar *text =
		clo_xml_attribute(clo_xml_child(interface, "mac"), "address");
	struct ether_addr own;

	return text && ether_aton_r((const char *)text, &own) &&
	       memcmp(own.ether_addr_octet, mac, sizeof(own)) == 0;
}

static bool is_declared(const struct clo_profile *profile, const xmlNode *node)
{
	for (size_t i = 0; i < profile->n_nics; i++)
		if (clo_xml_has_mac(node, profile->nics[i].mac))
			return true;
	return false;
}

void clo_xml_interface(struct clo_xml_look *look, const xmlNode *node,
		       const char *where)
{
	CLO_AUTO_XML xmlChar *type = clo_xml_attribute(node, "type");

	if (!type || strcmp((const char *)type, "bridge") != 0) {
		clo_xml_find(look, CLO_CONTROL_NETWORK, where,
			     "is of type %s: only \"bridge\" has a tap that "
			     "is guarded",
			     type ? (const char *)type : "none");
		return;
	}
	if (!is_governed(look->profile, node))
		clo_xml_find(look, CLO_CONTROL_NETWORK, where,
			     "is on no bridge of the policy's Node");
	if (!is_declared(look->profile, node))
		clo_xml_find(look, "env.label-integrity", where,
			     "has a MAC that the workload does not declare");
	if (!clo_xml_child_says(node, "model", "type", "virtio"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is of another model than virtio");
	/* vhost-net copies the frames in the kernel, not in the sandbox */
	if (!clo_xml_child_says(node, "driver", "name", "qemu"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "needs <driver name='qemu'/>: vhost works "
			     "outside of the sandbox");
}

void clo_xml_interfaces(struct clo_xml_look *look, const xmlNode *devices)
{
	for (size_t i = 0; i < look->profile->n_nics; i++) {
		const uint8_t *mac = look->profile->nics[i].mac;
		size_t n = 0;

		for (const xmlNode *node = devices ? devices->children : NULL;
		     node; node = node->next)
			n += clo_xml_is(node, "interface") &&
			     clo_xml_has_mac(node, mac);
		if (n != 1)
			clo_xml_find(look, "env.label-integrity",
				     "domain/devices",
				     "%zu interfaces have the MAC "
				     "%02x:%02x:%02x:%02x:%02x:%02x that the "
				     "workload declares",
				     n, mac[0], mac[1], mac[2], mac[3], mac[4],
				     mac[5]);
	}
}

/* A file or socket of the workload's own. */
static void check_own(struct clo_xml_look *look, const xmlNode *source,
		      const char *where)
{
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(source, "path");

	if (!path ||
	    !clo_xml_below((const char *)path, look->profile->directory))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "%s is not below %s",
			     path ? (const char *)path : "it",
			     look->profile->directory);
}

/* libvirt opens the file or listens, and QEMU gets the descriptor. */
void clo_xml_character(struct clo_xml_look *look, const xmlNode *node,
		       const char *where)
{
	const xmlNode *source = clo_xml_child(node, "source");

	if (clo_xml_says(node, "type", "pty"))
		return;
	if (clo_xml_says(node, "type", "file") ||
	    (clo_xml_says(node, "type", "unix") &&
	     clo_xml_says(source, "mode", "bind")))
		check_own(look, source, where);
	else
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is neither a file, a pty nor a socket that "
			     "listens");
}

#define CHANNELS "/var/lib/libvirt/qemu/channel/target"
#define SHORT_NAME 20 /* of a domain's name, in libvirt's paths */

/*
 * The path that libvirt chooses: its directory has the domain's number, if it
 * has one, and name. Another domain's would take that one's socket away.
 */
bool clo_xml_is_chosen(const xmlNode *channel, const char *path)
{
	const xmlNode *root = xmlDocGetRootElement(channel->doc);
	const xmlNode *node = clo_xml_child(root, "name");
	CLO_AUTO_XML xmlChar *id = clo_xml_attribute(root, "id");
	CLO_AUTO_XML xmlChar *name = node ? xmlNodeGetContent(node) : NULL;
	static const char prefix[] = CHANNELS "/domain-";
	const char *at = path + sizeof(prefix) - 1;
	size_t digits, bytes;

	if (!name || !clo_xml_below(path, CHANNELS) ||
	    strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	digits = strspn(at, "0123456789");
	if (id && (strlen((const char *)id) != digits ||
		   strncmp(at, (const char *)id, digits) != 0))
		return false;
	at += digits;
	bytes = (size_t)xmlUTF8Strsize(name, SHORT_NAME);
	return digits > 0 && at[0] == '-' &&
	       strncmp(at + 1, (const char *)name, bytes) == 0 &&
	       at[1 + bytes] == '/';
}

void clo_xml_channel(struct clo_xml_look *look, const xmlNode *node,
		     const char *where)
{
	const xmlNode *source = clo_xml_child(node, "source");
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(source, "path");

	if (!clo_xml_says(node, "type", "unix") ||
	    (source && !clo_xml_says(source, "mode", "bind")))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is no socket that listens");
	else if (path && !clo_xml_is_chosen(node, (const char *)path))
		check_own(look, source, where);
	if (!clo_xml_child_says(node, "target", "type", "virtio"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is of another type than virtio");
}

void clo_xml_controller(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	static const char *const types[] = {"pci", "sata", "virtio-serial"};

	if (clo_xml_says(node, "type", "scsi")) {
		if (!clo_xml_says(node, "model", "virtio-scsi"))
			clo_xml_find(look, CLO_CONTROL_DEVICES, where,
				     "is of another model than virtio-scsi");
		return;
	}
	for (size_t i = 0; i < CLO_ARRAY_LEN(types); i++)
		if (clo_xml_says(node, "type", types[i]))
			return;
	if (clo_xml_says(node, "type", "usb") &&
	    (clo_xml_says(node, "model", "none") || may(look, CLO_DEVICE_USB)))
		return;
	if (clo_xml_says(node, "type", "fdc") && may(look, CLO_DEVICE_FLOPPY))
		return;
	if (clo_xml_says(node, "type", "ide") && may(look, CLO_DEVICE_CDROM))
		return;
	clo_xml_find(look, CLO_CONTROL_DEVICES, where,
		     "is of a type that the profile does not have (for USB: "
		     "model='none')");
}

void clo_xml_input(struct clo_xml_look *look, const xmlNode *node,
		   const char *where)
{
	if (!clo_xml_says(node, "type", "mouse") &&
	    !clo_xml_says(node, "type", "keyboard") &&
	    !clo_xml_says(node, "type", "tablet")) {
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is a device of the node: remove it");
		return;
	}
	/* every PC has these two */
	if (clo_xml_says(node, "bus", "ps2") ||
	    (clo_xml_says(node, "bus", "usb") && may(look, CLO_DEVICE_USB)))
		return;
	clo_xml_find(look, CLO_CONTROL_DEVICES, where,
		     "is on another bus than ps2: remove it");
}

void clo_xml_rng(struct clo_xml_look *look, const xmlNode *node,
		 const char *where)
{
	const xmlNode *backend = clo_xml_child(node, "backend");

	if (!clo_xml_says(node, "model", "virtio") ||
	    !clo_xml_says(backend, "model", "random") ||
	    (!clo_xml_says(backend, NULL, "/dev/urandom") &&
	     !clo_xml_says(backend, NULL, "/dev/random")))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is not virtio with /dev/urandom");
}

void clo_xml_tpm(struct clo_xml_look *look, const xmlNode *node,
		 const char *where)
{
	const xmlNode *backend = clo_xml_child(node, "backend");
	const xmlNode *source = clo_xml_child(backend, "source");

	if (!clo_xml_says(backend, "type", "external"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "has another backend than an external one of "
			     "the scope's own user");
	else
		check_own(look, source, where);
}

void clo_xml_audio(struct clo_xml_look *look, const xmlNode *node,
		   const char *where)
{
	if (!clo_xml_says(node, "type", "none") && !may(look, CLO_DEVICE_AUDIO))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is not in the profile: remove it, or list "
			     "\"audio\" in the workload's devices");
}

void clo_xml_balloon(struct clo_xml_look *look, const xmlNode *node,
		     const char *where)
{
	if (!clo_xml_says(node, "model", "none"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is not in the profile: it needs model='none'");
}

bool clo_xml_has_controller(const xmlNode *devices, const char *type)
{
	for (const xmlNode *node = devices ? devices->children : NULL; node;
	     node = node->next)
		if (clo_xml_is(node, "controller") &&
		    clo_xml_says(node, "type", type))
			return true;
	return false;
}

void clo_xml_implied(struct clo_xml_look *look, const xmlNode *devices)
{
	if (!may(look, CLO_DEVICE_USB) &&
	    !clo_xml_has_controller(devices, "usb"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, "domain/devices",
			     "needs <controller type='usb' model='none'/>: "
			     "libvirt adds one that works otherwise");
	if (!clo_xml_child(devices, "memballoon"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, "domain/devices",
			     "needs <memballoon model='none'/>: libvirt adds "
			     "one otherwise");
}
