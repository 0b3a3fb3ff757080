/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/standing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/sha256.h"
#include "agent/base/auto.h"

/* What counts on by itself. */
static void leave_counters(json_t *evidence)
{
	static const char *const counters[] = {"dropped", "refused"};
	json_t *tags = json_object_get(evidence, "kernelTags");

	for (size_t i = 0; i < CLO_ARRAY_LEN(counters); i++) {
		(void)json_object_del(evidence, counters[i]);
		(void)json_object_del(tags, counters[i]);
	}
}

static void leave_closed(json_t *gaps)
{
	for (size_t i = json_array_size(gaps); i-- > 0;)
		if (!json_is_null(
			    json_object_get(json_array_get(gaps, i), "to")))
			(void)json_array_remove(gaps, i);
}

/* Until they were asked and compared, less is said of the same tables. */
static void keep_decided(json_t *still)
{
	const json_t *proof = json_object_get(still, "proof");
	json_t *epoch =
		json_object_get(json_object_get(proof, "decided"), "epoch");

	(void)json_object_set(still, "decided", epoch ? epoch : json_null());
	(void)json_object_set_new(still, "documents",
				  json_boolean(json_is_object(json_object_get(
					  proof, "documents"))));
}

int clo_standing_judge(const json_t *predicate, uint8_t ret_digest[32])
{
	/* what the tables prove is told by their digests */
	static const char *const moving[] = {
		"chain",   "verdict", "time",  "nonce",
		"trigger", "quote",   "proof",
	};
	json_auto_t *still = json_deep_copy(predicate);
	CLO_AUTO_MEM char *text = NULL;
	json_t *control;
	size_t i;

	keep_decided(still);
	for (i = 0; i < CLO_ARRAY_LEN(moving); i++)
		(void)json_object_del(still, moving[i]);
	json_array_foreach (json_object_get(still, "controls"), i, control)
		leave_counters(json_object_get(control, "evidence"));
	leave_closed(json_object_get(still, "gaps"));
	text = still ? json_dumps(still, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	return text ? clo_sha256(text, strlen(text), ret_digest) : -ENOMEM;
}

static struct clo_standing *find(const struct clo_standings *standings,
				 const char *scope)
{
	for (size_t i = 0; i < standings->n; i++)
		if (strcmp(standings->list[i].scope, scope ? scope : "") == 0)
			return &standings->list[i];
	return NULL;
}

const struct clo_standing *
clo_standing_find(const struct clo_standings *standings, const char *scope)
{
	return find(standings, scope);
}

int clo_standing_set(struct clo_standings *standings, const char *scope,
		     const struct clo_standing *standing)
{
	struct clo_standing *place = find(standings, scope);
	struct clo_standing *grown;
	char *name;

	if (!place) {
		grown = reallocarray(standings->list, standings->n + 1,
				     sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		standings->list = grown;
		name = strdup(scope ? scope : "");
		if (!name)
			return -ENOMEM;
		place = &grown[standings->n++];
		place->scope = name;
	}
	name = place->scope;
	*place = *standing;
	place->scope = name;
	return 0;
}

void clo_standings_done(struct clo_standings *standings)
{
	for (size_t i = 0; i < standings->n; i++)
		free(standings->list[i].scope);
	free(standings->list);
	*standings = (struct clo_standings){0};
}
