/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/log_signers.h"
#include "agent/attest/siem.h"
#include "agent/attest/statement.h"
#include "agent/base/hex.h"
#include "agent/cli/log_open.h"
#include "agent/cli/log_tiles.h"
#include "agent/cli/output.h"

enum {
	OPT_SINCE = CLO_LOG_OPTS,
	OPT_UNTIL,
	OPT_FORMAT,
	OPT_OUTPUT,
};

/* Where the lines go, which, and how many entries went. */
struct lines {
	FILE *file;
	enum clo_siem_format events; /* CLO_SIEM_FORMATS: entries as they are */
	/* Of events: who may have signed, and when. */
	struct clo_log_signers *signers;
	const struct clo_store_range *range;
	uint64_t n;
};

/* Texts as they were signed and hashed: strings, not objects. */
static json_t *line_of(const struct clo_entry *entry)
{
	const struct clo_record *record = &entry->record;
	char digest[CLO_SHA256_HEX];
	char hash[CLO_SHA256_HEX];
	char when[21];

	clo_hex_encode(entry->hash, CLO_SHA256_SIZE, hash);
	if (!entry->recorded)
		return json_pack("{s:I, s:s, s:s?}", "index",
				 (json_int_t)entry->index, "hash", hash,
				 "entry", entry->body);

	clo_hex_encode(record->payload_digest, CLO_SHA256_SIZE, digest);
	clo_time_format(record->time, when);
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s,"
			 " s:s}",
			 "index", (json_int_t)entry->index, "hash", hash,
			 "entry", entry->body, "boot", record->boot_id,
			 "sequence", (json_int_t)record->sequence, "kind",
			 record->kind, "scope", record->scope, "time", when,
			 "verdict", record->verdict, "digest", digest,
			 "envelope", record->envelope);
}

static int put_line(void *userdata, const struct clo_entry *entry)
{
	struct lines *lines = userdata;
	json_auto_t *line = line_of(entry);

	if (!line) /* text that is no UTF-8 */
		return -EUCLEAN;
	if (json_dumpf(line, lines->file, JSON_COMPACT | JSON_SORT_KEYS) < 0 ||
	    fputc('\n', lines->file) == EOF)
		return -EIO;
	lines->n++;
	return 0;
}

static int put_event(const char *line, void *userdata)
{
	return fprintf(userdata, "%s\n", line) < 0 ? -EIO : 0;
}

static bool is_wanted(const struct lines *lines,
		      const struct clo_record *record)
{
	const struct clo_store_range *range = lines->range;

	return clo_siem_takes(record->kind) &&
	       (!range->until ||
		(record->time >= range->since && record->time <= range->until));
}

/* -EBADMSG: nobody who may signed it; not a byte of it is shown. */
static int open_signed(const struct clo_key *signer,
		       const struct clo_record *record, json_t **ret_statement)
{
	CLO_AUTO_MEM char *payload = NULL;
	size_t len;
	int r;

	r = clo_dsse_open(signer, record->envelope, strlen(record->envelope),
			  &payload, &len);
	if (r < 0)
		return r;
	*ret_statement = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
	return *ret_statement ? 0 : -EBADMSG;
}

/* The controls of an attestation as a line each, and each gap. */
static int put_events(void *userdata, const struct clo_entry *entry)
{
	struct lines *lines = userdata;
	const struct clo_record *record = &entry->record;
	const struct clo_key *signer = NULL, *log_key = NULL;
	json_auto_t *statement = NULL;
	char digest[CLO_SHA256_HEX];
	bool wanted;
	const char *flaw;
	int r;

	if (!entry->recorded)
		return 0;
	wanted = is_wanted(lines, record);
	if (!wanted && clo_kind_of_name(record->kind) != CLO_KIND_NODE_KEY)
		return 0;
	r = clo_log_signers_find(lines->signers, entry, &signer, &log_key,
				 &flaw);
	if (r < 0 || !wanted)
		return r;
	r = open_signed(signer, record, &statement);
	if (r < 0)
		return r;
	clo_hex_encode(record->payload_digest, CLO_SHA256_SIZE, digest);
	r = clo_siem_events(statement, digest, lines->events, put_event,
			    lines->file);
	lines->n += r == 0;
	return r;
}

static int say(const struct clo_cli *cli, uint64_t n, const char *output)
{
	json_auto_t *json = json_pack("{s:I, s:s}", "entries", (json_int_t)n,
				      "output", output);

	if (cli->json)
		return clo_json_print(json);
	(void)printf("%" PRIu64 " entries written to ", n);
	clo_text_print(stdout, output);
	(void)putchar('\n');
	return CLO_EXIT_OK;
}

static int fail_write(const struct clo_cli *cli, const char *path, int r)
{
	return clo_fail(cli, CLO_EXIT_USAGE, "cannot write %s: %s", path,
			strerrordesc_np(-r));
}

/* Where records vouch for keys, they may stand before the range. */
static int each_event(struct clo_store *store, struct lines *lines)
{
	const struct clo_store_range all = {.to = CLO_MERKLE_SIZE_MAX};
	CLO_AUTO_MEM char *envelope = NULL;
	time_t when;
	int r;

	r = clo_store_latest(store, CLO_NODE_KEY_SCOPE, &envelope, &when);
	if (r < 0 && r != -ENOENT)
		return r;
	return clo_store_each(store, r == 0 ? &all : lines->range, put_events,
			      lines);
}

