/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/seen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/json.h"
#include "agent/attest/policy_bundle.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/core/reserve.h"

#define FILE_NAME "bundle.json"
#define FILE_MAX 8192
#define DEPTH 2

static bool take_digest(const char *text, char ret_digest[65])
{
	uint8_t digest[32];

	if (clo_hex_decode(text, sizeof(digest), digest) < 0)
		return false;
	memcpy(ret_digest, text, 65);
	return true;
}

static bool take_told(struct clo_seen *seen, const json_t *told)
{
	size_t n = json_array_size(told);

	if (!json_is_array(told) || n > CLO_SEEN_TOLD_MAX)
		return false;
	for (; seen->n_told < n; seen->n_told++) {
		const char *text =
			json_string_value(json_array_get(told, seen->n_told));

		if (!text || !take_digest(text, seen->told[seen->n_told]))
			return false;
	}
	return true;
}

static bool is_revision(json_int_t revision)
{
	return revision >= 0 && revision <= CLO_POLICY_REVISION_MAX;
}

/* Of the state directory, and yet doubt is no permission. */
static int read_members(struct clo_seen *seen, json_t *root)
{
	const char *digest, *outcome, *reason, *in_force_digest;
	json_int_t revision, in_force;
	json_t *told;

	if (json_unpack(root, "{s:I, s:s, s:s, s:s, s:I, s:s, s:o!}",
			"revision", &revision, "digest", &digest, "outcome",
			&outcome, "reason", &reason, "inForce", &in_force,
			"inForceDigest", &in_force_digest, "told", &told) < 0 ||
	    !is_revision(revision) || !is_revision(in_force) ||
	    (revision && !take_digest(digest, seen->digest)) ||
	    (in_force && !take_digest(in_force_digest, seen->in_force_digest)))
		return -EBADMSG;
	seen->revision = revision;
	seen->in_force = in_force;
	seen->outcome = clo_outcome_of(outcome);
	if (seen->outcome == CLO_OUTCOMES && outcome[0])
		return -EBADMSG;
	(void)snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
	return take_told(seen, told) ? 0 : -EBADMSG;
}

static int parse(const char *text, size_t len, struct clo_seen *ret_seen)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	int r = clo_json_parse(text, len, DEPTH, &root);

	return r < 0 ? r : read_members(ret_seen, root);
}

int clo_seen_load(const char *state_dir, struct clo_seen *ret_seen)
{
	struct clo_seen seen = {.outcome = CLO_OUTCOMES};
	CLO_AUTO_MEM char *path = NULL;
	CLO_AUTO_MEM char *text = NULL;
	size_t len;
	int r;

	if (asprintf(&path, "%s/" FILE_NAME, state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = clo_file_read(path, FILE_MAX, &text, &len);
	if (r == 0)
		r = parse(text, len, &seen);
	if (r < 0 && r != -ENOENT)
		return r;

	*ret_seen = seen;
	return 0;
}

int clo_seen_save(const struct clo_seen *seen, const char *state_dir)
{
	CLO_AUTO(clo_json) json_t *root = NULL;
	CLO_AUTO_MEM char *text = NULL;
	json_t *told = json_array();

	for (size_t i = 0; i < seen->n_told; i++)
		(void)json_array_append_new(told, json_string(seen->told[i]));
	root = json_pack(
		"{s:I, s:s, s:s, s:s, s:I, s:s, s:o}", "revision",
		(json_int_t)seen->revision, "digest", seen->digest, "outcome",
		seen->outcome == CLO_OUTCOMES ? ""
					      : clo_outcome_text(seen->outcome),
		"reason", seen->reason, "inForce", (json_int_t)seen->in_force,
		"inForceDigest", seen->in_force_digest, "told", told);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	return text ? clo_reserve_replace(state_dir, FILE_NAME, text) : -ENOMEM;
}

enum clo_seen_as clo_seen_as(const struct clo_seen *seen, int64_t revision,
			     const char *digest)
{
	if (revision > seen->revision)
		return CLO_SEEN_NEW;
	if (revision < seen->revision || strcmp(digest, seen->digest) != 0)
		return CLO_SEEN_OLD;
	return seen->outcome == CLO_OUTCOMES ||
			       seen->outcome == CLO_OUTCOME_FAILED
		       ? CLO_SEEN_AGAIN
		       : CLO_SEEN_DECIDED;
}

void clo_seen_begin(struct clo_seen *seen, int64_t revision, const char *digest)
{
	if (revision > seen->revision)
		seen->n_told = 0;
	seen->revision = revision;
	memcpy(seen->digest, digest, sizeof(seen->digest));
	seen->outcome = CLO_OUTCOMES;
	seen->reason[0] = '\0';
}

bool clo_seen_tell(struct clo_seen *seen, const char *digest)
{
	for (size_t i = 0; i < seen->n_told; i++)
		if (strcmp(seen->told[i], digest) == 0)
			return false;
	if (seen->n_told == CLO_SEEN_TOLD_MAX)
		return false;
	memcpy(seen->told[seen->n_told++], digest, sizeof(seen->told[0]));
	return true;
}
