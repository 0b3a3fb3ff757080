/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/matrix_classes.h"
#include "policy/matrix_write.h"

/* What the document says of the node, and of a tenant; new references. */
json_t *clo_matrix_node(const struct clo_policy *policy);
json_t *clo_matrix_tenant(const struct clo_tenant_doc *tenant);

/* The parts of the document that are not flows. Errors also stay in the sink. */
int clo_matrix_put_node(struct clo_sink *sink, const struct clo_policy *policy);
int clo_matrix_put_tenants(struct clo_sink *sink,
			   const struct clo_policy *policy);
int clo_matrix_put_endpoints(struct clo_sink *sink,
			     const struct clo_matrix *matrix);
int clo_matrix_put_exceptions(struct clo_sink *sink,
			      const struct clo_policy *policy);
