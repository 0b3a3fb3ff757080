/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "agent/guard/xml_impl.h"

/*
 * Devices that a workload has only because it lists them. The list admits the
 * device, not the whole host through it.
 */

/* The directory is shared with the guest; a binary would run as root. */
void clo_xml_filesystem(struct clo_xml_look *look, const xmlNode *node,
			const char *where)
{
	const xmlNode *source = clo_xml_child(node, "source");
	CLO_AUTO_XML xmlChar *path = clo_xml_attribute(source, "dir");

	if (clo_xml_child(node, "binary"))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "names a <binary>, which runs outside of the "
			     "sandbox: remove it");
	if (!clo_xml_says(node, "type", "mount") || !path ||
	    !clo_xml_below((const char *)path, look->profile->directory))
		clo_xml_find(look, CLO_CONTROL_DATA, where,
			     "%s is not a directory below %s",
			     path ? (const char *)path : "it",
			     look->profile->directory);
}

void clo_xml_hostdev(struct clo_xml_look *look, const xmlNode *node,
		     const char *where)
{
	if (!clo_xml_says(node, "mode", "subsystem") ||
	    !clo_xml_says(node, "type", "pci"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is not a PCI device: nothing else of the host "
			     "is passed through");
}

/* All guests of the node see the same names. */
void clo_xml_shmem(struct clo_xml_look *look, const xmlNode *node,
		   const char *where)
{
	CLO_AUTO_XML xmlChar *text = clo_xml_attribute(node, "name");
	const char *name = text ? (const char *)text : "";
	const char *scope = strrchr(look->profile->partition, '/');
	size_t len;

	scope = scope ? scope + 1 : look->profile->partition;
	len = strlen(scope);
	if (strncmp(name, scope, len) != 0 || name[len] != '.' ||
	    strchr(name, '/'))
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "has a name of another scope: it must begin "
			     "with %s.",
			     scope);
	if (clo_xml_child(node, "server"))
		clo_xml_find(look, CLO_CONTROL_SHARED, where,
			     "asks a server outside of the sandbox");
}

void clo_xml_redirdev(struct clo_xml_look *look, const xmlNode *node,
		      const char *where)
{
	if (!clo_xml_says(node, "type", "spicevmc"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is of another type than spicevmc: it would open "
			     "a way out of the sandbox");
}

static bool is_local(const xmlNode *node, const char *name)
{
	CLO_AUTO_XML xmlChar *text = clo_xml_attribute(node, name);

	return !text || strcmp((const char *)text, "127.0.0.1") == 0 ||
	       strcmp((const char *)text, "::1") == 0;
}

void clo_xml_graphics(struct clo_xml_look *look, const xmlNode *node,
		      const char *where)
{
	bool local = is_local(node, "listen");

	if (!clo_xml_says(node, "type", "vnc") &&
	    !clo_xml_says(node, "type", "spice"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "is neither vnc nor spice");
	for (const xmlNode *listen = node->children; listen;
	     listen = listen->next)
		if (clo_xml_is(listen, "listen") &&
		    (clo_xml_says(listen, "type", "network") ||
		     !is_local(listen, "address")))
			local = false;
	if (!local)
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "listens on the node's addresses: only "
			     "127.0.0.1 or ::1");
}

void clo_xml_video(struct clo_xml_look *look, const xmlNode *node,
		   const char *where)
{
	if (clo_xml_child_says(node, "driver", "name", "vhostuser"))
		clo_xml_find(look, CLO_CONTROL_DEVICES, where,
			     "has a vhost-user backend, which works outside "
			     "of the sandbox");
}

/* Not one to list, but like them more than its name says. */
void clo_xml_watchdog(struct clo_xml_look *look, const xmlNode *node,
		      const char *where)
{
	if (clo_xml_says(node, "action", "dump"))
		clo_xml_find(look, CLO_CONTROL_CONFINED, where,
			     "would write the guest's memory to a file");
}
