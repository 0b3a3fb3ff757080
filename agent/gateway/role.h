/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * Who a client certificate stands for, by the one URI among its subject
 * alternative names that begins with "urn:cloison:":
 *   urn:cloison:role:control-plane   reads all, asks for fresh proofs
 *   urn:cloison:role:auditor         reads all
 *   urn:cloison:tenant:NAME          its own scopes and nothing else
 * Bits, so that a route can name several.
 */
enum clo_role {
	CLO_ROLE_NOBODY = 1, /* no certificate, or one that stands for nobody */
	CLO_ROLE_CONTROL_PLANE = 2,
	CLO_ROLE_AUDITOR = 4,
	CLO_ROLE_TENANT = 8,
};

#define CLO_ROLE_ALL                                                           \
	(CLO_ROLE_CONTROL_PLANE | CLO_ROLE_AUDITOR | CLO_ROLE_TENANT)
#define CLO_NAME_MAX 64 /* of a tenant, with its 0 */

struct clo_who {
	enum clo_role role;
	char tenant[CLO_NAME_MAX]; /* "" unless it is one */
};

const char *clo_role_text(enum clo_role role);
/*
 * One more URI of the certificate into *who, which begins as
 * {CLO_ROLE_NOBODY}. -EINVAL: it is one of ours that says nothing, or a second
 * one; the certificate stands for nobody.
 */
int clo_role_add(const char *uri, size_t len, struct clo_who *who);
/* What a document may call a tenant. */
int clo_role_tenant(const char *text, size_t len, char ret_name[CLO_NAME_MAX]);
