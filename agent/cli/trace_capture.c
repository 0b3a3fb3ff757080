/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/base/pcap_read.h"
#include "agent/cli/output.h"
#include "agent/cli/trace.h"
#include "policy/explain_trace.h"

#define CAPTURE_MAX (64U << 20)

void clo_trace_capture_done(struct clo_trace_capture *capture)
{
	json_decref(capture->frames);
	json_decref(capture->captured);
	*capture = (struct clo_trace_capture){0};
}

/* NULL without memory. What was not captured reads as zeros. */
static json_t *frame_hex(const struct clo_pcap_frame *frame)
{
	CLO_AUTO_MEM char *text = malloc(2 * (size_t)frame->true_len + 1);

	if (!text)
		return NULL;
	clo_hex_encode(frame->bytes, frame->len, text);
	memset(text + 2 * (size_t)frame->len, '0',
	       2 * (size_t)(frame->true_len - frame->len));
	return json_stringn(text, 2 * (size_t)frame->true_len);
}

static int add_frame(struct clo_trace_capture *capture,
		     const struct clo_pcap_frame *frame, size_t number,
		     char reterr_text[160])
{
	if (frame->true_len > CLO_TRACE_FRAME_MAX) {
		(void)snprintf(reterr_text, 160,
			       "frame %zu: of %u bytes, at most %u go through "
			       "a hook",
			       number, frame->true_len, CLO_TRACE_FRAME_MAX);
		return -EINVAL;
	}
	if (json_array_size(capture->frames) == CLO_TRACE_FRAMES_MAX) {
		(void)snprintf(reterr_text, 160,
			       "more than %u frames: pick one by --frame",
			       CLO_TRACE_FRAMES_MAX);
		return -EINVAL;
	}
	if (json_array_append_new(capture->frames, frame_hex(frame)) < 0 ||
	    json_array_append_new(capture->captured, json_integer(frame->len)) <
		    0) {
		(void)snprintf(reterr_text, 160, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static int read_frames(const uint8_t *data, size_t len, size_t only,
		       struct clo_trace_capture *capture, char reterr_text[160])
{
	struct clo_pcap_reader reader;
	struct clo_pcap_frame frame;
	int r = clo_pcap_reader_init(data, len, &reader, reterr_text);

	while (r >= 0) {
		r = clo_pcap_reader_next(&reader, &frame, reterr_text);
		if (r == 0)
			break;
		if (r > 0 && (only == 0 || reader.n == only))
			r = add_frame(capture, &frame, reader.n, reterr_text);
		if (r == 0 && reader.n == only)
			break;
	}
	if (r < 0 || json_array_size(capture->frames) > 0)
		return r;
	(void)snprintf(reterr_text, 160, "it has %zu frames%s", reader.n,
		       only ? ", none of that number" : "");
	return -EINVAL;
}

int clo_trace_capture_read(const struct clo_cli *cli, const char *path,
			   size_t only, struct clo_trace_capture *ret_capture)
{
	struct clo_trace_capture capture = {.frames = json_array(),
					    .captured = json_array(),
					    .first = only ? only : 1};
	CLO_AUTO_MEM char *data = NULL;
	char why[160] = "";
	size_t len;
	int r = clo_file_read(path, CAPTURE_MAX, &data, &len);

	if (r == -EFBIG)
		(void)snprintf(why, sizeof(why), "longer than 64 MiB");
	else if (r < 0)
		(void)snprintf(why, sizeof(why), "%s", strerrordesc_np(-r));
	else
		r = read_frames((const uint8_t *)data, len, only, &capture,
				why);
	if (r < 0) {
		clo_trace_capture_done(&capture);
		return clo_fail(cli, CLO_EXIT_USAGE, "trace: --pcap %s: %s",
				path, why);
	}

	*ret_capture = capture;
	return CLO_EXIT_OK;
}

int clo_trace_hex_read(const struct clo_cli *cli, const char *text,
		       json_t **ret_hex)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	static const char plain[] = "0123456789abcdefabcdef";
	CLO_AUTO_MEM char *hex = malloc(strlen(text) + 1);
	size_t n = 0;

	if (!hex)
		return clo_fail(cli, CLO_EXIT_FAILED, "out of memory");
	for (const char *at = text; *at; at++) {
		const char *digit = strchr(digits, *at);

		if (!digit && strchr(" \t\n:-", *at))
			continue;
		if (!digit)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"trace: --hex: character %zu is no "
					"hexadecimal digit",
					(size_t)(at - text) + 1);
		hex[n++] = plain[digit - digits];
	}
	if (n == 0 || n % 2 || n / 2 > CLO_TRACE_FRAME_MAX)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"trace: --hex: %zu digits are no frame of 1 to "
				"%u bytes",
				n, CLO_TRACE_FRAME_MAX);

	*ret_hex = json_stringn(hex, n);
	return CLO_EXIT_OK;
}
