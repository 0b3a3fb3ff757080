/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/question_impl.h"
#include "policy/service_spec.h"

/* The service of the question; *ret_service NULL: all. */
static int find_service(const struct clo_asked *asked,
			struct clo_service_spec *spec,
			const struct clo_service_spec **ret_service,
			char reterr_text[160])
{
	const char *wrong;

	*ret_service = NULL;
	if (!asked->service)
		return 0;
	if (clo_service_spec_parse(asked->service, spec, &wrong) < 0) {
		(void)snprintf(reterr_text, 160, "service: %s", wrong);
		return -EINVAL;
	}
	*ret_service = spec;
	return 0;
}

static json_t *set_omitted(json_t *answer, uint64_t omitted)
{
	if (answer && omitted)
		(void)json_object_set_new(answer, "omitted",
					  json_integer((json_int_t)omitted));
	return answer;
}

static json_t *reach(const struct clo_matrix *matrix,
		     const struct clo_asked *asked, const struct party *party,
		     const struct clo_service_spec *service)
{
	CLO_AUTO_MEM bool *all = malloc(matrix->n_classes);
	struct lines in = {0};
	struct lines out = {0};
	int r;

	if (!all)
		return NULL;
	memset(all, true, matrix->n_classes);
	all[0] = false;
	r = clo_lines_make(matrix, all, party->classes, service, &in);
	if (r == 0)
		r = clo_lines_make(matrix, party->classes, all, service, &out);
	if (r < 0) {
		json_decref(in.list);
		json_decref(out.list);
		return NULL;
	}
	return set_omitted(json_pack("{s:s, s:s, s:I, s:o, s:o}", "verdict",
				     "ANSWERED", "of", asked->of, "endpoints",
				     (json_int_t)party->n_interfaces, "in",
				     in.list, "out", out.list),
			   in.omitted + out.omitted);
}

json_t *clo_answer_reach(const struct clo_asked *asked, char reterr_text[160])
{
	const struct clo_service_spec *service;
	struct clo_service_spec spec;
	struct clo_matrix matrix;
	struct party party = {0};
	json_t *answer = NULL;

	if (!asked->of) {
		(void)snprintf(reterr_text, 160, "reach of what?");
		return NULL;
	}
	if (find_service(asked, &spec, &service, reterr_text) < 0 ||
	    clo_matrix_init(&matrix, asked->compiled) < 0)
		return NULL;
	if (clo_party_find(&matrix, asked->of, &party, reterr_text) == 0)
		answer = reach(&matrix, asked, &party, service);
	clo_party_done(&party);
	clo_matrix_done(&matrix);
	return answer;
}

/* -- isolated */

struct isolation {
	const struct clo_asked *asked;
	const struct clo_service_spec *service;
	struct clo_matrix matrix;
	struct party parties[2];
	json_t *flows, *shared, *gaps;
	uint64_t omitted;
};

static size_t count_classes(const struct isolation *isolation, int party)
{
	size_t n = 0;

	for (uint32_t i = 1; i < isolation->matrix.n_classes; i++)
		n += isolation->parties[party].classes[i];
	return n;
}

/* Both are the same endpoint or address: no question of being apart. */
static int check_apart(const struct isolation *isolation, char reterr_text[160])
{
	const struct party *a = &isolation->parties[0];
	const struct party *b = &isolation->parties[1];

	for (size_t i = 0; i < a->n_interfaces; i++)
		for (size_t j = 0; j < b->n_interfaces; j++)
			if (a->interfaces[i] == b->interfaces[j]) {
				(void)snprintf(reterr_text, 160,
					       "both have the endpoint %.100s",
					       a->interfaces[i]->name);
				return -EINVAL;
			}
	if (a->outside && b->outside) {
		(void)snprintf(reterr_text, 160,
			       "both are outside: no flow between them "
			       "passes a guard");
		return -EINVAL;
	}
	return 0;
}

static void add_gap(struct isolation *isolation, json_t *text)
{
	if (json_array_size(isolation->gaps) < CLO_ANSWER_MAX)
		(void)json_array_append_new(isolation->gaps, text);
	else
		json_decref(text);
}

