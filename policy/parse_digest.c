/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "policy/parse_state.h"

/* The documents in the form that their digest is over. */

static void EVP_MD_CTX_freep(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

struct clo_canonical clo_parse_canonical(struct clo_parse *parse,
					 const json_t *document)
{
	CLO_AUTO_MEM char *text =
		json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
	struct clo_canonical canonical = {0};

	parse->failed |= !text;
	if (!text)
		return canonical;
	canonical.len = strlen(text);
	canonical.text = clo_arena_strdup(parse->reader.keep, text);
	return canonical;
}

int clo_parse_digest(struct clo_policy *policy)
{
	CLO_AUTO(EVP_MD_CTX) EVP_MD_CTX *context = EVP_MD_CTX_new();
	int ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < policy->n_documents && ok; i++)
		ok = EVP_DigestUpdate(context, policy->documents[i].text,
				      policy->documents[i].len) == 1 &&
		     EVP_DigestUpdate(context, "\n", 1) == 1;
	ok = ok && EVP_DigestFinal_ex(context, policy->digest, NULL) == 1;
	return ok ? 0 : -ENOMEM;
}

void clo_parse_documents(struct clo_parse *parse)
{
	struct clo_policy *policy = parse->policy;
	size_t n = parse->n_sources;

	policy->documents = clo_arena_array(parse->reader.keep, n,
					    sizeof(*policy->documents));
	if (!policy->documents)
		return;
	policy->n_documents = n;
	for (size_t i = 0; i < n; i++)
		policy->documents[i] =
			clo_parse_canonical(parse, parse->sources[i].json);
}
