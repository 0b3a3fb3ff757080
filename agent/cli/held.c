/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/held.h"

#include "agent/attest/sha256.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"

/* Bytes of text up to which asking first costs more than it spares. */
#define SHORT (64U << 10)

static size_t length_of(const json_t *documents)
{
	const json_t *document;
	size_t i, len = 0;

	json_array_foreach (documents, i, document)
		len += json_string_length(json_object_get(document, "text"));
	return len;
}

/* The digests as members of *ret_held: none, if the daemon does not tell. */
static int ask_held(const struct clo_cli *cli, json_t **ret_held)
{
	json_auto_t *request = json_pack("{s:s}", "op", "held");
	json_auto_t *reply = NULL, *held = json_object();
	const char *digest;
	json_t *list, *item;
	size_t i;
	int code = clo_client_exchange(cli, request, &reply);

	if (code != CLO_EXIT_OK)
		return code;

	/* An older daemon does not know it; who is not root may not ask. */
	list = json_object_get(json_object_get(reply, "result"), "held");
	json_array_foreach (list, i, item) {
		digest = json_string_value(item);
		if (digest)
			(void)json_object_set_new(held, digest, json_true());
	}
	*ret_held = json_incref(held);
	return CLO_EXIT_OK;
}

/* A new reference: by digest if it is held, else as it is; NULL: no memory. */
static json_t *shorten(const json_t *held, json_t *document)
{
	const json_t *text = json_object_get(document, "text");
	char digest[CLO_SHA256_HEX];

	if (clo_sha256_hex(json_string_value(text), json_string_length(text),
			   digest) < 0 ||
	    !json_object_get(held, digest))
		return json_incref(document);

	return json_pack("{s:O, s:s}", "name",
			 json_object_get(document, "name"), "sha256", digest);
}

static json_t *shorten_request(json_t *request, const json_t *held)
{
	json_auto_t *documents = json_array();
	json_auto_t *shortened = json_copy(request);
	json_t *document;
	size_t i;

	json_array_foreach (json_object_get(request, "documents"), i, document)
		if (json_array_append_new(documents, shorten(held, document)) <
		    0)
			return NULL;
	if (json_object_set(shortened, "documents", documents) < 0)
		return NULL;
	return json_incref(shortened);
}

int clo_held_call(const struct clo_cli *cli, json_t *request,
		  json_t **ret_result)
{
	json_auto_t *held = NULL, *shortened = NULL, *reply = NULL;
	int code = CLO_EXIT_OK;

	if (length_of(json_object_get(request, "documents")) > SHORT)
		code = ask_held(cli, &held);
	if (code != CLO_EXIT_OK)
		return code;
	if (json_object_size(held) == 0)
		return clo_client_call(cli, request, ret_result);

	shortened = shorten_request(request, held);
	code = clo_client_exchange(cli, shortened, &reply);
	if (code != CLO_EXIT_OK)
		return code;
	/* Another policy has come in force since it said what it holds. */
	if (json_is_true(json_object_get(reply, "unheld")))
		return clo_client_call(cli, request, ret_result);
	return clo_client_result(cli, reply, ret_result);
}
