/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/xml_impl.h"
#include "agent/sys/xml_text.h"

/* What the harden files share. Nobody else includes this. */

struct clo_xml_mend {
	struct clo_xml_text *text;
	const struct clo_profile *profile;
};

/* Repairs the element at `place`. False: it had to be removed, it is gone. */
bool clo_xml_mend_device(struct clo_xml_mend *mend, xmlNode *node,
			 const char *place);
/* What devices lack. */
void clo_xml_mend_devices(struct clo_xml_mend *mend, xmlNode *devices);
/* A new NIC, on that bridge. */
void clo_xml_mend_nic(struct clo_xml_mend *mend, xmlNode *devices,
		      const uint8_t mac[6], const char *bridge);
/* `name` in `parent` limits something, if need be by that. */
void clo_xml_mend_limit(struct clo_xml_mend *mend, xmlNode *parent,
			const char *name, const char *value);
