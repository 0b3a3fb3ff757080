/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/attest/siem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/statement.h"
#include "agent/base/auto.h"
#include "policy/controls.h"

#define PRODUCT "cloison"
#define FACILITY 13 /* RFC 5424, table 1: log audit */

/* What an event says of its statement and of one control; all borrowed. */
struct event {
	const char *digest, *node, *boot, *version, *scope, *stamp;
	time_t time;
	const char *control, *title, *clauses, *result, *detail;
	char id[160];
};

static const char *const names[CLO_SIEM_FORMATS] = {
	[CLO_SIEM_OCSF] = "ocsf",
	[CLO_SIEM_ECS] = "ecs",
	[CLO_SIEM_CEF] = "cef",
};

enum clo_siem_format clo_siem_format(const char *name)
{
	for (int i = 0; i < CLO_SIEM_FORMATS; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum clo_siem_format)i;
	return CLO_SIEM_FORMATS;
}

bool clo_siem_takes(const char *kind)
{
	enum clo_kind known = clo_kind_of_name(kind);

	return known == CLO_KIND_ISOLATION || known == CLO_KIND_GAP;
}

static bool failed(const struct event *event)
{
	return strcmp(event->result, "FAIL") == 0;
}

static bool passed(const struct event *event)
{
	return strcmp(event->result, "PASS") == 0;
}

/* compliance.status_id: 1 pass, 2 warning, 3 fail. severity_id: 1 to 6. */
static json_t *make_ocsf(const struct event *event)
{
	int status = passed(event) ? 1 : failed(event) ? 3 : 2;
	int severity = passed(event) ? 1 : failed(event) ? 4 : 3;

	return json_pack(
		"{s:i, s:i, s:i, s:i, s:I, s:i, s:i, s:s, s:{s:s, s:{s:s, s:s, "
		"s:s}, s:s}, s:{s:s, s:s, s:I}, s:{s:s, s:[s], s:i, s:s}, "
		"s:[{s:s, s:s, s:s}]}",
		"category_uid", 2, "class_uid", 2003, "activity_id", 1,
		"type_uid", 200301, "time", (json_int_t)event->time * 1000,
		"severity_id", severity, "status_id", 1, "message",
		event->detail, "metadata", "version", "1.1.0", "product",
		"name", PRODUCT, "vendor_name", "Cloison", "version",
		event->version, "uid", event->id, "finding_info", "uid",
		event->id, "title", event->title, "created_time",
		(json_int_t)event->time * 1000, "compliance", "control",
		event->control, "standards", event->clauses, "status_id",
		status, "status", event->result, "resources", "type",
		*event->scope ? "tenant environment" : "hypervisor", "uid",
		*event->scope ? event->scope : event->node, "name",
		event->node);
}

static json_t *make_ecs(const struct event *event)
{
	const char *outcome = passed(event)   ? "success"
			      : failed(event) ? "failure"
					      : "unknown";

	return json_pack(
		"{s:s, s:{s:s}, s:{s:s, s:[s], s:[s], s:s, s:s, s:s, s:s, "
		"s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:{s:s}}, s:{s:s, s:s}, "
		"s:{s:s, s:s}, s:s}",
		"@timestamp", event->stamp, "ecs", "version", "8.11.0", "event",
		"kind", failed(event) ? "alert" : "state", "category",
		"configuration", "type", "info", "outcome", outcome, "module",
		PRODUCT, "dataset", PRODUCT ".isolation", "id", event->id,
		"reason", event->detail, "rule", "id", event->control, "name",
		event->title, "reference", event->clauses, "host", "name",
		event->node, "boot", "id", event->boot, "observer", "product",
		PRODUCT, "version", event->version, "labels", "scope",
		event->scope, "result", event->result, "message", event->title);
}

/* CEF: `special` and the backslash are escaped, a newline is \n. */
static void put_escaped(FILE *out, const char *text, char special)
{
	for (; *text; text++) {
		if (*text == special || *text == '\\')
			(void)fputc('\\', out);
		if (*text == '\n' || *text == '\r')
			(void)fputs("\\n", out);
		else
			(void)fputc(*text, out);
	}
}

static void put_header(FILE *out, const char *text)
{
	put_escaped(out, text, '|');
	(void)fputc('|', out);
}

static void put_field(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, " %s=", name);
	put_escaped(out, text, '=');
}

/* RFC 5424, 6.2.4: printable ASCII without spaces. */
static void put_host(FILE *out, const char *name)
{
	size_t n = 0;

	for (; *name && n < 255; name++, n++)
		(void)fputc(*name > ' ' && *name < 127 ? *name : '?', out);
	(void)fputs(n ? "" : "-", out);
}

