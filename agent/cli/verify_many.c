/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli/verify_many.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attest/beats.h"
#include "agent/attest/links.h"
#include "agent/base/auto.h"
#include "agent/cli/evidence.h"
#include "agent/cli/output.h"

struct item {
	char *name;
	struct clo_verify_result result; /* without its statement */
};

struct many {
	const struct clo_cli *cli;
	const struct clo_verify_request *request;
	struct clo_links *links; /* NULL: nobody asks */
	struct item *items;
	size_t n_items, room;
	json_t *cases; /* as they are told */
	size_t n, n_bad;
	enum clo_verify_exit worst;
};

/* From no harm to the worst. */
static int weight(enum clo_verify_exit exit)
{
	switch (exit) {
	case CLO_VERIFY_PASSED:
		return 0;
	case CLO_VERIFY_INCONCLUSIVE:
		return 1;
	case CLO_VERIFY_FAILED:
		return 2;
	default:
		return 3;
	}
}

static const char *word(enum clo_verify_exit exit)
{
	switch (exit) {
	case CLO_VERIFY_PASSED:
		return "PASSED";
	case CLO_VERIFY_INCONCLUSIVE:
		return "INCONCLUSIVE";
	case CLO_VERIFY_FAILED:
		return "FAILED";
	default:
		return "NOT-AUTHENTIC";
	}
}

static int tell(struct many *many, const char *name, enum clo_verify_exit exit,
		const char *reason)
{
	many->n++;
	many->n_bad += exit != CLO_VERIFY_PASSED;
	if (weight(exit) > weight(many->worst))
		many->worst = exit;
	if (many->request->format != CLO_VERIFY_TEXT)
		return json_array_append_new(
			many->cases,
			json_pack("{s:s, s:s, s:s}", "name", name, "result",
				  word(exit), "reason", reason));
	clo_color_set(many->cli, exit == CLO_VERIFY_PASSED ? CLO_COLOR_GOOD
							   : CLO_COLOR_BAD);
	clo_text_pad(stdout, word(exit), 15);
	clo_color_set(many->cli, CLO_COLOR_NONE);
	clo_text_print(stdout, name);
	(void)fputs(": ", stdout);
	clo_text_print(stdout, reason);
	(void)putchar('\n');
	return 0;
}

/* What a gap/v1 says was removed need not be there. */
static int excuse(struct many *many, const json_t *predicate)
{
	CLO_AUTO(clo_removal) struct clo_removal *removal = NULL;
	const char *node =
		clo_member_text(json_object_get(predicate, "node"), "name");
	int r;

	r = clo_removal_read(json_object_get(predicate, "gap"), &removal);
	for (size_t i = 0; r == 0 && i < removal->n; i++)
		r = clo_links_remove(many->links, node, &removal->spans[i]);
	return r == -ENOMEM ? r : 0;
}

static int link_up(struct many *many, const struct clo_verify_result *result)
{
	const json_t *predicate =
		json_object_get(result->statement, "predicate");
	const json_t *node = json_object_get(predicate, "node");
	struct clo_chain_place chain = {0};

	if (result->kind == CLO_KIND_GAP && excuse(many, predicate) < 0)
		return -ENOMEM;
	/* what verified has one */
	(void)clo_chain_place_read(json_object_get(predicate, "chain"), &chain);
	return clo_links_add(many->links,
			     &(const struct clo_link_of){
				     .node = clo_member_text(node, "name"),
				     .boot = clo_member_text(node, "bootId"),
				     .chain = &chain,
				     .digest = result->digest,
			     });
}

static void many_done(struct many *many)
{
	for (size_t i = 0; i < many->n_items; i++)
		free(many->items[i].name);
	free(many->items);
}

static struct item *add_item(struct many *many, const char *name)
{
	struct item *item;

	if (many->n_items == many->room) {
		size_t room = many->room ? 2 * many->room : 64;
		struct item *grown =
			reallocarray(many->items, room, sizeof(*grown));

		if (!grown)
			return NULL;
		many->items = grown;
		many->room = room;
	}
	item = &many->items[many->n_items];
	*item = (struct item){.name = strdup(name)};
	if (!item->name)
		return NULL;
	many->n_items++;
	return item;
}

