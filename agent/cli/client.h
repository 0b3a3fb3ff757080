/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "agent/cli/cli.h"

/*
 * One request to the daemon and its reply. CLO_EXIT_OK and a new reference to
 * the "result" object; else the failure has been printed, with its flaws and
 * breaches, and its exit code is returned. `request` NULL: out of memory.
 */
int clo_client_call(const struct clo_cli *cli, const json_t *request,
		    json_t **ret_result);

/*
 * Its two halves, for who looks at a reply that refuses: the whole reply, if
 * there is one, of which nothing has been printed; then what it says.
 */
int clo_client_exchange(const struct clo_cli *cli, const json_t *request,
			json_t **ret_reply);
int clo_client_result(const struct clo_cli *cli, const json_t *reply,
		      json_t **ret_result);

/*
 * A request whose reply goes on: `on_message` is given the "result" object and
 * then each message, until it returns an exit code (enum clo_exit) and not -1.
 */
int clo_client_stream(const struct clo_cli *cli, const json_t *request,
		      int (*on_message)(json_t *message, void *userdata),
		      void *userdata);
