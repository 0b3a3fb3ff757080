/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/hex.h"
#include "agent/cli/client.h"
#include "agent/cli/number.h"
#include "agent/cli/output.h"
#include "agent/cli/pcap.h"

enum {
	OPT_ENDPOINT,
	OPT_TENANT,
	OPT_KIND,
	OPT_REASON,
	OPT_PCAP,
	OPT_COUNT,
};

#define COUNT_MAX 999999999
#define MORE (-1) /* for clo_client_stream() */

struct stream {
	const struct clo_cli *cli;
	int pcap; /* -1: none */
	long long left; /* events; 0: without end */
	bool begun;
};

/* "10.0.0.1:80", "[fd00::1]:80", "10.0.0.1"; a MAC where there is no IP. */
static void end_text(const json_t *event, bool source, char *ret_text,
		     size_t size)
{
	const char *address = json_string_value(
		json_object_get(event, source ? "source" : "destination"));
	const json_t *port = json_object_get(event, source ? "sourcePort"
							   : "destinationPort");

	if (!address)
		address = clo_member_text(event, source ? "sourceMac"
							: "destinationMac");
	if (json_is_integer(port))
		(void)snprintf(ret_text, size,
			       strchr(address, ':')
				       ? "[%s]:%" JSON_INTEGER_FORMAT
				       : "%s:%" JSON_INTEGER_FORMAT,
			       address, json_integer_value(port));
	else
		(void)snprintf(ret_text, size, "%s", address);
}

/* "web/0 of acme/production" is its full name; outside has none. */
static const char *name_text(const json_t *event, const char *key)
{
	const char *name = json_string_value(json_object_get(event, key));

	return name ? name : "outside";
}

static void print_end(const json_t *event, bool source, int width)
{
	char text[96];

	end_text(event, source, text, sizeof(text));
	clo_text_pad(stdout, text, width);
}

static void print_volume(const json_t *event, const char *key)
{
	const json_t *volume = json_object_get(event, key);

	(void)printf("%" JSON_INTEGER_FORMAT " packets %" JSON_INTEGER_FORMAT
		     " bytes",
		     clo_member_int(volume, "packets"),
		     clo_member_int(volume, "bytes"));
}

static void print_outcome(const struct clo_cli *cli, const json_t *event,
			  const char *kind)
{
	clo_text_print(stdout, clo_member_text(event, "rule"));
	if (strcmp(kind, "denied") == 0) {
		(void)fputs("  ", stdout);
		clo_text_print(stdout, clo_member_text(event, "reason"));
		(void)fputs(": ", stdout);
		clo_text_print(stdout, clo_member_text(event, "text"));
		if (json_is_true(json_object_get(event, "audit")))
			clo_color_print(cli, CLO_COLOR_WARN,
					" (audit: passed)");
	} else if (strcmp(kind, "ended") == 0) {
		(void)printf("  %" JSON_INTEGER_FORMAT " ms, ",
			     clo_member_int(event, "durationMs"));
		print_volume(event, "initiator");
		(void)fputs(" > ", stdout);
		print_volume(event, "responder");
		(void)fputs(" <", stdout);
	}
}

static enum clo_color color_of(const char *kind)
{
	if (strcmp(kind, "denied") == 0)
		return CLO_COLOR_BAD;
	return strcmp(kind, "new") == 0 ? CLO_COLOR_GOOD : CLO_COLOR_NONE;
}

static void print_kind(const struct clo_cli *cli, const json_t *event,
		       const char *kind)
{
	const char *time = clo_member_text(event, "time");

	/* the day is in --json */
	clo_text_pad(stdout, strlen(time) == 24 ? time + 11 : time, 15);
	clo_color_set(cli, color_of(kind));
	clo_text_pad(stdout, kind, 8);
	clo_color_set(cli, CLO_COLOR_NONE);
}

static void print_event(const struct clo_cli *cli, const json_t *event)
{
	const char *kind = clo_member_text(event, "kind");
	bool out = strcmp(clo_member_text(event, "direction"), "to_guest") != 0;
	char protocol[16];

	print_kind(cli, event, kind);
	if (strcmp(kind, "unsent") == 0) {
		clo_text_print(stdout, name_text(event, "endpoint"));
		(void)printf(": %" JSON_INTEGER_FORMAT
			     " events left out so far\n",
			     clo_member_int(event, "unsent"));
		return;
	}

	(void)snprintf(protocol, sizeof(protocol), "%s",
		       json_is_string(json_object_get(event, "protocol"))
			       ? clo_member_text(event, "protocol")
			       : clo_member_text(event, "ethertype"));
	if (json_is_integer(json_object_get(event, "icmpType")))
		(void)snprintf(protocol, sizeof(protocol),
			       "%.6s/%" JSON_INTEGER_FORMAT,
			       clo_member_text(event, "protocol"),
			       clo_member_int(event, "icmpType"));
	clo_text_pad(stdout, protocol, 12);
	print_end(event, true, 23);
	(void)fputs("> ", stdout);
	print_end(event, false, 23);
	clo_text_pad(stdout, name_text(event, out ? "endpoint" : "peer"), 28);
	(void)fputs("> ", stdout);
	clo_text_pad(stdout, name_text(event, out ? "peer" : "endpoint"), 28);
	print_outcome(cli, event, kind);
	(void)putchar('\n');
}

