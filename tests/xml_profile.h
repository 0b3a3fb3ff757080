/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/guard/profile.h"

/* The profiles that domains of the tests are held to. */

#define XML_HOME "/var/lib/cloison-tenants/acme/production/web-1"
#define XML_LAB_HOME "/run/lab/tenants/acme/production/web-1"

extern const struct clo_profile xml_profile; /* good.xml keeps to it */
extern const struct clo_profile xml_lab_profile; /* lab-*.xml do */
