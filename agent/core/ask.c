/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/ask.h"

#include <string.h>

#include "agent/core/control.h"
#include "agent/core/reply.h"
#include "policy/question.h"

#define WITHIN_MAX ((json_int_t)10 * 365 * 86400) /* seconds */

/* Absent or a text; false: neither. */
static bool take_text(const json_t *request, const char *member,
		      const char **ret_text)
{
	const json_t *value = json_object_get(request, member);

	*ret_text = json_string_value(value);
	return !value || *ret_text;
}

static bool take_request(const json_t *request, struct clo_asked *asked)
{
	const json_t *within = json_object_get(request, "within");

	if (!take_text(request, "of", &asked->of) ||
	    !take_text(request, "other", &asked->other) ||
	    !take_text(request, "service", &asked->service) ||
	    !json_is_integer(within) || json_integer_value(within) < 0 ||
	    json_integer_value(within) > WITHIN_MAX)
		return false;
	asked->within = (time_t)json_integer_value(within);
	return true;
}

/* NULL: the kernel holds what the policy says; else the reply that refuses. */
static json_t *check_tables(struct clo_node *node)
{
	CLO_AUTO(clo_tables) struct clo_tables *tables = NULL;
	int r;

	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	r = clo_bpf_tables_read(node->bpf, &tables);
	if (r < 0)
		return clo_reply_failure("the tables cannot be read back", r);
	if (clo_tables_compare(node->force->compiled->tables, tables, NULL, 0))
		return clo_reply_refuse(
			CLO_EXIT_INCONCLUSIVE,
			"the kernel's tables are not those of the policy: see "
			"cloison status, and ask again when it is repaired");
	return NULL;
}

static json_t *answer(struct clo_node *node,
		      const struct clo_question *question,
		      struct clo_asked *asked)
{
	CLO_AUTO_MEM struct clo_hits *hits = NULL;
	CLO_AUTO_MEM uint64_t *packets = NULL;
	char text[160] = "no memory";
	size_t n = 0;
	json_t *answered;

	asked->compiled = node->force->compiled;
	asked->now = time(NULL);
	asked->since = node->force->compiled_at;
	if (clo_bpf_hits_read(node->bpf, &hits, &n) == 0)
		packets = calloc(n + 1, sizeof(*packets));
	for (size_t i = 0; packets && i < n; i++)
		packets[i] = hits[i].packets;
	asked->packets = packets;
	asked->n_packets = n;
	answered = question->answer(asked, text);
	return answered ? clo_reply_accept(answered)
			: clo_reply_refuse(CLO_EXIT_USAGE, text);
}

json_t *clo_ask_answer(struct clo_node *node, const json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "question"));
	const struct clo_question *question =
		name ? clo_question_find(name) : NULL;
	struct clo_asked asked = {0};
	json_t *refused;

	if (!question || !take_request(request, &asked))
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"ask needs a question, names as texts "
					"and within, in seconds");
	refused = check_tables(node);
	return refused ? refused : answer(node, question, &asked);
}
