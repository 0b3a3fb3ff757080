/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/matrix_classes.h"
#include "policy/question.h"

/* What the answers share; only question*.c see it. */

/* What a name means: classes of the matrix, and whose they are. */
struct party {
	const char *name;
	bool *classes; /* by class of the matrix */
	const struct clo_interface_doc **interfaces;
	size_t n_interfaces;
	bool outside; /* it is addresses, in `cidr`, or a service's */
	struct clo_cidr cidr;
	const struct clo_provided *service;
};

/* 0, -EINVAL with reterr_text, -ENOMEM. */
int clo_party_find(const struct clo_matrix *matrix, const char *name,
		   struct party *party, char reterr_text[160]);
void clo_party_done(struct party *party);

json_t *clo_answer_reach(const struct clo_asked *asked, char reterr_text[160]);
json_t *clo_answer_isolated(const struct clo_asked *asked,
			    char reterr_text[160]);
json_t *clo_answer_rules(const struct clo_asked *asked, char reterr_text[160]);

/* Flows between classes, folded into lines. */
struct lines {
	json_t *list;
	uint64_t omitted;
};

/* From classes in `from` to classes in `to`; service NULL: all. */
int clo_lines_make(const struct clo_matrix *matrix, const bool *from,
		   const bool *to, const struct clo_service_spec *service,
		   struct lines *ret_lines);

/* A packet between the two that the tables let pass, or null. */
json_t *clo_question_packet(const struct clo_matrix *matrix,
			    const struct party *from, const struct party *to,
			    const struct clo_service_spec *service);
bool clo_question_covers(const struct clo_service_spec *service, uint32_t slot);
