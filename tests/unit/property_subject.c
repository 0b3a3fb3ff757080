/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/property.h"

void subject_init(struct subject *subject, uint64_t seed, bool variant)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	int r = clo_flaws_new(&flaws);

	assert(r == 0);
	*subject = (struct subject){
		.seed = seed,
		.kind = seed % 3 ? RANDOM_LEGAL : RANDOM_WILD,
		.now = random_now(seed),
	};
	subject->made = variant ? random_variant(seed, subject->kind)
				: random_policy(seed, subject->kind);
	subject->policy = &subject->made->policy;
	r = clo_compile(subject->policy, subject->now, &subject->compiled,
			flaws);
	if (r < 0)
		subject_fail(subject, "it does not compile: %s",
			     clo_flaws_kept(flaws)
				     ? clo_flaws_get(flaws, 0)->text
				     : strerror(-r));
}

void subject_done(struct subject *subject)
{
	clo_compiled_free(subject->compiled);
	made_free(subject->made);
}

void subject_fail(const struct subject *subject, const char *fmt, ...)
{
	json_t *documents = random_documents(subject->policy, NULL);
	va_list args;

	(void)fprintf(stderr, "rerun: property %llu\ndocuments%s: ",
		      (unsigned long long)subject->seed,
		      subject->kind == RANDOM_WILD ? " (not all legal)" : "");
	(void)json_dumpf(documents, stderr, JSON_INDENT(1));
	json_decref(documents);
	va_start(args, fmt);
	(void)fprintf(stderr,
		      "\nseed %llu: ", (unsigned long long)subject->seed);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	(void)fputc('\n', stderr);
	exit(1);
}

static void party_text(const struct clo_party *party, char ret_text[100])
{
	char addr[CLO_CIDR_TEXT];

	clo_cidr_format(&party->addr, addr);
	(void)snprintf(ret_text, 100, party->workload ? "%s (%s)" : "%s%s",
		       party->workload ? party->interface->name : "outside ",
		       addr);
}

void packet_text(const struct clo_oracle_packet *packet,
		 char ret_text[PACKET_TEXT])
{
	char ends[2][100];

	party_text(&packet->src, ends[0]);
	party_text(&packet->dst, ends[1]);
	(void)snprintf(ret_text, PACKET_TEXT, "%s > %s proto %u number %u",
		       ends[0], ends[1], packet->proto, packet->number);
}

/* In its own space an endpoint is found; what is none's has a class. */
uint32_t subject_identity(const struct subject *subject,
			  const struct clo_party *party)
{
	const struct clo_view view = {subject->compiled->tables};
	const struct clo_interface_doc *doc = party->interface;
	const uint32_t *class;
	struct clo_side side;

	if (!doc) {
		class = clo_view_cidr(&view, party->addr.family,
				      party->addr.addr);
		return class ? *class : 0;
	}
	clo_judge_side(&view, doc->segment->space, party->addr.family,
		       party->addr.addr, &side);
	if (!side.identity || side.endpoint != doc->endpoint ||
	    side.segment != doc->segment->id)
		subject_fail(subject, "%s is not found by its address",
			     doc->name);
	return side.identity;
}

uint32_t subject_meant(const struct subject *subject,
		       const struct clo_oracle_packet *packet)
{
	const struct clo_rule_doc *rule = NULL;
	uint32_t n = subject->compiled->tables->gen.rules;

	if (!clo_oracle_judge(subject->policy, subject->now, packet, &rule, 1))
		return 0;
	for (uint32_t i = 1; i < n; i++) {
		if (subject->compiled->rules[i] == rule)
			return i;
	}
	subject_fail(subject, "rule %s has no number", rule->full);
}

bool subject_allows(const struct subject *subject,
		    const struct clo_oracle_packet *packet,
		    struct clo_verdict *ret_verdict)
{
	const struct clo_view view = {subject->compiled->tables};

	clo_judge_pair(&view, subject_identity(subject, &packet->src),
		       subject_identity(subject, &packet->dst), packet->proto,
		       packet->number, ret_verdict);
	return ret_verdict->drop == CLO_DROP_NONE;
}
