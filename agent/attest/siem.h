/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

/*
 * The controls of an authentic isolation/v1 statement as events for other
 * people's tools. One event for each control that was assessed; of a gap/v1
 * one, "log.gap", which reads INCONCLUSIVE.
 *
 * OCSF 1.1 Compliance Finding (class 2003), https://schema.ocsf.io/1.1.0
 * ECS 8.11, https://www.elastic.co/guide/en/ecs/8.11
 * CEF 0 in an RFC 5424 line, facility 13 (log audit)
 */
enum clo_siem_format {
	CLO_SIEM_OCSF,
	CLO_SIEM_ECS,
	CLO_SIEM_CEF,
	CLO_SIEM_FORMATS,
};

/* "ocsf", "ecs", "cef"; CLO_SIEM_FORMATS: none of them. */
enum clo_siem_format clo_siem_format(const char *name);

/* Are there events in records of this kind? */
bool clo_siem_takes(const char *kind);
/*
 * Calls on_event for each, a line without its newline. `digest`: of the
 * statement's payload, hex; with the control it is the event's identity, the
 * same in every export. 0, what on_event returned, -EBADMSG if that is no such
 * statement, or -ENOMEM.
 */
int clo_siem_events(const json_t *statement, const char *digest,
		    enum clo_siem_format format,
		    int (*on_event)(const char *line, void *userdata),
		    void *userdata);
/* The same, of each format as a line of RFC 5424. */
int clo_siem_syslog(const json_t *statement, const char *digest,
		    enum clo_siem_format format,
		    int (*on_event)(const char *line, void *userdata),
		    void *userdata);
