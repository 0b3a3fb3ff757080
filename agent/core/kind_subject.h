/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"
#include "agent/core/kind.h"

/* One tap that packet kinds are run on, one way. */
struct clo_kind_subject {
	const struct clo_tap *tap;
	const struct clo_tables *tables; /* the policy's */
	enum clo_kind_way way;
	enum clo_mode mode;
	uint32_t prog_id;
	uint32_t space;
	uint32_t flags; /* of its port */
	bool bound; /* has a port; else it drops all */
	uint32_t endpoint; /* of the tap, or the wire's receiver; 0: none */
	bool has4, has6; /* addresses of that endpoint */
	struct clo_kind_ends ends;
};

void clo_kind_subject_init(struct clo_kind_subject *ret_subject,
			   const struct clo_node *node,
			   const struct clo_tap *tap,
			   const struct clo_tap_audit *audit,
			   enum clo_kind_way way);
/* Equal for taps that decide alike. */
uint64_t clo_kind_shape(const struct clo_kind_subject *subject);
/*
 * The reason that must come out, CLO_DROP_NONE: it passes; < 0: it cannot be
 * run here, *ret_why says why. Sets the port that the frame goes to.
 */
int clo_kind_want(struct clo_kind_subject *subject,
		  const struct clo_kind_vector *kind, const char **ret_why);
