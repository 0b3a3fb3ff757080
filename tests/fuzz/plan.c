/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "documents.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/host_view.h"
#include "policy/oracle.h"
#include "policy/parse.h"
#include "policy/prove.h"

/*
 * Documents from anybody, separated by 0 bytes, all the way that `cloison plan`
 * takes: parsed, compiled, proven and compared with a policy in force. What
 * gets that far is judged by the tables as by what the documents mean; what can
 * be read as a change of the policy in force is what all of it is read as.
 */
#define FILES_MAX 12
#define NOW 1781000000
#define PARTIES_MAX 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct clo_compiled *compile(const char *text, size_t size,
				    struct clo_policy **ret_policy)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	struct clo_compiled *compiled = NULL;
	struct clo_document documents[FILES_MAX];
	size_t n = split(text, size, FILES_MAX, documents);
	int r;

	*ret_policy = NULL;
	if (clo_flaws_new(&flaws) < 0)
		return NULL;
	r = clo_policy_parse(documents, n, NOW, ret_policy, flaws);
	if (r == 0)
		r = clo_compile(*ret_policy, NOW, &compiled, flaws);
	assert(r == 0 || r == -ENOMEM || clo_flaws_count(flaws) > 0);
	return compiled;
}

/* What was in force: names, addresses and groups of the seeds. */
static const char before_text[] =
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Node\",\"name\":\"lab\","
	"\"bridges\":[\"clobr0\"],\"addresses\":[\"10.0.0.1\",\"fd00::1\"]}\0"
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Tenant\",\"name\":\"acme\","
	"\"qualification\":1,\"environments\":{\"production\":{\"segments\":["
	"{\"name\":\"front\",\"cidrs\":[\"10.0.1.0/24\",\"fd00:1::/64\"]}],"
	"\"groups\":[\"web\",\"db\"],\"rules\":[{\"name\":\"web-to-db\","
	"\"from\":{\"group\":\"web\"},\"to\":{\"group\":\"db\"},\"ports\":["
	"\"tcp/8000-8100\",\"icmp\"]},{\"name\":\"out\",\"from\":{\"group\":"
	"\"db\"},\"to\":{\"cidr\":\"0.0.0.0/0\"},\"ports\":[\"any\"]}]}}}\0"
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"Workload\",\"name\":\"web\","
	"\"tenant\":\"acme\",\"environment\":\"production\",\"interfaces\":[{"
	"\"mac\":\"52:54:00:00:00:01\",\"segment\":\"front\",\"addresses\":["
	"\"10.0.1.10\"],\"groups\":[\"web\"]},{\"mac\":\"52:54:00:00:00:02\","
	"\"segment\":\"front\",\"addresses\":[\"10.0.1.11\"],\"groups\":["
	"\"db\"]}]}";

static struct clo_policy *policy_in_force;

static const struct clo_compiled *in_force(void)
{
	static struct clo_compiled *compiled;

	if (!compiled)
		compiled = compile(before_text, sizeof(before_text) - 1,
				   &policy_in_force);
	assert(compiled);
	return compiled;
}

/* whole: what all documents are read as; NULL: they have a flaw. */
static void compare(const struct clo_policy *change,
		    const struct clo_policy *whole)
{
	assert(whole && change->values == whole->values);
	assert(!memcmp(change->digest, whole->digest, sizeof(whole->digest)));
}

static void check_change(const char *text, size_t size,
			 const struct clo_policy *whole)
{
	CLO_AUTO(clo_policy) struct clo_policy *change = NULL;
	struct clo_document was[FILES_MAX];
	struct clo_document is[FILES_MAX];
	size_t n_was =
		split(before_text, sizeof(before_text) - 1, FILES_MAX, was);
	size_t n = split(text, size, FILES_MAX, is);
	int r;

	(void)in_force();
	r = clo_policy_parse_change(policy_in_force, was, n_was, is, n, NOW,
				    &change);
	assert(r == 0 || r == -EAGAIN || r == -ENOMEM);
	assert(!change == (r < 0));
	if (change)
		compare(change, whole);
}

static size_t list_parties(const struct clo_policy *policy,
			   struct clo_party *parties)
{
	static const struct clo_cidr outside = {4, 32, {192, 0, 2, 1}};
	size_t n = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			const struct clo_interface_doc *doc =
				&workload->interfaces[i];

			if (n < PARTIES_MAX - 2 && doc->n_addresses)
				parties[n++] = (struct clo_party){
					workload, doc, doc->addresses[0]};
		}
	}
	if (policy->node.n_addresses)
		parties[n++] =
			(struct clo_party){.addr = policy->node.addresses[0]};
	parties[n++] = (struct clo_party){.addr = outside};
	return n;
}

static uint32_t identity_of(const struct clo_view *view,
			    const struct clo_party *party)
{
	const struct clo_addr *own;
	const uint32_t *class;

	if (!party->interface) {
		class = clo_view_cidr(view, party->addr.family,
				      party->addr.addr);
		return class ? *class : 0;
	}
	own = clo_view_addr(view, party->interface->segment->space,
			    party->addr.family, party->addr.addr);
	assert(own && own->endpoint == party->interface->endpoint);
	return own->identity;
}

static void judge(const struct clo_compiled *compiled,
		  const struct clo_party *src, const struct clo_party *dst)
{
	static const uint16_t numbers[] = {1, 8, 443, 8080, 65535};
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_ICMP,
					 IPPROTO_GRE};
	const struct clo_view view = {compiled->tables};

	for (size_t i = 0; i < 15; i++) {
		struct clo_oracle_packet packet = {*src, *dst, protos[i % 3],
						   numbers[i / 3]};
		const struct clo_rule_doc *rule = NULL;
		struct clo_verdict verdict;
		size_t n;

		if (packet.proto == IPPROTO_GRE)
			packet.number = 0;
		if (packet.proto == IPPROTO_ICMP)
			packet.number &= 0xff;
		n = clo_oracle_judge(compiled->policy, NOW, &packet, &rule, 1);
		clo_judge_pair(&view, identity_of(&view, src),
			       identity_of(&view, dst), packet.proto,
			       packet.number, &verdict);
		assert((verdict.drop == CLO_DROP_NONE) == (n > 0));
		assert(compiled->rules[verdict.rule] == rule);
	}
}

static void plan(const struct clo_compiled *compiled)
{
	CLO_AUTO_MEM struct clo_proof *proof = calloc(1, sizeof(*proof));
	struct clo_party parties[PARTIES_MAX];
	size_t n = list_parties(compiled->policy, parties);
	char text[160];
	json_t *explained;

	assert(proof);
	assert(clo_prove(compiled->tables, NULL, 0, proof, text) == 0);
	explained = clo_explain_plan(in_force(), compiled, NOW);
	assert(explained);
	json_decref(explained);
	for (size_t i = 0; i < n * n; i++)
		judge(compiled, &parties[i / n], &parties[i % n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;

	compiled = compile((const char *)data, size, &policy);
	check_change((const char *)data, size, policy);
	if (compiled)
		plan(compiled);
	return 0;
}
