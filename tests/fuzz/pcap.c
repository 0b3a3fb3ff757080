/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A capture file from anybody, traced frame by frame on a small policy. The
 * first byte picks who sends. Whatever the bytes, each frame has a verdict with
 * a known reason, a flow begins by a rule only, and what is dropped says what
 * would allow it, or why nothing does.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/base/pcap_read.h"
#include "policy/explain_trace.h"
#include "policy/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
	"[{\"apiVersion\": \"cloison/v1\", \"kind\": \"Node\", \"name\": \"n\","
	" \"bridges\": [\"br0\"], \"uplinks\": [{\"interface\": \"eth0\","
	"  \"segment\": \"acme/production/front\"}],"
	" \"services\": [{\"name\": \"dhcp\", \"kind\": \"node\","
	"  \"addresses\": [\"10.0.0.254\"], \"ports\": [\"udp/67\"]}]},"
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Tenant\","
	" \"name\": \"acme\", \"qualification\": 1, \"services\": [\"dhcp\"],"
	" \"environments\": {\"production\": {\"groups\": [\"web\", \"db\"],"
	"  \"segments\": [{\"name\": \"front\","
	"   \"cidrs\": [\"10.0.0.0/24\", \"fd00::/64\"]}], \"rules\": ["
	"   {\"name\": \"a\", \"from\": {\"group\": \"web\"},"
	"    \"to\": {\"group\": \"db\"}, \"ports\": [\"any\"]},"
	"   {\"name\": \"b\", \"from\": {\"cidr\": \"8.0.0.0/8\"},"
	"    \"to\": {\"group\": \"web\"}, \"ports\": [\"tcp/443\"]},"
	"   {\"name\": \"c\", \"from\": {\"group\": \"web\"},"
	"    \"to\": {\"service\": \"dhcp\"}}]}}},"
	"{\"apiVersion\": \"cloison/v1\", \"kind\": \"Workload\","
	" \"name\": \"w\", \"tenant\": \"acme\", \"environment\": "
	"\"production\", \"interfaces\": ["
	" {\"mac\": \"52:54:00:00:00:01\", \"segment\": \"front\","
	"  \"addresses\": [\"10.0.0.1\", \"fd00::1\"], \"groups\": [\"web\"]},"
	" {\"mac\": \"52:54:00:00:00:02\", \"segment\": \"front\","
	"  \"addresses\": [\"10.0.0.2\", \"fd00::2\"], \"groups\": [\"db\"]}]}]";

static struct clo_policy *policy;
static struct clo_compiled *compiled;

static void prepare(void)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	const struct clo_document document = {"fuzz.json", policy_text,
					      sizeof(policy_text) - 1};
	int r = clo_flaws_new(&flaws);

	if (r == 0)
		r = clo_policy_parse(&document, 1, 1, &policy, flaws);
	if (r == 0)
		r = clo_compile(policy, 1, &compiled, flaws);
	if (r < 0)
		abort();
}

static bool is_reason(const char *text)
{
	for (int i = 0; i < CLO_DROP_COUNT; i++)
		if (strcmp(text, clo_trace_reason((enum clo_drop)i)) == 0)
			return true;
	return false;
}

/* What must hold whatever the frame. */
static bool sound(const struct clo_trace_run *run, const json_t *made,
		  const char *hex)
{
	bool drop = run->pass[run->n - 1].drop != CLO_DROP_NONE;
	const char *verdict =
		json_string_value(json_object_get(made, "verdict"));

	return (run->n == 1 || run->n == 2) &&
	       strcmp(hex, json_string_value(json_object_get(made, "hex"))) ==
		       0 &&
	       is_reason(json_string_value(json_object_get(made, "reason"))) &&
	       strcmp(verdict, drop ? "drop" : "allow") == 0 &&
	       (!run->pass[0].opened || run->pass[0].rule) &&
	       json_is_null(json_object_get(made, "allow")) == !drop;
}

static void trace(struct clo_tracer *tracer, const char *in,
		  const struct clo_pcap_frame *frame)
{
	/* memory of just its length, so that ASan sees a step over */
	CLO_AUTO_MEM uint8_t *bytes = malloc(frame->len ? frame->len : 1);
	CLO_AUTO_MEM char *hex = malloc(2 * (size_t)frame->len + 1);
	struct clo_trace_run run;
	json_auto_t *made = NULL;
	char text[160];

	if (!bytes || !hex)
		return;
	memcpy(bytes, frame->bytes, frame->len);
	clo_hex_encode(bytes, frame->len, hex);
	made = clo_trace_by_frame(tracer, in, bytes, frame->len, &run, text);
	assert(made ? sound(&run, made, hex)
		    : frame->len > CLO_TRACE_FRAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const senders[] = {"acme/production/w/0",
					      "acme/production/w/1", "eth0"};
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	struct clo_pcap_reader reader;
	struct clo_pcap_frame frame;
	char text[160];

	if (!policy)
		prepare();
	if (size < 1 ||
	    clo_pcap_reader_init(data + 1, size - 1, &reader, text) < 0 ||
	    clo_tracer_new(compiled, compiled->tables, NULL, &tracer) < 0)
		return 0;
	while (reader.n < 64 && clo_pcap_reader_next(&reader, &frame, text) > 0)
		trace(tracer, senders[data[0] % 3], &frame);
	return 0;
}