/* What the tables do not decide alone is named, never passed over. */
static void find_gaps(struct isolation *isolation, const struct party *party)
{
	if (!party->outside && party->n_interfaces == 0)
		add_gap(isolation,
			json_sprintf("%s has no endpoint: that proves nothing",
				     party->name));
	for (size_t i = 0; i < party->n_interfaces; i++) {
		const struct clo_interface_doc *interface =
			party->interfaces[i];

		if (interface->mode == CLO_MODE_AUDIT)
			add_gap(isolation,
				json_sprintf("%s is in audit mode: its guard "
					     "lets pass what it judges",
					     interface->name));
		else if (interface->mode == CLO_MODE_QUARANTINE &&
			 isolation->matrix.compiled->policy->node.n_forensics)
			add_gap(isolation,
				json_sprintf("%s is in quarantine: forensic "
					     "addresses may reach it",
					     interface->name));
	}
}

/* Endpoints of one segment may share multicast groups, beside the matrix. */
static void find_shared(struct isolation *isolation)
{
	const struct party *a = &isolation->parties[0];
	const struct party *b = &isolation->parties[1];

	for (size_t i = 0; i < a->n_interfaces; i++) {
		const struct clo_segment_doc *segment =
			a->interfaces[i]->segment;
		bool known = segment->n_multicast == 0;

		for (size_t k = 0; k < i && !known; k++)
			known = a->interfaces[k]->segment == segment;
		for (size_t j = 0; j < b->n_interfaces && !known; j++) {
			if (b->interfaces[j]->segment != segment)
				continue;
			(void)json_array_append_new(
				isolation->shared,
				json_sprintf("multicast of segment %s",
					     segment->name));
			known = true;
		}
	}
}

static int find_flows(struct isolation *isolation, int from)
{
	struct lines lines = {0};
	int r = clo_lines_make(
		&isolation->matrix, isolation->parties[from].classes,
		isolation->parties[!from].classes, isolation->service, &lines);
	json_t *line;
	size_t i;

	if (r < 0)
		return r;
	if (json_array_size(lines.list)) {
		line = json_array_get(lines.list, 0);
		r = json_object_set_new(
			line, "packet",
			clo_question_packet(&isolation->matrix,
					    &isolation->parties[from],
					    &isolation->parties[!from],
					    isolation->service));
	}
	json_array_foreach (lines.list, i, line)
		(void)json_array_append(isolation->flows, line);
	isolation->omitted += lines.omitted;
	json_decref(lines.list);
	return r;
}

static const char *verdict_of(const struct isolation *isolation)
{
	if (json_array_size(isolation->flows) ||
	    json_array_size(isolation->shared))
		return "VIOLATED";
	return json_array_size(isolation->gaps) ? "NOT-COVERED" : "PROVED";
}

static json_t *judge(struct isolation *isolation)
{
	json_int_t pairs = 2 * (json_int_t)count_classes(isolation, 0) *
			   (json_int_t)count_classes(isolation, 1);
	uint32_t classes = isolation->matrix.compiled->tables->gen.classes;

	for (int i = 0; i < 2; i++) {
		find_gaps(isolation, &isolation->parties[i]);
		if (find_flows(isolation, i) < 0)
			return NULL;
	}
	find_shared(isolation);
	return set_omitted(
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:O, s:O, s:O}", "verdict",
			  verdict_of(isolation), "of", isolation->asked->of,
			  "other", isolation->asked->other, "pairs", pairs,
			  "verdicts", pairs * (json_int_t)classes, "flows",
			  isolation->flows, "shared", isolation->shared, "gaps",
			  isolation->gaps),
		isolation->omitted);
}

json_t *clo_answer_isolated(const struct clo_asked *asked,
			    char reterr_text[160])
{
	struct isolation isolation = {.asked = asked,
				      .flows = json_array(),
				      .shared = json_array(),
				      .gaps = json_array()};
	const char *const names[] = {asked->of, asked->other};
	struct clo_service_spec spec;
	json_t *answer = NULL;
	int r;

	if (!names[0] || !names[1]) {
		(void)snprintf(reterr_text, 160, "isolated takes two names");
		r = -EINVAL;
	} else {
		r = find_service(asked, &spec, &isolation.service, reterr_text);
	}
	if (r == 0)
		r = clo_matrix_init(&isolation.matrix, asked->compiled);
	for (int i = 0; i < 2 && r == 0; i++)
		r = clo_party_find(&isolation.matrix, names[i],
				   &isolation.parties[i], reterr_text);
	if (r == 0)
		r = check_apart(&isolation, reterr_text);
	if (r == 0)
		answer = judge(&isolation);
	for (int i = 0; i < 2; i++)
		clo_party_done(&isolation.parties[i]);
	clo_matrix_done(&isolation.matrix);
	json_decref(isolation.flows);
	json_decref(isolation.shared);
	json_decref(isolation.gaps);
	return answer;
}
