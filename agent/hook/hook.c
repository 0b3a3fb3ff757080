/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libvirt's qemu hook: hands what libvirtd says of a domain to cloisond and
 * answers for it. Status 1 with one line on stderr refuses the domain. Where
 * cloisond cannot be asked, nothing begins; a domain that runs is let be, since
 * a failed "reconnect" would kill it.
 * usage: cloison-hook DOMAIN OPERATION SUB-OPERATION EXTRA < XML
 * https://libvirt.org/hooks.html
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/file.h"
#include "agent/core/control.h"
#include "agent/core/message.h"

#define XML_MAX (4U << 20)
#define PATIENCE_MS 20000 /* a busy node takes its time, and is no dead one */

/* Operations that may be refused. */
static bool begins(const char *operation)
{
	static const char *const names[] = {
		"attach", "migrate", "prepare", "restore", "start",
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++)
		if (strcmp(names[i], operation) == 0)
			return true;
	return false;
}

static int ask(const char *operation, json_t **ret_reply)
{
	CLO_AUTO_MEM char *xml = NULL;
	json_auto_t *request = NULL;
	CLO_AUTO_FD int fd = -1;
	size_t len;
	int r;

	r = clo_file_read("-", XML_MAX, &xml, &len);
	if (r < 0)
		return r;
	request = json_pack("{s:s, s:s, s:s}", "op", "hook", "operation",
			    operation, "xml", xml);
	if (!request)
		return -ENOMEM;
	r = clo_message_connect(CLO_CONTROL_SOCKET, PATIENCE_MS, &fd);
	return r < 0 ? r
		     : clo_message_exchange(fd, request, PATIENCE_MS,
					    ret_reply);
}

/* One line that libvirtd puts into its own error. */
static int refuse(const char *domain, const char *why)
{
	(void)fprintf(stderr, "cloison: domain %s: %s\n", domain, why);
	return 1;
}

static int run(const char *domain, const char *operation)
{
	json_auto_t *reply = NULL;
	const char *error;
	int r;

	r = ask(operation, &reply);
	if (r < 0) {
		char text[160];

		(void)snprintf(text, sizeof(text),
			       "cloisond cannot be asked whether it may start "
			       "(%s): is it running?",
			       strerrordesc_np(-r));
		return refuse(domain, text);
	}
	if (json_is_true(json_object_get(reply, "ok")))
		return 0;
	error = json_string_value(json_object_get(reply, "error"));
	return refuse(domain, error ? error : "cloisond gave no reason");
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 4) {
		(void)fprintf(stderr, "usage: cloison-hook DOMAIN OPERATION "
				      "SUB-OPERATION EXTRA < XML\n");
		return 2;
	}
	status = run(argv[1], argv[2]);
	return begins(argv[2]) ? status : 0;
}
