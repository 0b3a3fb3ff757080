/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/held.h"

#include <errno.h>

#include "agent/attest/sha256.h"
#include "agent/base/hex.h"
#include "agent/core/reply.h"

/*
 * Beside the documents and not in them: a thread reads those. Once for each
 * policy, and only for who asks.
 */
static int index_texts(struct clo_force *force)
{
	json_auto_t *held = NULL;
	json_t *document;
	size_t i;
	int r;

	if (force->held)
		return 0;
	held = json_object();
	json_array_foreach (force->documents, i, document) {
		json_t *text = json_object_get(document, "text");
		char digest[CLO_SHA256_HEX];

		r = clo_sha256_hex(json_string_value(text),
				   json_string_length(text), digest);
		if (r < 0)
			return r;
		if (json_object_set(held, digest, text) < 0)
			return -ENOMEM;
	}
	force->held = json_incref(held);
	return held ? 0 : -ENOMEM;
}

static json_t *fail_index(int r)
{
	return clo_reply_failure("the digests of the texts that are held", r);
}

json_t *clo_held_answer(struct clo_node *node, const json_t *request)
{
	json_t *list = json_array();
	const char *digest;
	json_t *text;
	int r = node->force ? index_texts(node->force) : 0;

	(void)request;
	if (r < 0) {
		json_decref(list);
		return fail_index(r);
	}
	json_object_foreach (node->force ? node->force->held : NULL, digest,
			     text)
		(void)json_array_append_new(list, json_string(digest));
	return clo_reply_accept(json_pack("{s:o}", "held", list));
}

/* Who asked what is held was overtaken by another policy: it is told apart. */
static json_t *refuse_unheld(const char *name)
{
	json_t *reply = clo_reply_because(
		CLO_EXIT_REFUSED,
		json_sprintf("document %s: no text of this digest is held: "
			     "send the text",
			     name));

	(void)json_object_set_new(reply, "unheld", json_true());
	return reply;
}

static json_t *refuse_shape(const char *name, const char *why)
{
	return clo_reply_because(CLO_EXIT_REFUSED,
				 json_sprintf("document %s: %s", name, why));
}

/* A new document of that name with the text held; NULL: refused. */
static json_t *from_held(struct clo_node *node, json_t *name,
			 const json_t *sha256, json_t **ret_refused)
{
	const char *digest = json_string_value(sha256);
	const char *of = json_string_value(name);
	uint8_t bytes[CLO_SHA256_SIZE];
	json_t *text, *document;
	int r;

	if (!digest || clo_hex_decode(digest, sizeof(bytes), bytes) < 0) {
		*ret_refused = refuse_shape(
			of, "sha256 is not 64 lower-case hex digits");
		return NULL;
	}
	r = node->force ? index_texts(node->force) : 0;
	if (r < 0) {
		*ret_refused = fail_index(r);
		return NULL;
	}
	text = node->force ? json_object_get(node->force->held, digest) : NULL;
	if (!text) {
		*ret_refused = refuse_unheld(of);
		return NULL;
	}
	document = json_pack("{s:O, s:O}", "name", name, "text", text);
	if (!document)
		*ret_refused = clo_reply_failure("no memory", -ENOMEM);
	return document;
}

static json_t *resolve(struct clo_node *node, json_t *document,
		       json_t **ret_refused)
{
	json_t *name = json_object_get(document, "name");
	const json_t *sha256 = json_object_get(document, "sha256");
	const json_t *text = json_object_get(document, "text");

	if (!json_is_string(name))
		return json_incref(document);
	if (!text == !sha256) {
		*ret_refused = refuse_shape(
			json_string_value(name),
			"it needs its text or its sha256, and not both");
		return NULL;
	}
	return text ? json_incref(document)
		    : from_held(node, name, sha256, ret_refused);
}

json_t *clo_held_resolve(struct clo_node *node, json_t *documents,
			 json_t **ret_documents)
{
	json_auto_t *resolved = NULL;
	json_t *document;
	size_t i;

	if (!json_is_array(documents)) {
		*ret_documents =
			documents ? json_incref(documents) : json_null();
		return NULL;
	}
	resolved = json_array();
	json_array_foreach (documents, i, document) {
		json_t *refused = NULL;
		json_t *whole = resolve(node, document, &refused);

		if (!whole)
			return refused;
		if (json_array_append_new(resolved, whole) < 0)
			return clo_reply_failure("no memory", -ENOMEM);
	}
	*ret_documents = json_incref(resolved);
	return resolved ? NULL : clo_reply_failure("no memory", -ENOMEM);
}