/* CLO_EXIT_OK, or the failure has been printed. */
static int save_frame(const struct stream *stream, const json_t *frame)
{
	uint8_t bytes[CLO_PCAP_SNAP];
	const char *hex = clo_member_text(frame, "bytes");
	size_t n = strlen(hex) / 2;
	json_int_t length = clo_member_int(frame, "length");
	json_int_t ns = clo_member_int(frame, "ns");
	int r;

	if (n > sizeof(bytes) || clo_hex_decode(hex, n, bytes) < 0 ||
	    length < (json_int_t)n || length > UINT32_MAX || ns < 0)
		return clo_fail_reply(stream->cli);
	r = clo_pcap_write(stream->pcap, (uint64_t)ns, bytes, (uint32_t)n,
			   (uint32_t)length);
	return r < 0 ? clo_fail(stream->cli, CLO_EXIT_FAILED,
				"cannot write the capture file: %s",
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

/* The first message: a filter that names nobody is worth a word. */
static int begin(struct stream *stream, const json_t *result)
{
	const json_t *endpoints = json_object_get(result, "endpoints");

	stream->begun = true;
	if (json_is_integer(endpoints) && json_integer_value(endpoints) == 0)
		(void)fputs("cloison: no endpoint of the policy in force has "
			    "that name\n",
			    stderr);
	return MORE;
}

static void print(const struct stream *stream, const json_t *message)
{
	json_int_t lost = clo_member_int(message, "lost");

	if (stream->cli->json) {
		(void)json_dumpf(message, stdout,
				 JSON_COMPACT | JSON_ENSURE_ASCII);
		(void)putchar('\n');
	} else if (lost > 0) {
		(void)printf("%" JSON_INTEGER_FORMAT
			     " events lost: this terminal is too slow\n",
			     lost);
	} else {
		print_event(stream->cli, message);
	}
}

static int on_message(json_t *message, void *userdata)
{
	struct stream *stream = userdata;
	const json_t *frame = json_object_get(message, "frame");
	const char *kind;
	int code;

	if (!stream->begun)
		return begin(stream, message);
	kind = json_string_value(json_object_get(message, "kind"));
	if (!kind && !json_is_integer(json_object_get(message, "lost")))
		return clo_fail_reply(stream->cli);
	if (frame && stream->pcap >= 0) {
		code = save_frame(stream, frame);
		if (code != CLO_EXIT_OK)
			return code;
	}

	print(stream, message);
	if (fflush(stdout) != 0)
		return CLO_EXIT_FAILED; /* said by clo_cli_main() */
	if (!kind || strcmp(kind, "unsent") == 0 || stream->left == 0)
		return MORE;
	return --stream->left == 0 ? CLO_EXIT_OK : MORE;
}

static int run(const struct clo_cli *cli)
{
	const char *const *values = cli->values;
	struct stream stream = {.cli = cli, .pcap = -1};
	CLO_AUTO_FD int pcap = -1;
	json_auto_t *request = NULL;

	if (values[OPT_COUNT]) {
		stream.left = clo_number_parse(values[OPT_COUNT], COUNT_MAX);
		if (stream.left < 1)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"monitor: --count %s is no number from "
					"1 to %d",
					values[OPT_COUNT], COUNT_MAX);
	}
	if (values[OPT_PCAP]) {
		pcap = clo_pcap_create(values[OPT_PCAP]);
		if (pcap < 0)
			return clo_fail(cli, CLO_EXIT_USAGE,
					"cannot write %s: %s", values[OPT_PCAP],
					strerrordesc_np(-pcap));
		stream.pcap = pcap;
	}
	request = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:b}", "op",
			    "monitor", "endpoint", values[OPT_ENDPOINT],
			    "tenant", values[OPT_TENANT], "kind",
			    values[OPT_KIND], "reason", values[OPT_REASON],
			    "capture", stream.pcap >= 0);
	return clo_client_stream(cli, request, on_message, &stream);
}

const struct clo_command clo_command_monitor = {
	.name = "monitor",
	.summary = "show flows and drops as they happen",
	.details =
		"One line for each flow that begins or ends and each frame "
		"that is dropped, with\nthe rule that decided. Goes on until it "
		"is interrupted. With --json one object\non each line. --pcap "
		"writes the first bytes of dropped frames to a file; only\n"
		"root may.\n",
	.options =
		{
			[OPT_ENDPOINT] = {"endpoint", "NAME",
					  "only TENANT/ENV/WORKLOAD[/N]"},
			[OPT_TENANT] = {"tenant", "T[/ENV]",
					"only of this tenant"},
			[OPT_KIND] = {"kind", "K", "only new, denied or ended"},
			[OPT_REASON] = {"reason", "R",
					"only this drop, as in POLICY"},
			[OPT_PCAP] = {"pcap", "FILE",
				      "write dropped frames to FILE"},
			[OPT_COUNT] = {"count", "N", "end after N events"},
		},
	.run = run,
};
