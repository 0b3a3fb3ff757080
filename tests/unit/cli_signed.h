/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/key.h"
#include "agent/attest/statement.h"
#include "check.h"
#include "cli_run.h"

/* A node with its key; the public one is in the file "key.pem". */
struct node {
	struct cli *cli;
	struct clo_key *key;
	char *pem, *envelope_path, *key_path;
};

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline int setup(void **state)
{
	struct node *node = calloc(1, sizeof(*node));
	CLO_AUTO_MEM char *private = NULL;
	void *cli = NULL;

	if (!node || cli_setup(&cli) < 0)
		return -1;

	node->cli = cli;
	node->cli->nobody = true;
	private = cli_path(cli, "node.key");
	node->key_path = cli_path(cli, "key.pem");
	node->envelope_path = cli_path(cli, "a.json");
	*state = node;
	if (clo_key_generate(private) < 0 ||
	    clo_key_load(private, &node->key) < 0 ||
	    clo_key_public_pem(node->key, &node->pem) < 0)
		return -1;

	write_file(node->key_path, node->pem);
	return 0;
}

static inline int teardown(void **state)
{
	struct node *node = *state;
	void *cli = node->cli;

	clo_key_free(node->key);
	free(node->pem);
	free(node->key_path);
	free(node->envelope_path);
	free(node);
	return cli_teardown(&cli);
}

/* A sound predicate of one scope, `age` seconds old. */
static inline json_t *predicate(const struct node *node, const char *control,
				time_t age)
{
	char id[65], when[21];

	assert_int_equal(clo_key_id(node->key, id), 0);
	clo_time_format(time(NULL) - age, when);
	return json_pack(
		"{s:{s:s, s:s, s:s, s:s}, s:s, s:{s:i, s:n}, s:s, s:i, s:s,"
		" s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s}, s:[], s:{}, s:{},"
		" s:{s:i, s:i, s:b, s:[s,s], s:[]},"
		" s:[{s:s, s:s, s:b, s:b, s:s, s:s, s:n}], s:[], s:[]}",
		"node", "name", "hv1", "bootId", "b", "kernel", "6.1", "agent",
		"0.1.0", "scope", "acme/production", "chain", "sequence", 0,
		"previous", "time", when, "period", 30, "nonce", "ab12",
		"trigger", "request", "key", "id", id, "protection", "file",
		"policy", "digest", "abc", "epoch", 3, "attached", "tcx",
		"programs", "tables", "proof", "coverage", "expected", 8,
		"observed", 8, "complete", 1, "sources", "libvirt", "rtnetlink",
		"missing", "controls", "id", "net.default-deny", "result",
		control, "mandatory", 1, "excepted", 0, "method",
		"read \033[31mback", "detail", "all of it", "evidence", "gaps",
		"platform");
}

/* The envelope of these members, which it takes; caller frees. */
static inline char *sign_members(const struct node *node, json_t *members,
				 const uint8_t tables[32])
{
	CLO_AUTO_MEM char *payload = NULL;
	enum clo_verdict_word verdict;
	char *envelope = NULL;

	assert_non_null(members);
	assert_int_equal(clo_statement_seal(members, "scope/acme/production",
					    tables, &payload, &verdict),
			 0);
	json_decref(members);
	assert_int_equal(
		clo_dsse_sign(node->key, payload, strlen(payload), &envelope),
		0);
	return envelope;
}

/* The envelope of such a statement; caller frees. */
static inline char *signed_statement(const struct node *node,
				     const char *control, time_t age)
{
	static const uint8_t tables[32];

	return sign_members(node, predicate(node, control, age), tables);
}
