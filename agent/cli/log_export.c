/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* Where the lines go, and how many went. */
struct lines {
	FILE *file;
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
		return json_pack("{s:I, s:s, s:s}", "index",
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

static int export_lines(const struct clo_cli *cli, struct clo_store *store,
			const struct clo_store_range *range)
{
	const char *output = cli->values[OPT_OUTPUT];
	struct lines lines = {.file = stdout};
	int r;

	if (cli->json && !output)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log export: --json needs --output");
	if (output) {
		lines.file = fopen(output, "we");
		if (!lines.file)
			return fail_write(cli, output, -errno);
	}
	r = clo_store_each(store, range, put_line, &lines);
	if (output && fclose(lines.file) != 0 && r == 0)
		r = -EIO;
	if (r == -EIO)
		return fail_write(cli, output ? output : "stdout", r);
	if (r < 0)
		return clo_log_fail(cli, r);
	return output ? say(cli, lines.n, output) : CLO_EXIT_OK;
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
	int code;

	if (!format)
		format = "jsonl";
	if (strcmp(format, "jsonl") != 0 && strcmp(format, "tiles") != 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"log export: --format takes jsonl or tiles, "
				"not %s",
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

	return strcmp(format, "jsonl") == 0 ? export_lines(cli, store, &range)
					    : export_tiles(cli, store);
}

const struct clo_command clo_command_log_export = {
	.name = "log export",
	.summary = "write the log's entries out",
	.details = "As a line of JSON each, with the envelope, or as C2SP "
		   "tlog-tiles, which name\nonly digests: what a log may show "
		   "to anyone.\n",
	.options =
		{
			CLO_LOG_OPTIONS,
			[OPT_SINCE] = {"since", "TIME",
				       "from then on, as 2026-01-02T03:04:05Z"},
			[OPT_UNTIL] = {"until", "TIME", "up to then"},
			[OPT_FORMAT] = {"format", "FORMAT",
					"jsonl or tiles; else jsonl"},
			[OPT_OUTPUT] = {"output", "PATH",
					"a file, of tiles a directory"},
		},
	.list = "key",
	.run = run,
};
