/* SPDX-License-Identifier: Apache-2.0 */

/* What `cloison verify` says of envelopes, payloads and bundles that were changed. */

#include "agent/attest/base64.h"
#include "cli_logged.h"

/* A text behind each place of which there is a variant of it. */
struct variants {
	FILE *file;
	size_t n;
};

static void put(struct variants *variants, const char *text, size_t len)
{
	assert_true(fprintf(variants->file, "%.*s\n", (int)len, text) > 0);
	variants->n++;
}

static void put_json(struct variants *variants, const json_t *root)
{
	CLO_AUTO_MEM char *text = json_dumps(root, JSON_COMPACT);

	assert_non_null(text);
	put(variants, text, strlen(text));
}

/* Another value of the same type, and one of another type. */
static void put_altered(struct variants *variants, const json_t *root,
			json_t *owner, const char *name, json_t *value)
{
	const char *text = json_string_value(value);

	json_incref(value);
	if (text) {
		CLO_AUTO_MEM char *other = strdup(text);

		if (other[0])
			other[strlen(other) / 2] ^= 1;
		(void)json_object_set_new(owner, name,
					  json_string_nocheck(other));
		put_json(variants, root);
		(void)json_object_set_new(owner, name,
					  json_sprintf("%sA", text));
		put_json(variants, root);
	}
	(void)json_object_set_new(owner, name, json_null());
	put_json(variants, root);
	(void)json_object_set_new(owner, name, json_integer(7));
	put_json(variants, root);
	(void)json_object_del(owner, name);
	put_json(variants, root);
	(void)json_object_set_new(owner, name, value);
	(void)json_object_set_new(owner, "more", json_string("x"));
	put_json(variants, root);
	(void)json_object_del(owner, "more");
}

static void put_lists(struct variants *variants, const json_t *root,
		      json_t *list)
{
	json_t *first = json_incref(json_array_get(list, 0));

	if (!first)
		return;
	(void)json_array_append(list, first); /* again */
	put_json(variants, root);
	(void)json_array_remove(list, json_array_size(list) - 1);
	(void)json_array_remove(list, 0); /* not at all */
	put_json(variants, root);
	(void)json_array_append(list, first); /* in another place */
	if (json_array_size(list) > 1)
		put_json(variants, root);
	(void)json_array_remove(list, json_array_size(list) - 1);
	(void)json_array_insert_new(list, 0, first);
}

/* Every member below `value`, at any depth. */
static void put_members(struct variants *variants, const json_t *root,
			json_t *value)
{
	json_auto_t *names = json_copy(value); /* their order changes */
	const char *name;
	json_t *member;
	size_t i;

	put_lists(variants, root, value);
	json_object_foreach (names, name, member) {
		put_altered(variants, root, value, name, member);
		put_members(variants, root, member);
	}
	json_array_foreach (value, i, member)
		put_members(variants, root, member);
}

/* Each member twice: with its own value and with none. */
static void put_doubled(struct variants *variants, const char *text)
{
	for (const char *at = strchr(text, '"'); at; at = strchr(at + 1, '"')) {
		const char *stop = strchr(at + 1, '"');
		CLO_AUTO_MEM char *doubled = NULL;

		if (!stop || stop[1] != ':') {
			at = stop ? stop : at;
			continue;
		}
		assert_true(asprintf(&doubled, "%.*s%.*s:null,%s",
				     (int)(at - text), text,
				     (int)(stop + 1 - at), at, at) > 0);
		put(variants, doubled, strlen(doubled));
		at = stop;
	}
}

static void put_all(struct variants *variants, const char *text)
{
	json_auto_t *root = json_loads(text, 0, NULL);

	assert_non_null(root);
	put_members(variants, root, root);
	put_doubled(variants, text);
	for (size_t len = 1; len < strlen(text); len++)
		put(variants, text, len);
}

/* All of the payload's, in an envelope with the signature of what it was. */
static void put_payloads(struct variants *variants, const char *envelope)
{
	json_auto_t *root = json_loads(envelope, 0, NULL);
	CLO_AUTO_MEM char *payload = NULL, *lines = NULL;
	struct variants inner = {0};
	size_t len, size = 0;

	assert_int_equal(
		clo_dsse_peek(envelope, strlen(envelope), &payload, &len), 0);
	inner.file = open_memstream(&lines, &size);
	put_all(&inner, payload);
	/* the same members in another order, and spaced */
	(void)fprintf(inner.file, " %s\n", payload);
	assert_int_equal(fclose(inner.file), 0);
	for (char *line = strtok(lines, "\n"); line;
	     line = strtok(NULL, "\n")) {
		CLO_AUTO_MEM char *text = NULL;

		assert_int_equal(clo_base64_encode(line, strlen(line), &text),
				 0);
		(void)json_object_set_new(root, "payload", json_string(text));
		put_json(variants, root);
	}
}

static size_t count(const char *path, const char *begins)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0, n = 0;

	assert_non_null(file);
	while (getline(&line, &room, file) > 0)
		n += strncmp(line, begins, strlen(begins)) == 0;
	free(line);
	assert_int_equal(fclose(file), 0);
	return n;
}

/* Not one of them is taken for what it was made from. */
static void tampered(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	CLO_AUTO_MEM char *path = cli_path(node->cli, "tampered.jsonl");
	CLO_AUTO_MEM char *told = cli_path(node->cli, "told");
	struct variants variants = {0};

	logged(node, &envelope, &bundle, &proof);
	assert_int_equal(verify_text(node, bundle, NULL, NULL), 0);
	variants.file = fopen(path, "we");
	assert_non_null(variants.file);
	put_all(&variants, envelope);
	put_payloads(&variants, envelope);
	put_all(&variants, bundle);
	assert_int_equal(fclose(variants.file), 0);

	write_file(told, "");
	node->cli->out_path = told;
	cli_run(node->cli, "verify", path, "--key", node->key_path, NULL);
	node->cli->out_path = NULL;
	assert_int_equal(node->cli->exit, 1);
	assert_in_range(variants.n, 5000, SIZE_MAX);
	assert_int_equal(count(told, ""), variants.n);
	/* an envelope need not name the key that is given */
	assert_int_equal(count(told, "NOT-AUTHENTIC"), variants.n - 1);
	assert_int_equal(count(told, "PASSED"), 1);
}

/* Order and space say nothing in an envelope; what was signed is the same. */
static void not_tampered(void **state)
{
	const struct node *node = *state;
	CLO_AUTO_MEM char *envelope = NULL, *bundle = NULL, *proof = NULL;
	const char *texts[] = {NULL, NULL};

	logged(node, &envelope, &bundle, &proof);
	texts[0] = envelope;
	texts[1] = bundle;
	for (size_t i = 0; i < CLO_ARRAY_LEN(texts); i++) {
		json_auto_t *root = json_loads(texts[i], 0, NULL);
		json_auto_t *turned = json_object();
		CLO_AUTO_MEM char *text = NULL;
		const char *name;
		json_t *member;

		json_object_foreach (root, name, member) {
			json_auto_t *rest = json_copy(turned);

			(void)json_object_clear(turned);
			(void)json_object_set(turned, name, member);
			(void)json_object_update(turned, rest);
		}
		text = json_dumps(turned, JSON_INDENT(2));
		assert_int_equal(verify_text(node, text, NULL, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(tampered),
		TEST(not_tampered),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
