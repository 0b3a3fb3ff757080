/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "agent/gateway/route.h"
#include "agent/gateway/survey.h"

/* Prometheus text format 0.0.4; scopes are names without quotes. */
#define METRICS_TYPE "text/plain; version=0.0.4"

static const struct {
	enum clo_gateway_counter counter;
	const char *text;
} counters[] = {
	{CLO_COUNT_2XX, "cloison_gateway_requests_total{status=\"2xx\"}"},
	{CLO_COUNT_4XX, "cloison_gateway_requests_total{status=\"4xx\"}"},
	{CLO_COUNT_5XX, "cloison_gateway_requests_total{status=\"5xx\"}"},
	{CLO_COUNT_LIMITED, "cloison_gateway_limited_total"},
	{CLO_COUNT_NOBODY, "cloison_gateway_unauthorised_total"},
	{CLO_COUNT_CHALLENGES, "cloison_gateway_challenges_total"},
	{CLO_COUNT_EVENTS, "cloison_gateway_events_total"},
};

static void print_counters(FILE *out, struct clo_gateway *gateway)
{
	int streams = 0;

	(void)fputs("# TYPE cloison_gateway_requests_total counter\n"
		    "# TYPE cloison_gateway_limited_total counter\n"
		    "# TYPE cloison_gateway_unauthorised_total counter\n"
		    "# TYPE cloison_gateway_challenges_total counter\n"
		    "# TYPE cloison_gateway_events_total counter\n",
		    out);
	for (size_t i = 0; i < CLO_ARRAY_LEN(counters); i++)
		(void)fprintf(out, "%s %" PRIu64 "\n", counters[i].text,
			      (uint64_t)gateway->counters[counters[i].counter]);

	(void)pthread_mutex_lock(&gateway->lock);
	for (int i = 0; i < CLO_STREAMS; i++)
		streams += gateway->streams[i] != 0;
	(void)pthread_mutex_unlock(&gateway->lock);
	(void)fprintf(out,
		      "# TYPE cloison_gateway_streams gauge\n"
		      "cloison_gateway_streams %d\n",
		      streams);
}

static int print_state(const struct clo_surveyed *one, void *userdata)
{
	FILE *out = userdata;

	(void)fprintf(out, "cloison_state{scope=\"%s\",state=\"%s\"} 1\n",
		      one->scope, clo_state_text(one->state));
	if (one->row)
		(void)fprintf(out,
			      "cloison_attestation_age_seconds{scope=\"%s\"} "
			      "%" PRId64 "\n",
			      one->scope, one->age);
	return 0;
}

static int print_states(FILE *out, const struct clo_call *call)
{
	CLO_AUTO(clo_reader) struct clo_reader *reader = NULL;
	int r;

	(void)fputs("# TYPE cloison_state gauge\n"
		    "# TYPE cloison_attestation_age_seconds gauge\n",
		    out);
	r = clo_reader_open(call->gateway->options->log, &reader);
	return r < 0 ? r
		     : clo_survey(reader, &call->who, call->now, -1,
				  print_state, out);
}

void clo_answer_metrics(const struct clo_call *call, struct clo_answer *answer)
{
	CLO_AUTO_MEM char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = 0;

	if (!out) {
		clo_answer_problem(answer, 500, "no memory");
		return;
	}
	print_counters(out, call->gateway);
	r = print_states(out, call);
	(void)fprintf(out,
		      "# TYPE cloison_gateway_log_readable gauge\n"
		      "cloison_gateway_log_readable %d\n",
		      r == 0);
	if (fclose(out) != 0)
		clo_answer_problem(answer, 500, "no memory");
	else
		clo_answer_text(answer, METRICS_TYPE, CLO_TAKE(text));
}
