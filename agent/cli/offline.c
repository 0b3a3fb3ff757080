/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/offline.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/cli/output.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/matrix_digest.h"
#include "policy/parse.h"
#include "policy/prove_levels.h"

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

json_t *clo_offline_flaws(const struct clo_flaws *flaws)
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
	json_auto_t *kept = clo_offline_flaws(flaws);
	char error[64];

	(void)snprintf(error, sizeof(error), "the policy has %zu flaws",
		       clo_flaws_count(flaws));
	return clo_refuse(cli, CLO_EXIT_REFUSED, error, kept, NULL);
}

static int explain(const struct clo_compiled *compiled, json_t **ret_result,
		   char reterr_text[160])
{
	CLO_AUTO_MEM struct clo_proof *proof = NULL;
	json_auto_t *breaches = json_array();
	char matrix[CLO_MATRIX_DIGEST];
	json_t *result;
	size_t i;
	int r;

	proof = calloc(1, sizeof(*proof));
	if (!proof)
		return -ENOMEM;
	r = clo_prove_compiled(compiled, compiled->tables, proof, reterr_text);
	if (r < 0)
		return r;

	for (i = 0; i < proof->n_breaches; i++) {
		json_t *breach =
			clo_explain_breach(compiled, &proof->breaches[i]);

		if (json_array_append_new(breaches, breach) < 0)
			return -ENOMEM;
	}

	r = clo_matrix_digest(compiled, NULL, matrix);
	if (r < 0)
		return r;
	result = json_pack("{s:o, s:{s:s}, s:o, s:O, s:b}", "plan",
			   clo_explain_plan(NULL, compiled, time(NULL)),
			   "matrix", "digest", matrix, "proof",
			   clo_explain_proof(compiled, proof), "breaches",
			   breaches, "changed", 1);
	if (!result)
		return -ENOMEM;

	*ret_result = result;
	return 0;
}

void clo_chain_done(struct clo_chain *chain)
{
	clo_compiled_free(chain->compiled);
	clo_policy_free(chain->policy);
	*chain = (struct clo_chain){0};
}

int clo_offline_make(const struct clo_cli *cli, const json_t *documents,
		     struct clo_chain *chain)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	const time_t now = time(NULL);
	int r;

	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = clo_offline_parse(documents, now, &chain->policy, flaws);
	if (r == 0)
		r = clo_compile(chain->policy, now, &chain->compiled, flaws);
	if (r == -EINVAL)
		return clo_offline_refuse(cli, flaws);
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "cannot compile: %s",
				strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

int clo_offline_plan(const struct clo_cli *cli, const json_t *documents,
		     json_t **ret_result)
{
	struct clo_chain chain = {0};
	char error[160] = "";
	int code, r;

	code = clo_offline_make(cli, documents, &chain);
	if (code != CLO_EXIT_OK) {
		clo_chain_done(&chain);
		return code;
	}
	assert(chain.compiled);
	r = explain(chain.compiled, ret_result, error);
	clo_chain_done(&chain);
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED, "cannot plan: %s",
				error[0] ? error : strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

static int write_matrix(const struct clo_cli *cli,
			const struct clo_compiled *compiled, const char *path)
{
	char digest[CLO_MATRIX_DIGEST];
	FILE *file = fopen(path, "we");
	int r;

	if (!file)
		return clo_fail(cli, CLO_EXIT_FAILED, "%s: %m", path);
	r = clo_matrix_digest(compiled, file, digest);
	if (fclose(file) != 0 && r == 0)
		r = -errno;
	return r < 0 ? clo_fail(cli, CLO_EXIT_FAILED,
				"%s: the matrix cannot be written whole: %s",
				path, strerrordesc_np(-r))
		     : CLO_EXIT_OK;
}

/* Nothing is written of a matrix that is not the daemon's. */
static int check_and_write(const struct clo_cli *cli,
			   const struct clo_compiled *compiled,
			   const char *digest, const char *path)
{
	char own[CLO_MATRIX_DIGEST];

	if (clo_matrix_digest(compiled, NULL, own) < 0)
		return clo_fail(cli, CLO_EXIT_FAILED, "no memory");
	if (strcmp(own, digest) != 0)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"the daemon's matrix is %s, here it is %s: an "
				"exception began or ended, or they are of "
				"two versions; ask again",
				digest, own);
	return write_matrix(cli, compiled, path);
}

int clo_offline_matrix(const struct clo_cli *cli, const json_t *documents,
		       const char *digest, const char *path)
{
	struct clo_chain chain = {0};
	int code = clo_offline_make(cli, documents, &chain);

	if (code == CLO_EXIT_OK)
		code = check_and_write(cli, chain.compiled, digest, path);
	clo_chain_done(&chain);
	return code;
}
