/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/attest/inclusion.h"
#include "agent/attest/sha256.h"
#include "cli_signed.h"

/* A node with a log. */
static struct clo_store *store;
static char *log_path;
static char *item; /* a file of what is verified */

static inline int begin(void **state)
{
	struct clo_store_signer signer = {.origin = "log.example/1"};
	struct node *node;

	if (setup(state) < 0)
		return -1;
	node = *state;
	node->cli->nobody = false; /* the log is its owner's */
	signer.key = node->key;
	log_path = cli_path(node->cli, "log.sqlite");
	item = cli_path(node->cli, "item.json");
	return clo_store_open(log_path, &signer, &store);
}

static inline int end(void **state)
{
	clo_store_free(store);
	free(log_path);
	free(item);
	return teardown(state);
}

/* The index of its entry. */
static inline uint64_t put_in_log(const char *envelope)
{
	static uint64_t sequence;
	CLO_AUTO_MEM char *payload = NULL;
	json_auto_t *statement = NULL;
	time_t when = 0;
	size_t len;
	uint8_t digest[32];
	uint64_t size = 0;

	assert_int_equal(
		clo_dsse_peek(envelope, strlen(envelope), &payload, &len), 0);
	assert_int_equal(clo_sha256(payload, len, digest), 0);
	statement = json_loads(payload, 0, NULL);
	assert_int_equal(
		clo_time_parse(json_string_value(json_object_get(
				       json_object_get(statement, "predicate"),
				       "time")),
			       &when),
		0);
	assert_int_equal(clo_store_append(store,
					  &(const struct clo_record){
						  .boot_id = "b",
						  .sequence = sequence++,
						  .kind = "isolation/v1",
						  .scope = "acme/production",
						  .time = when,
						  .verdict = "PASSED",
						  .payload_digest = digest,
						  .envelope = envelope,
					  }),
			 0);
	assert_int_equal(clo_store_size(store, &size), 0);
	return size - 1;
}

static inline struct clo_inclusion *prove(uint64_t index)
{
	struct clo_inclusion *inclusion = NULL;

	assert_int_equal(clo_inclusion_new(store, index, &inclusion), 0);
	return inclusion;
}

/* A statement of a log with some more, before and after; caller frees all. */
static inline void logged(const struct node *node, char **ret_envelope,
			  char **ret_bundle, char **ret_proof)
{
	CLO_AUTO(clo_inclusion) struct clo_inclusion *inclusion = NULL;
	uint64_t index = 0;

	for (int age = 5; age > 0; age--) {
		CLO_AUTO_MEM char *one = signed_statement(node, "PASS", age);
		uint64_t at = put_in_log(one);

		if (age == 3) {
			*ret_envelope = strdup(one);
			index = at;
		}
	}
	inclusion = prove(index);
	assert_int_equal(clo_inclusion_bundle(inclusion, ret_bundle), 0);
	assert_int_equal(clo_inclusion_proof(inclusion, ret_proof), 0);
}

/* Exit code of this text, by the node's key and so many more words. */
static inline int verify_text(const struct node *node, const char *text,
			      const char *option, const char *value)
{
	write_file(item, text);
	cli_run(node->cli, "verify", item, "--key", node->key_path, option,
		value, NULL);
	return node->cli->exit;
}