static char *make_cef(const struct event *event)
{
	int severity = passed(event) ? 1 : failed(event) ? 8 : 5;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	(void)fputs("CEF:0|Cloison|" PRODUCT "|", out);
	put_header(out, event->version);
	put_header(out, event->control);
	put_header(out, event->title);
	(void)fprintf(out, "%d|rt=%lld", severity,
		      (long long)event->time * 1000);
	put_field(out, "dvchost", event->node);
	put_field(out, "outcome", event->result);
	put_field(out, "externalId", event->id);
	put_field(out, "cs1Label", "scope");
	put_field(out, "cs1", event->scope);
	put_field(out, "cs2Label", "bootId");
	put_field(out, "cs2", event->boot);
	put_field(out, "msg", event->detail);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static char *make_text(const struct event *event, enum clo_siem_format format)
{
	json_auto_t *json = NULL;

	if (format == CLO_SIEM_CEF)
		return make_cef(event);
	json = format == CLO_SIEM_OCSF ? make_ocsf(event) : make_ecs(event);
	return json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

/* The text behind a header of RFC 5424. */
static char *make_syslog(const struct event *event, const char *text)
{
	int priority = passed(event) ? 6 : failed(event) ? 2 : 4;
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	(void)fprintf(out, "<%d>1 %s ", FACILITY * 8 + priority, event->stamp);
	put_host(out, event->node);
	(void)fprintf(out, " " PRODUCT " - isolation - %s", text);
	if (fclose(out) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

static char *make_line(const struct event *event, enum clo_siem_format format,
		       bool syslog)
{
	CLO_AUTO_MEM char *text = make_text(event, format);

	return text && syslog ? make_syslog(event, text) : CLO_TAKE(text);
}

/* Of the statement; false: it is none. */
static bool read_statement(const json_t *statement, struct event *event)
{
	const json_t *predicate = json_object_get(statement, "predicate");
	const json_t *node = json_object_get(predicate, "node");
	const json_t *scope = json_object_get(predicate, "scope");

	event->node = json_string_value(json_object_get(node, "name"));
	event->boot = json_string_value(json_object_get(node, "bootId"));
	event->version = json_string_value(json_object_get(node, "agent"));
	event->stamp = json_string_value(json_object_get(predicate, "time"));
	event->scope = json_is_string(scope) ? json_string_value(scope) : "";
	return event->node && event->boot && event->version && event->stamp &&
	       clo_time_parse(event->stamp, &event->time) == 0;
}

/* Of one control; false: it was not assessed, or that is none. */
static bool read_control(const json_t *entry, struct event *event)
{
	const struct clo_control *control;

	event->control = json_string_value(json_object_get(entry, "id"));
	event->result = json_string_value(json_object_get(entry, "result"));
	event->detail = json_string_value(json_object_get(entry, "detail"));
	if (!event->control || !event->result || !event->detail ||
	    strcmp(event->result, "NOT-ASSESSED") == 0)
		return false;
	control = clo_control_find(event->control);
	event->title = control ? control->title : event->control;
	event->clauses = control ? control->clauses : "";
	(void)snprintf(event->id, sizeof(event->id), "%.64s/%.80s",
		       event->digest, event->control);
	return true;
}

/* Of a gap/v1: what is not attested is a finding of its own. */
static int tell_gap(const json_t *gap, struct event *event,
		    enum clo_siem_format format, bool syslog,
		    int (*on_event)(const char *line, void *userdata),
		    void *userdata)
{
	const char *from = json_string_value(json_object_get(gap, "from"));
	const char *to = json_string_value(json_object_get(gap, "to"));
	const char *reason = json_string_value(json_object_get(gap, "reason"));
	const json_t *count = json_object_get(gap, "count");
	CLO_AUTO_MEM char *line = NULL;
	char detail[160];

	if (!from || !reason)
		return -EBADMSG;
	(void)snprintf(detail, sizeof(detail), "%.20s to %.20s: %.80s", from,
		       to ? to : "now", reason);
	event->control = "log.gap";
	event->title =
		count ? "Records were removed from the log" : "Nobody watched";
	event->clauses = "";
	event->result = "INCONCLUSIVE";
	event->detail = detail;
	(void)snprintf(event->id, sizeof(event->id), "%.64s/%s", event->digest,
		       event->control);
	line = make_line(event, format, syslog);
	return line ? on_event(line, userdata) : -ENOMEM;
}

static int each_event(const json_t *statement, const char *digest,
		      enum clo_siem_format format, bool syslog,
		      int (*on_event)(const char *line, void *userdata),
		      void *userdata)
{
	const json_t *predicate = json_object_get(statement, "predicate");
	const json_t *controls = json_object_get(predicate, "controls");
	const json_t *gap = json_object_get(predicate, "gap");
	struct event event = {.digest = digest};
	const json_t *entry;
	size_t i;

	if (!read_statement(statement, &event))
		return -EBADMSG;
	if (json_is_object(gap))
		return tell_gap(gap, &event, format, syslog, on_event,
				userdata);
	if (!json_is_array(controls))
		return -EBADMSG;
	json_array_foreach (controls, i, entry) {
		CLO_AUTO_MEM char *line = NULL;
		int r;

		if (!read_control(entry, &event))
			continue;
		line = make_line(&event, format, syslog);
		if (!line)
			return -ENOMEM;
		r = on_event(line, userdata);
		if (r != 0)
			return r;
	}
	return 0;
}

int clo_siem_events(const json_t *statement, const char *digest,
		    enum clo_siem_format format,
		    int (*on_event)(const char *line, void *userdata),
		    void *userdata)
{
	return each_event(statement, digest, format, format == CLO_SIEM_CEF,
			  on_event, userdata);
}

int clo_siem_syslog(const json_t *statement, const char *digest,
		    enum clo_siem_format format,
		    int (*on_event)(const char *line, void *userdata),
		    void *userdata)
{
	return each_event(statement, digest, format, true, on_event, userdata);
}
