/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/paranoid.h"

#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/cli/offline.h"
#include "agent/cli/output.h"
#include "agent/cli/report.h"
#include "policy/oracle_compare.h"

/* What happened, with the packet, both verdicts and the rules. */
static int refuse(const struct clo_cli *cli, const json_t *oracle)
{
	const json_t *first = json_object_get(oracle, "first");

	return clo_fail(
		cli, CLO_EXIT_REFUSED,
		"the compiled tables are not what the documents mean, in "
		"%" JSON_INTEGER_FORMAT " places: %s; packet %s: the "
		"documents %s (rule %s), the tables %s (rule %s); this is a "
		"defect of cloison: report it with the documents",
		clo_member_int(oracle, "differences"),
		clo_member_text(first, "text"),
		clo_member_text(first, "packet"),
		clo_member_text(first, "documents"),
		clo_member_text(first, "documentsRule"),
		clo_member_text(first, "tables"),
		clo_member_text(first, "tablesRule"));
}

static int compare(const struct clo_policy *policy, time_t now,
		   json_t **ret_oracle, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	struct clo_oracle_report report;
	double begin = clo_milliseconds();
	json_t *oracle;
	int r;

	r = clo_compile(policy, now, &compiled, flaws);
	if (r == 0)
		r = clo_oracle_compare(compiled, compiled->tables, now,
				       &report);
	if (r < 0)
		return r;
	oracle = clo_oracle_explain(&report);
	if (!oracle ||
	    json_object_set_new(oracle, "milliseconds",
				json_real(clo_milliseconds() - begin)) < 0) {
		json_decref(oracle);
		return -ENOMEM;
	}

	*ret_oracle = oracle;
	return 0;
}

int clo_paranoid_check(const struct clo_cli *cli, const json_t *documents,
		       json_t **ret_oracle)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	json_auto_t *oracle = NULL;
	const time_t now = time(NULL);
	int r;

	r = clo_flaws_new(&flaws);
	if (r == 0)
		r = clo_offline_parse(documents, now, &policy, flaws);
	if (r == 0)
		r = compare(policy, now, &oracle, flaws);
	if (r == -EINVAL)
		return clo_offline_refuse(cli, flaws);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_FAILED,
				"cannot compare the tables with the "
				"documents: %s",
				strerrordesc_np(-r));
	if (clo_member_int(oracle, "differences"))
		return refuse(cli, oracle);

	*ret_oracle = json_incref(oracle);
	return CLO_EXIT_OK;
}

void clo_paranoid_print(const json_t *oracle)
{
	clo_report_label("documents");
	(void)printf("%" JSON_INTEGER_FORMAT
		     " addresses and blocks in %" JSON_INTEGER_FORMAT
		     " identities, %" JSON_INTEGER_FORMAT
		     " ranges of services in %" JSON_INTEGER_FORMAT
		     " classes, %" JSON_INTEGER_FORMAT
		     " verdicts: the tables say what they mean "
		     "(%.1f ms)\n",
		     clo_member_int(oracle, "parties"),
		     clo_member_int(oracle, "identities"),
		     clo_member_int(oracle, "ranges"),
		     clo_member_int(oracle, "classes"),
		     clo_member_int(oracle, "verdicts"),
		     json_real_value(json_object_get(oracle, "milliseconds")));
}
