/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/output.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/report.h"

/*
 * Bytes of the UTF-8 sequence that text begins with, and its code point. 1 and
 * UINT32_MAX for a byte that begins none. Over-long forms decode to what they
 * hide and are caught as such by the length.
 */
static size_t decode(const unsigned char *text, uint32_t *ret_point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = 0, i;
	uint32_t point;

	if (text[0] < 0x80) {
		*ret_point = text[0];
		return 1;
	}

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		n = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		n = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		n = 4;

	*ret_point = UINT32_MAX;
	if (n == 0)
		return 1;

	point = text[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 1;
		point = point << 6 | (text[i] & 0x3fU);
	}
	if (point < least[n] || point > 0x10ffff)
		return 1;

	*ret_point = point;
	return n;
}

/* Harmless on a terminal: no control and nothing that reorders the line. */
static bool harmless(uint32_t point)
{
	if (point < 0x20 || (point >= 0x7f && point < 0xa0))
		return false;
	if (point >= 0xd800 && point <= 0xdfff)
		return false;
	if (point >= 0x200b && point <= 0x200f)
		return false;
	if (point >= 0x2028 && point <= 0x202e)
		return false;
	if (point >= 0x2060 && point <= 0x206f)
		return false;
	return point != 0xfeff && point <= 0x10ffff;
}

/*
 * Prints to `out` unless it is NULL; `keep` is a control character that goes
 * through, or 0. Returns the columns.
 */
static int emit(FILE *out, const char *text, uint32_t keep)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t point;
	size_t n, i;
	int width = 0;

	for (; *at; at += n) {
		n = decode(at, &point);
		if (harmless(point) || point == keep) {
			if (out)
				(void)fwrite(at, 1, n, out);
			width++;
			continue;
		}
		for (i = 0; i < n; i++, width += 4) {
			if (out)
				(void)fprintf(out, "\\x%02x", at[i]);
		}
	}
	return width;
}

void clo_text_print(FILE *out, const char *text)
{
	(void)emit(out, text, 0);
}

void clo_text_lines(FILE *out, const char *text)
{
	(void)emit(out, text, '\n');
}

int clo_text_width(const char *text)
{
	return emit(NULL, text, 0);
}

void clo_text_pad(FILE *out, const char *text, int width)
{
	int spaces = width - emit(out, text, 0);

	if (spaces > 0)
		(void)fprintf(out, "%*s", spaces, "");
}

void clo_color_set(const struct clo_cli *cli, enum clo_color color)
{
	static const char *const codes[] = {
		[CLO_COLOR_NONE] = "\033[0m",   [CLO_COLOR_GOOD] = "\033[32m",
		[CLO_COLOR_BAD] = "\033[1;31m", [CLO_COLOR_WARN] = "\033[33m",
		[CLO_COLOR_DIM] = "\033[2m",    [CLO_COLOR_BOLD] = "\033[1m",
	};

	if (cli->color)
		(void)fputs(codes[color], stdout);
}

void clo_color_print(const struct clo_cli *cli, enum clo_color color,
		     const char *text)
{
	clo_color_set(cli, color);
	clo_text_print(stdout, text);
	clo_color_set(cli, CLO_COLOR_NONE);
}

enum clo_color clo_color_of(const char *verdict)
{
	static const struct {
		const char *word;
		enum clo_color color;
	} words[] = {
		{"PASSED", CLO_COLOR_GOOD},       {"PASS", CLO_COLOR_GOOD},
		{"PROVED", CLO_COLOR_GOOD},       {"WHOLE", CLO_COLOR_GOOD},
		{"NOT AUTHENTIC", CLO_COLOR_BAD}, {"allow", CLO_COLOR_GOOD},
		{"FAILED", CLO_COLOR_BAD},        {"FAIL", CLO_COLOR_BAD},
		{"VIOLATED", CLO_COLOR_BAD},      {"drop", CLO_COLOR_BAD},
		{"NOT-ASSESSED", CLO_COLOR_DIM},
	};

	size_t i;

	for (i = 0; i < CLO_ARRAY_LEN(words); i++) {
		if (strcmp(verdict, words[i].word) == 0)
			return words[i].color;
	}
	return CLO_COLOR_WARN;
}

int clo_json_print(const json_t *json)
{
	/* ASCII only: JSON may go to a terminal, too. */
	(void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	return CLO_EXIT_OK;
}

int clo_refuse(const struct clo_cli *cli, enum clo_exit code, const char *error,
	       const json_t *flaws, const json_t *breaches)
{
	json_auto_t *document = NULL;
	json_t *text;

	if (!cli->json) {
		clo_report_flaws(flaws);
		clo_report_breaches(stderr, breaches);
		(void)fputs("cloison: ", stderr);
		clo_text_print(stderr, error);
		(void)fputc('\n', stderr);
		return (int)code;
	}

	/* `error` may name a file, whose name need not be UTF-8. */
	text = json_string(error);
	if (!text)
		text = json_string("failed (the message is not UTF-8)");
	document = json_pack("{s:o, s:O*, s:O*}", "error", text, "flaws", flaws,
			     "breaches", breaches);
	if (document)
		(void)clo_json_print(document);
	return (int)code;
}

int clo_fail(const struct clo_cli *cli, enum clo_exit code, const char *fmt,
	     ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return clo_refuse(cli, code, text, NULL, NULL);
}

int clo_fail_reply(const struct clo_cli *cli)
{
	return clo_fail(cli, CLO_EXIT_FAILED,
			"the daemon's reply is not of this protocol "
			"(another version?)");
}

const char *clo_member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

json_int_t clo_member_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
