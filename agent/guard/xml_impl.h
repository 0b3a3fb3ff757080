/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What reads a domain's XML here shares: xml_*.c, files.c and
 * passthrough.c, nobody else.
 */

#include "agent/guard/tell.h"
#include "agent/guard/xml_check.h"
#include "agent/sys/xml.h"

#define CLO_XML_PATH_MAX 128

#define CLO_CONTROL_CONFINED "sbx.guest-confinement"
#define CLO_CONTROL_DEVICES "sbx.device-surface"
#define CLO_CONTROL_SHARED "sbx.shared-resources"
#define CLO_CONTROL_DATA "sto.no-shared-residual"
#define CLO_CONTROL_NETWORK "net.no-bypass-path"

struct clo_xml_look {
	const struct clo_profile *profile;
	struct clo_tell tell;
};

bool clo_xml_is_domain(const xmlNode *root); /* of KVM or QEMU */
/* -EINVAL: that is no such domain; -ENOMEM. */
int clo_xml_open(const char *xml, xmlDocPtr *ret_doc);

/* May an element be there at all; WHOLE: with all that is in it. */
enum clo_xml_verdict {
	CLO_XML_REFUSED,
	CLO_XML_ADMITTED,
	CLO_XML_WHOLE
};
enum clo_xml_verdict clo_xml_judge(const struct clo_profile *profile,
				   const xmlNode *node, const char *place);

/* A finding at `where`, "domain/devices/disk" or so. */
__attribute__((format(printf, 4, 5))) void
clo_xml_find(struct clo_xml_look *look, const char *control, const char *where,
	     const char *fmt, ...);
/* The attribute, or the text of the element if `name` is NULL, is that. */
bool clo_xml_says(const xmlNode *node, const char *name, const char *value);
/* The same of a grandchild's attribute: says(child(node, element), ...). */
bool clo_xml_child_says(const xmlNode *node, const char *element,
			const char *name, const char *value);
/* A path that needs no resolving, below `directory`. */
bool clo_xml_below(const char *path, const char *directory);
/* A child's text is a number that limits something: digits, not only 0. */
bool clo_xml_limits(const xmlNode *parent, const char *name);
bool clo_xml_has_mac(const xmlNode *interface, const uint8_t mac[6]);
bool clo_xml_has_controller(const xmlNode *devices, const char *type);
/* A channel's path is the one that libvirt chooses for this domain. */
bool clo_xml_is_chosen(const xmlNode *channel, const char *path);
/* All that a disk moves is limited. */
bool clo_xml_is_tuned(const xmlNode *disk);
bool clo_xml_in_bases(const struct clo_profile *profile, const char *path);

/* xml_devices.c: checks of one element, by its place. */
void clo_xml_disk(struct clo_xml_look *look, const xmlNode *node,
		  const char *where);
void clo_xml_backing(struct clo_xml_look *look, const xmlNode *node,
		     const char *where);
void clo_xml_interface(struct clo_xml_look *look, const xmlNode *node,
		       const char *where);
void clo_xml_character(struct clo_xml_look *look, const xmlNode *node,
		       const char *where);
void clo_xml_channel(struct clo_xml_look *look, const xmlNode *node,
		     const char *where);
void clo_xml_controller(struct clo_xml_look *look, const xmlNode *node,
			const char *where);
void clo_xml_input(struct clo_xml_look *look, const xmlNode *node,
		   const char *where);
void clo_xml_rng(struct clo_xml_look *look, const xmlNode *node,
		 const char *where);
void clo_xml_tpm(struct clo_xml_look *look, const xmlNode *node,
		 const char *where);
void clo_xml_audio(struct clo_xml_look *look, const xmlNode *node,
		   const char *where);
void clo_xml_balloon(struct clo_xml_look *look, const xmlNode *node,
		     const char *where);
/* xml_listed.c */
void clo_xml_filesystem(struct clo_xml_look *look, const xmlNode *node,
			const char *where);
void clo_xml_hostdev(struct clo_xml_look *look, const xmlNode *node,
		     const char *where);
void clo_xml_shmem(struct clo_xml_look *look, const xmlNode *node,
		   const char *where);
void clo_xml_redirdev(struct clo_xml_look *look, const xmlNode *node,
		      const char *where);
void clo_xml_graphics(struct clo_xml_look *look, const xmlNode *node,
		      const char *where);
void clo_xml_video(struct clo_xml_look *look, const xmlNode *node,
		   const char *where);
void clo_xml_watchdog(struct clo_xml_look *look, const xmlNode *node,
		      const char *where);
/* What libvirt adds where nothing says no. */
void clo_xml_implied(struct clo_xml_look *look, const xmlNode *devices);
/* All declared NICs are there, once each. */
void clo_xml_interfaces(struct clo_xml_look *look, const xmlNode *devices);
