/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/offline.h"

#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/parse.h"
#include "policy/prove.h"

int clo_offline_parse(const json_t *documents, time_t now,
		      struct clo_policy **ret_policy, struct clo_flaws *flaws)
{
	CLO_AUTO_MEM struct clo_document *borrowed = NULL;
	size_t i, n = json_array_size(documents);
	const json_t *item, *text;

	borrowed = calloc(n, sizeof(*borrowed));
	if (!borrowed)
		return -ENOMEM;

	for (i = 0; i < n; i++) {
		item = json_array_get(documents, i);
		text = json_object_get(item, "text");
		borrowed[i].name = clo_member_text(item, "name");
		borrowed[i].text = json_string_value(text);
		borrowed[i].len = json_string_length(text);
	}
	return clo_policy_parse(borrowed, n, now, ret_policy, flaws);
}

static json_t *flaws_json(const struct clo_flaws *flaws)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < clo_flaws_kept(flaws); i++) {
		const struct clo_flaw *flaw = clo_flaws_get(flaws, i);

		(void)json_array_append_new(
			array, json_pack("{s:s?, s:i, s:s?, s:s?}", "file",
					 flaw->file, "line", flaw->line, "path",
					 flaw->path, "text", flaw->text));
	}
	return array;
}

int clo_offline_refuse(const struct clo_cli *cli, const struct clo_flaws *flaws)
{
	json_auto_t *kept = flaws_json(flaws);
	char error[64];

	(void)snprintf(error, sizeof(error), "the policy has %zu flaws",
		       clo_flaws_count(flaws));
	return clo_refuse(cli, CLO_EXIT_REFUSED, error, kept, NULL);
}

static int prove(const struct clo_compiled *compiled,
		 struct clo_proof *ret_proof, char reterr_text[160])
{
	CLO_AUTO_MEM bool *excepted = NULL;
	size_t i, n = compiled->tables->gen.rules;

	excepted = calloc(n ? n : 1, sizeof(*excepted));
	if (!excepted)
		return -ENOMEM;

	for (i = 0; i < n; i++)
		excepted[i] = compiled->excepted[i] != NULL;
	return clo_prove(compiled->tables, excepted, n, ret_proof, reterr_text);
}

static int explain(const struct clo_compiled *compiled, json_t **ret_result,
		   char reterr_text[160])
{
	CLO_AUTO_MEM struct clo_proof *proof = NULL;
	json_auto_t *breaches = json_array();
	json_t *result;
	size_t i;
	int r;

	proof = calloc(1, sizeof(*proof));
	if (!proof)
		return -ENOMEM;
	r = prove(compiled, proof, reterr_text);
	if (r < 0)
		return r;

	for (i = 0; i < proof->n_breaches; i++) {
		json_t *breach =
			clo_explain_breach(compiled, &proof->breaches[i]);

		if (json_array_append_new(breaches, breach) < 0)
			return -ENOMEM;
	}

	result = json_pack("{s:o, s:o, s:O, s:b}", "plan",
			   clo_explain_plan(NULL, compiled), "proof",
			   clo_explain_proof(compiled, proof), "breaches",
			   breaches, "changed", 1);
	if (!result)
		return -ENOMEM;

	*ret_result = result;
	return 0;
}

int clo_offline_plan(const struct clo_cli *cli, const json_t *documents,
		     json_t **ret_result)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	const time_t now = time(NULL);
	char error[160] = "";
	int r;

	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = clo_offline_parse(documents, now, &policy, flaws);
	if (r == 0)
		r = clo_compile(policy, now, &compiled, flaws);
	if (r == 0)
		r = explain(compiled, ret_result, error);
	if (r == 0)
		return CLO_EXIT_OK;
	if (r != -EINVAL)
		return clo_fail(cli, CLO_EXIT_FAILED, "cannot plan: %s",
				error[0] ? error : strerrordesc_np(-r));
	return clo_offline_refuse(cli, flaws);
}
