/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/base/auto.h"
#include "agent/sys/tls_client.h"

/*
 * Syslog over TLS (RFC 5425): messages of RFC 5424, each behind its length.
 * TLS 1.2 or later, with a certificate on both sides; the receiver's must be
 * for its host.
 *
 * The protocol acknowledges nothing. A connection that breaks is not mended:
 * who uses it opens a new one and sends again what may have been lost. Calls
 * block, for 10 seconds at most each time that the other side says nothing.
 */
struct clo_syslog;

struct clo_syslog_config {
	const char *host; /* a name, or an address */
	const char *port;
	struct clo_tls_client client; /* all of it */
};

/*
 * -EINVAL: the files are not that; -EACCES: it is not the receiver, by its
 * certificate; -ENOTCONN: nobody there, or refused.
 */
int clo_syslog_open(const struct clo_syslog_config *config,
		    struct clo_syslog **ret_syslog);
void clo_syslog_free(struct clo_syslog *syslog);
CLO_DEFINE_FREEP(clo_syslog)

/* -ENOTCONN: what was sent last may be lost, or not. */
int clo_syslog_send(struct clo_syslog *syslog, const char *message);
/*
 * 0: the receiver's host has all that was sent, and the connection stands;
 * -EAGAIN: not yet; -ENOTCONN.
 */
int clo_syslog_settled(struct clo_syslog *syslog);
/* In order: 0 where the receiver has read to the end, and says so. */
int clo_syslog_close(struct clo_syslog *syslog);