static int write_lines(const struct clo_cli *cli, struct clo_store *store,
		       struct lines *lines)
{
	const char *output = cli->values[OPT_OUTPUT];
	int r;

	if (output) {
		lines->file = fopen(output, "we");
		if (!lines->file)
			return fail_write(cli, output, -errno);
	}
	r = lines->signers
		    ? each_event(store, lines)
		    : clo_store_each(store, lines->range, put_line, lines);
	if (output && fclose(lines->file) != 0 && r == 0)
		r = -EIO;
	if (r == -EIO)
		return fail_write(cli, output ? output : "stdout", r);
	if (r == -EBADMSG)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"not authentic: an attestation that none of "
				"the keys signed: name the keys by --key");
	if (r < 0)
		return clo_log_fail(cli, r);
	return output ? say(cli, lines->n, output) : CLO_EXIT_OK;
}

static int export_lines(const struct clo_cli *cli, struct clo_store *store,
			const struct clo_store_range *range,
			enum clo_siem_format events)
{
	__attribute__((cleanup(clo_log_keys_done))) struct clo_log_keys keys = {
		0};
	struct lines lines = {.file = stdout, .events = events, .range = range};
	struct clo_log_signers signers;
	int code;

	if (cli->json && !cli->values[OPT_OUTPUT])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log export: --json needs --output");
	if (events == CLO_SIEM_FORMATS)
		return write_lines(cli, store, &lines);
	code = clo_log_keys_find(cli, store, &keys);
	if (code != CLO_EXIT_OK)
		return code;
	clo_log_signers_init(&signers, keys.keys, keys.n);
	lines.signers = &signers;
	code = write_lines(cli, store, &lines);
	clo_log_signers_done(&signers);
	return code;
}

static int export_tiles(const struct clo_cli *cli, struct clo_store *store)
{
	__attribute__((cleanup(clo_log_keys_done))) struct clo_log_keys keys = {
		0};
	const char *output = cli->values[OPT_OUTPUT];
	CLO_AUTO_MEM char *note = NULL;
	CLO_AUTO_MEM char *path = NULL;
	struct clo_checkpoint head = {0};
	int code, r;

	if (!output || cli->values[OPT_SINCE] || cli->values[OPT_UNTIL])
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log export: tiles are of the whole log, and "
				"need --output DIR");
	code = clo_log_keys_find(cli, store, &keys);
	if (code == CLO_EXIT_OK)
		code = clo_log_head(cli, store, &keys, &note, &head);
	if (code != CLO_EXIT_OK)
		return code;

	path = calloc(1, 4096);
	if (!path)
		return clo_log_fail(cli, -ENOMEM);
	r = clo_log_tiles(store, head.size, note, output, path);
	if (r == -EUCLEAN || r == -ENOMEM)
		return clo_log_fail(cli, r);
	return r < 0 ? fail_write(cli, path, r) : say(cli, head.size, output);
}

static int read_time(const struct clo_cli *cli, int option, time_t *ret_time)
{
	const char *text = cli->values[option];

	if (!text || clo_time_parse(text, ret_time) == 0)
		return CLO_EXIT_OK;
	return clo_fail(cli, CLO_EXIT_USAGE,
			"log export: %s is no time like 2026-01-02T03:04:05Z",
			text);
}

static int run(const struct clo_cli *cli)
{
	struct clo_store_range range = {.to = CLO_MERKLE_SIZE_MAX};
	CLO_AUTO(clo_store) struct clo_store *store = NULL;
	const char *format = cli->values[OPT_FORMAT];
	enum clo_siem_format events;
	int code;

	if (!format)
		format = "jsonl";
	events = clo_siem_format(format);
	if (events == CLO_SIEM_FORMATS && strcmp(format, "jsonl") != 0 &&
	    strcmp(format, "tiles") != 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log export: --format takes jsonl, tiles, "
				"ocsf, ecs or cef, not %s",
				format);
	if (cli->values[OPT_SINCE] || cli->values[OPT_UNTIL])
		range.until = INT64_MAX;
	code = read_time(cli, OPT_SINCE, &range.since);
	if (code == CLO_EXIT_OK)
		code = read_time(cli, OPT_UNTIL, &range.until);
	if (code == CLO_EXIT_OK)
		code = clo_log_open(cli, &store);
	if (code != CLO_EXIT_OK)
		return code;

	return strcmp(format, "tiles") == 0
		       ? export_tiles(cli, store)
		       : export_lines(cli, store, &range, events);
}

const struct clo_command clo_command_log_export = {
	.name = "log export",
	.summary = "write the log's entries out",
	.details = "As a line of JSON each, with the envelope, or as C2SP "
		   "tlog-tiles, which name\nonly digests: what a log may show "
		   "to anyone; or each assessed control of\nan attestation and "
		   "each gap as an event: OCSF 1.1, ECS 8.11, or CEF in\n"
		   "RFC 5424 lines.\n",
	.options =
		{
			CLO_LOG_OPTIONS,
			[OPT_SINCE] = {"since", "TIME",
				       "from then on, as 2026-01-02T03:04:05Z"},
			[OPT_UNTIL] = {"until", "TIME", "up to then"},
			[OPT_FORMAT] =
				{"format", "FORMAT",
				 "jsonl, tiles, ocsf, ecs, cef; else jsonl"},
			[OPT_OUTPUT] = {"output", "PATH",
					"a file, of tiles a directory"},
		},
	.list = "key",
	.run = run,
};
