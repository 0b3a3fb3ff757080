/* SPDX-License-Identifier: Apache-2.0 */
#include "firmware/judge.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "firmware/source.h"

#define EFI_VARIABLE_SIZE 5 /* four bytes of attributes, one of value */

static enum clo_fact_state judge_efi(const char *text, size_t len, int good,
				     char value[CLO_VALUE_SIZE])
{
	int byte = len == EFI_VARIABLE_SIZE ? text[len - 1] : -1;

	if (byte != 0 && byte != 1) {
		(void)snprintf(value, CLO_VALUE_SIZE, "malformed, %zu bytes",
			       len);
		return CLO_FACT_NOT_OBSERVABLE;
	}

	(void)snprintf(value, CLO_VALUE_SIZE, "%d", byte);
	return byte == good ? CLO_FACT_VERIFIED : CLO_FACT_CONTRADICTED;
}

enum clo_fact_state clo_judge_efi_one(const char *text, size_t len,
				      char value[CLO_VALUE_SIZE])
{
	return judge_efi(text, len, 1, value);
}

enum clo_fact_state clo_judge_efi_zero(const char *text, size_t len,
				       char value[CLO_VALUE_SIZE])
{
	return judge_efi(text, len, 0, value);
}

enum clo_fact_state clo_judge_zero(const char *text, size_t len,
				   char value[CLO_VALUE_SIZE])
{
	(void)text;
	(void)len;
	if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
		return CLO_FACT_NOT_OBSERVABLE;
	return strcmp(value, "0") != 0 ? CLO_FACT_CONTRADICTED
				       : CLO_FACT_VERIFIED;
}

/* "none [integrity] confidentiality": the choice in brackets is in force. */
enum clo_fact_state clo_judge_lockdown(const char *text, size_t len,
				       char value[CLO_VALUE_SIZE])
{
	(void)len;
	(void)value;
	if (strstr(text, "[integrity]") || strstr(text, "[confidentiality]"))
		return CLO_FACT_VERIFIED;
	if (strstr(text, "[none]"))
		return CLO_FACT_CONTRADICTED;
	return CLO_FACT_NOT_OBSERVABLE;
}

/* A heading and one line for each swap area; whether encrypted is unknown. */
enum clo_fact_state clo_judge_swaps(const char *text, size_t len,
				    char value[CLO_VALUE_SIZE])
{
	char names[CLO_VALUE_SIZE];
	const char *line = strchr(text, '\n');
	size_t n = 0;

	(void)len;
	if (strncmp(text, "Filename", strlen("Filename")) != 0 || !line)
		return CLO_FACT_NOT_OBSERVABLE;

	names[0] = '\0';
	for (line++; *line; line += strcspn(line, "\n")) {
		line += *line == '\n';
		if (!*line)
			break;
		if (n < sizeof(names) - 1)
			n += (size_t)snprintf(names + n, sizeof(names) - n,
					      "%s%.*s", n ? " " : "",
					      (int)strcspn(line, " \t\n"),
					      line);
	}
	clo_source_line(n ? names : "none", value, CLO_VALUE_SIZE);
	return n ? CLO_FACT_CONTRADICTED : CLO_FACT_VERIFIED;
}

/*
 * Does one "name=a,b" word of a command line switch `name` off, in whole or,
 * as "mitigations=auto,no_guest_host" does, for some attackers?
 */
static bool is_off(const char *word, size_t len, const char *name)
{
	size_t name_len = strlen(name);
	const char *end = word + len;
	const char *item;

	if (len <= name_len || word[name_len] != '=')
		return false;
	for (size_t i = 0; i < name_len; i++) {
		/* The kernel takes - for _ in names. */
		if ((word[i] == '-' ? '_' : word[i]) != name[i])
			return false;
	}

	item = word + name_len;
	while (item < end) {
		size_t n;

		item++; /* '=' or ',' */
		n = strcspn(item, ", \t\n");
		if ((n == 3 && !strncmp(item, "off", 3)) ||
		    (n > 3 && !strncmp(item, "no_", 3)))
			return true;
		item += n;
	}
	return false;
}

/* Contradicted if any of the names is switched off. */
static enum clo_fact_state judge_switches(const char *text,
					  const char *const *names,
					  char value[CLO_VALUE_SIZE])
{
	const char *word = text + strspn(text, " \t\n");

	while (*word) {
		size_t len = strcspn(word, " \t\n");

		for (size_t i = 0; names[i]; i++) {
			if (!is_off(word, len, names[i]))
				continue;
			(void)snprintf(value, CLO_VALUE_SIZE, "%.*s", (int)len,
				       word);
			return CLO_FACT_CONTRADICTED;
		}
		word += len;
		word += strspn(word, " \t\n");
	}
	(void)snprintf(value, CLO_VALUE_SIZE, "%s not switched off", names[0]);
	return CLO_FACT_VERIFIED;
}

enum clo_fact_state clo_judge_cmdline_mitigations(const char *text, size_t len,
						  char value[CLO_VALUE_SIZE])
{
	static const char *const names[] = {"mitigations", NULL};

	(void)len;
	return judge_switches(text, names, value);
}

enum clo_fact_state clo_judge_cmdline_iommu(const char *text, size_t len,
					    char value[CLO_VALUE_SIZE])
{
	static const char *const names[] = {"iommu", "intel_iommu", "amd_iommu",
					    NULL};

	(void)len;
	return judge_switches(text, names, value);
}

/*
 * "Mitigation: Clear CPU buffers; SMT vulnerable" is a vulnerable machine, and
 * "...; SMT Host state unknown" one of which nobody knows.
 */
enum clo_fact_state clo_judge_vulnerability(const char *text, size_t len,
					    char value[CLO_VALUE_SIZE])
{
	static const char *const good[] = {
		"Not affected",
		"Mitigation: ",
		"KVM: Mitigation: ",
	};

	(void)len;
	(void)value;
	if (strcasestr(text, "vulnerable"))
		return CLO_FACT_CONTRADICTED;
	if (strcasestr(text, "unknown"))
		return CLO_FACT_NOT_OBSERVABLE;

	for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++) {
		if (!strncmp(text, good[i], strlen(good[i])))
			return CLO_FACT_VERIFIED;
	}
	return CLO_FACT_NOT_OBSERVABLE;
}

/* `active` says what is, `control` only what may be. */
enum clo_fact_state clo_judge_smt(const char *control, const char *active)
{
	if (active && !strcmp(active, "0"))
		return CLO_FACT_VERIFIED;
	if (active && !strcmp(active, "1"))
		return CLO_FACT_CONTRADICTED;
	if (active || !control)
		return CLO_FACT_NOT_OBSERVABLE;

	if (!strcmp(control, "off") || !strcmp(control, "forceoff") ||
	    !strcmp(control, "notsupported"))
		return CLO_FACT_VERIFIED;
	return strcmp(control, "on") != 0 ? CLO_FACT_NOT_OBSERVABLE
					  : CLO_FACT_CONTRADICTED;
}

/* 0 is "none loaded"; hypervisors show their guests 1 or all ones. */
enum clo_fact_state clo_judge_microcode(const char *revision)
{
	unsigned long number;
	char *end;

	number = strtoul(revision, &end, 16);
	if (strncmp(revision, "0x", 2) != 0 || end == revision + 2 ||
	    *end != '\0' || number <= 1 || number >= 0xffffffff)
		return CLO_FACT_NOT_OBSERVABLE;
	return CLO_FACT_VERIFIED;
}