static int on_item(const char *name, const char *text, size_t len,
		   void *userdata)
{
	struct many *many = userdata;
	struct item *item = add_item(many, name);
	int r = 0;

	if (!item)
		return -ENOMEM;
	clo_verify_one(many->request, text, len, &item->result);
	if (many->links && item->result.statement &&
	    item->result.exit != CLO_VERIFY_NOT_AUTHENTIC)
		r = link_up(many, &item->result);
	clo_verify_result_done(&item->result);
	return r;
}

/* When all are there: what each is worth with the others. */
static int tell_items(struct many *many)
{
	CLO_AUTO_MEM struct clo_verify_result **results =
		calloc(many->n_items + 1, sizeof(struct clo_verify_result *));
	int r;

	if (!results)
		return -ENOMEM;
	for (size_t i = 0; i < many->n_items; i++)
		results[i] = &many->items[i].result;
	r = clo_beats_settle(results, many->n_items, &many->request->options);
	for (size_t i = 0; r == 0 && i < many->n_items; i++)
		if (tell(many, many->items[i].name, results[i]->exit,
			 results[i]->reason) < 0)
			r = -ENOMEM;
	return r;
}

static int check_chain(struct many *many)
{
	char reason[200] = "each boot's from 0, without a hole";
	int r = clo_links_check(many->links, reason);

	return tell(many, "chain",
		    r == 0         ? CLO_VERIFY_PASSED
		    : r == -ENOENT ? CLO_VERIFY_INCONCLUSIVE
				   : CLO_VERIFY_NOT_AUTHENTIC,
		    reason);
}

/* Text of ours and printable ASCII; of names from a file system anything. */
static void print_xml(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '&' || *c == '<' || *c == '>' || *c == '"')
			(void)printf("&#%d;", *c);
		else
			(void)putchar(*c < ' ' || *c > '~' ? '?' : *c);
	}
}

static void print_junit(const struct many *many)
{
	const json_t *one;
	size_t i;

	(void)printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		     "<testsuite name=\"cloison verify\" tests=\"%zu\" "
		     "failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
		     many->n, many->n_bad);
	json_array_foreach (many->cases, i, one) {
		const char *result = clo_member_text(one, "result");

		(void)fputs("  <testcase classname=\"attestation\" name=\"",
			    stdout);
		print_xml(clo_member_text(one, "name"));
		if (strcmp(result, "PASSED") == 0) {
			(void)fputs("\"/>\n", stdout);
			continue;
		}
		(void)printf("\"><failure type=\"%s\" message=\"", result);
		print_xml(clo_member_text(one, "reason"));
		(void)fputs("\"/></testcase>\n", stdout);
	}
	(void)fputs("</testsuite>\n", stdout);
}

static void print_json(const struct many *many)
{
	json_auto_t *document =
		json_pack("{s:s, s:O}", "result", word(many->worst),
			  "statements", many->cases);

	if (document)
		(void)clo_json_print(document);
}

int clo_verify_many(const struct clo_cli *cli,
		    const struct clo_verify_request *request)
{
	CLO_AUTO(clo_links) struct clo_links *links = NULL;
	json_auto_t *cases = json_array();
	CLO_AUTO_MEM char *unread = NULL;
	__attribute__((cleanup(many_done))) struct many many = {
		.cli = cli, .request = request, .cases = cases};
	int r = 0;

	if (request->chain_complete)
		r = clo_links_new(&links);
	many.links = links;
	if (r == 0 && request->fetched)
		r = on_item(cli->operand, request->fetched,
			    request->fetched_len, &many);
	else if (r == 0)
		r = clo_evidence_each(cli->operand, on_item, &many, &unread);
	if (r < 0 && unread)
		return clo_fail(cli, CLO_EXIT_USAGE, "cannot read %s: %s",
				unread, strerrordesc_np(-r));
	if (r == 0)
		r = tell_items(&many);
	if (r == 0 && many.n == 0)
		return clo_fail(cli, CLO_EXIT_USAGE,
				"%s: no statement is there", cli->operand);
	if (r == 0 && links)
		r = check_chain(&many);
	if (r < 0)
		return clo_fail(cli, CLO_EXIT_INCONCLUSIVE,
				"the check itself failed: out of memory");
	if (request->format == CLO_VERIFY_JSON)
		print_json(&many);
	else if (request->format == CLO_VERIFY_JUNIT)
		print_junit(&many);
	return (int)many.worst;
}
