/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hex.h"
#include "policy/explain_trace_impl.h"

/* A member that may be left out, a number of 0 to `most`. */
static bool number(const json_t *json, const char *member, json_int_t most,
		   uint16_t *ret_number)
{
	const json_t *value = json_object_get(json, member);
	json_int_t n = json_integer_value(value);

	if (value && (!json_is_integer(value) || n < 0 || n > most))
		return false;
	*ret_number = (uint16_t)n;
	return true;
}

/* A member that may be left out or null, a text. */
static bool text(const json_t *json, const char *member, const char **ret_text)
{
	const json_t *value = json_object_get(json, member);

	*ret_text = json_string_value(value);
	return !value || json_is_null(value) || *ret_text;
}

static int parse_frames(const json_t *frames, const char *in,
			char reterr_text[160])
{
	json_t *frame;
	size_t i, total = 0;

	if (!in)
		return clo_trace_bad(
			reterr_text,
			"trace of frames needs in: whose they are");
	if (json_array_size(frames) == 0 ||
	    json_array_size(frames) > CLO_TRACE_FRAMES_MAX)
		return clo_trace_bad(reterr_text, "trace takes 1 to %u frames",
				     CLO_TRACE_FRAMES_MAX);
	json_array_foreach (frames, i, frame) {
		size_t digits = json_string_length(frame);

		total += digits / 2;
		const char *hex = json_string_value(frame);

		if (!hex || digits % 2 || digits / 2 > CLO_TRACE_FRAME_MAX ||
		    strspn(hex, "0123456789abcdef") != digits)
			return clo_trace_bad(reterr_text,
					     "frame %zu is not lower-case hex "
					     "of at most %u bytes",
					     i + 1, CLO_TRACE_FRAME_MAX);
	}
	if (total > CLO_TRACE_BYTES_MAX)
		return clo_trace_bad(reterr_text,
				     "frames of %zu bytes together, more than "
				     "%u MiB: trace fewer at a time",
				     total, CLO_TRACE_BYTES_MAX >> 20);
	return 0;
}

int clo_trace_request_parse(const json_t *json,
			    struct clo_trace_request *ret_request,
			    char reterr_text[160])
{
	struct clo_trace_request request = {
		.frames = json_object_get(json, "frames")};
	struct clo_trace_fields *fields = &request.fields;
	uint16_t family;

	if (!text(json, "in", &fields->in) ||
	    !text(json, "from", &fields->from) ||
	    !text(json, "to", &fields->to) ||
	    !text(json, "proto", &fields->proto) ||
	    !text(json, "flags", &fields->flags))
		return clo_trace_bad(reterr_text,
				     "trace: in, from, to, proto and flags are "
				     "texts");
	if (request.frames) {
		if (parse_frames(request.frames, fields->in, reterr_text) < 0)
			return -EINVAL;
		*ret_request = request;
		return 0;
	}
	if (!fields->from || !fields->to || !fields->proto ||
	    !number(json, "dport", UINT16_MAX, &fields->number) ||
	    !number(json, "sport", UINT16_MAX, &fields->sport))
		return clo_trace_bad(reterr_text,
				     "trace needs from, to, proto and a dport "
				     "of 0 to 65535");
	if (!number(json, "family", 6, &family) ||
	    (family != 0 && family != 4 && family != 6))
		return clo_trace_bad(reterr_text, "family is 4 or 6");
	fields->family = (uint8_t)family;
	*ret_request = request;
	return 0;
}

struct asker {
	struct clo_tracer *tracer;
	int (*after)(void *userdata, const struct clo_trace_run *run,
		     json_t *trace);
	void *userdata;
	struct clo_trace_run run;
};

/* Takes the trace; NULL stays NULL. */
static json_t *finish(struct asker *asker, json_t *trace, char reterr_text[160])
{
	if (!trace || !asker->after ||
	    asker->after(asker->userdata, &asker->run, trace) == 0)
		return trace;
	json_decref(trace);
	(void)clo_trace_bad(reterr_text, "out of memory");
	return NULL;
}

static json_t *run_frame(struct asker *asker, const char *in,
			 const json_t *frame, char reterr_text[160])
{
	CLO_AUTO_MEM uint8_t *bytes = NULL;
	size_t len = json_string_length(frame) / 2;

	bytes = malloc(len ? len : 1);
	if (!bytes ||
	    clo_hex_decode(json_string_value(frame), len, bytes) < 0) {
		(void)clo_trace_bad(reterr_text, "out of memory");
		return NULL;
	}
	return finish(asker,
		      clo_trace_by_frame(asker->tracer, in, bytes, len,
					 &asker->run, reterr_text),
		      reterr_text);
}

json_t *clo_trace_request_run(struct clo_tracer *tracer,
			      const struct clo_trace_request *request,
			      int (*after)(void *userdata,
					   const struct clo_trace_run *run,
					   json_t *trace),
			      void *userdata, char reterr_text[160])
{
	struct asker asker = {
		.tracer = tracer, .after = after, .userdata = userdata};
	json_auto_t *traces = NULL;
	json_t *frame;
	size_t i;

	if (!request->frames)
		return finish(&asker,
			      clo_trace_by_fields(tracer, &request->fields,
						  &asker.run, reterr_text),
			      reterr_text);
	traces = json_array();
	json_array_foreach (request->frames, i, frame) {
		json_t *trace = run_frame(&asker, request->fields.in, frame,
					  reterr_text);

		if (!trace)
			return NULL;
		if (json_array_append_new(traces, trace) < 0) {
			(void)clo_trace_bad(reterr_text, "out of memory");
			return NULL;
		}
	}
	return json_pack("{s:O}", "traces", traces);
}
