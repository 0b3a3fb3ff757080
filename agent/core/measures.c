/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/measures.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/core/tagging.h"
#include "policy/controls.h"
#include "policy/explain.h"

/* What one measure reads. */
struct view {
	const struct clo_node *node;
	const struct clo_audit *audit;
	const struct clo_occasion *occasion;
	const char *scope; /* NULL: the node */
};

static json_t *probes_of(const struct clo_tap_audit *result,
			 const char *control)
{
	static const char *const words[] = {
		[CLO_PROBE_NOT_RUN] = "not run",
		[CLO_PROBE_RIGHT] = "as expected",
		[CLO_PROBE_PASSED] = "passed in audit mode",
		[CLO_PROBE_WRONG] = "WRONG",
		[CLO_PROBE_ERROR] = "error",
	};
	json_t *probes = json_object();

	for (size_t i = 0; i < clo_probes_count; i++)
		if (strcmp(clo_probes[i].control, control) == 0 &&
		    result->probes[i] != CLO_PROBE_NOT_RUN)
			(void)json_object_set_new(
				probes, clo_probes[i].name,
				json_string(words[result->probes[i]]));
	return probes;
}

/* As the kernel's port entry says; without one everything is dropped. */
static const char *mode_of(const struct clo_tap_audit *result)
{
	return result->has_port
		       ? clo_setting_mode((enum clo_mode)result->port.mode)
		       : "enforce";
}

/* Per tap: hooks, program ids and the probes that belong to this control. */
static json_t *tap_evidence(const struct view *view, const char *control)
{
	const struct clo_inventory *inventory = view->node->inventory;
	json_t *taps = json_array();

	for (size_t i = 0; i < inventory->n_taps; i++) {
		const struct clo_tap *tap = &inventory->taps[i];
		const struct clo_tap_audit *result = &view->audit->taps[i];

		if (!clo_predicate_covers(view->scope, tap))
			continue;
		(void)json_array_append_new(
			taps,
			json_pack(
				"{s:s, s:s?, s:s?, s:s, s:i, s:i, s:i, s:o}",
				"interface", tap->name, "endpoint",
				tap->interface ? tap->interface->name : NULL,
				"uplinkOf",
				tap->uplink ? tap->uplink->segment->name : NULL,
				"mode", mode_of(result), "ifindex",
				(int)tap->ifindex, "fromGuest",
				(int)result->guard.from_guest.prog_id,
				"toGuest", (int)result->guard.to_guest.prog_id,
				"probes", probes_of(result, control)));
	}
	return taps;
}

static json_t *invariant_evidence(const struct view *view, const char *control)
{
	const struct clo_proof *proof = &view->audit->proof;
	json_t *invariants = json_array();

	for (size_t i = 0; i < clo_invariants_count; i++) {
		const struct clo_invariant *invariant = &clo_invariants[i];

		if (strcmp(invariant->control, control) != 0)
			continue;
		/* the counts are of the whole node: not a scope's to read */
		(void)json_array_append_new(
			invariants,
			view->scope ? json_pack("{s:i, s:s}", "invariant",
						invariant->number, "name",
						invariant->name)
				    : json_pack("{s:i, s:s, s:I, s:I}",
						"invariant", invariant->number,
						"name", invariant->name,
						"verdictsForbidden",
						(json_int_t)proof->forbidden[i],
						"allowedAllTheSame",
						(json_int_t)proof->broken[i]));
	}
	return invariants;
}

static json_t *matrix_evidence(const struct view *view, const char *control)
{
	char hex[65];
	uint8_t digest[32];

	(void)control;
	clo_tables_digest_all(view->audit->observed, digest);
	clo_hex_encode(digest, sizeof(digest), hex);
	return json_pack("{s:s}", "tablesReadBack", hex);
}

static json_t *program_evidence(const struct view *view, const char *control)
{
	json_t *programs = json_array();

	(void)control;
	for (int i = 0; view->audit->programs_read && i < 2; i++)
		(void)json_array_append_new(
			programs,
			json_pack("{s:s, s:b}", "name",
				  view->audit->programs[i].name, "asBuilt",
				  view->audit->programs[i].as_built));
	return programs;
}

static json_t *exception_evidence(const struct view *view, const char *control)
{
	const struct clo_policy *policy = view->node->force->policy;
	json_t *names = json_array();

	(void)control;
	for (size_t i = 0; !view->scope && i < policy->n_exceptions; i++)
		(void)json_array_append_new(
			names, json_string(policy->exceptions[i].name));
	return names;
}

static const struct clo_virt_domain *domain_of(const struct clo_node *node,
					       const char *uuid)
{
	for (size_t i = 0; i < node->n_domains; i++)
		if (strcmp(node->domains[i].uuid, uuid) == 0)
			return &node->domains[i];
	return NULL;
}

/* Which domain is behind which endpoint, and its live definition's digest. */
static json_t *binding_evidence(const struct view *view, const char *control)
{
	const struct clo_inventory *inventory = view->node->inventory;
	json_t *bindings = json_array();

	(void)control;
	for (size_t i = 0; i < inventory->n_taps; i++) {
		const struct clo_tap *tap = &inventory->taps[i];
		const struct clo_virt_domain *domain;
		char xml[65];

		if (!tap->interface || !clo_predicate_covers(view->scope, tap))
			continue;
		domain = domain_of(view->node, tap->domain);
		if (domain)
			clo_hex_encode(domain->xml_digest, 32, xml);
		(void)json_array_append_new(
			bindings,
			json_pack("{s:s, s:s, s:s?, s:s?}", "interface",
				  tap->name, "endpoint", tap->interface->name,
				  "domain", domain ? tap->domain : NULL,
				  "xmlDigest", domain ? xml : NULL));
	}
	return bindings;
}

static json_t *no_evidence(const struct view *view, const char *control)
{
	(void)view;
	(void)control;
	return json_null();
}

static json_t *fence_evidence(const struct view *view, const char *control)
{
	const struct clo_fence_state *fence = &view->node->fence;

	(void)control;
	/* the counts are of the whole node: not a scope's to read */
	return view->scope ? json_null()
			   : json_pack("{s:b, s:I, s:b, s:I}", "there",
				       fence->rules != NULL, "ports",
				       (json_int_t)fence->n_ports, "aroundAll",
				       fence->around_all, "dropped",
				       (json_int_t)fence->dropped);
}

static json_t *bypass_evidence(const struct view *view, const char *control)
{
	return json_pack("{s:o, s:o}", "invariants",
			 invariant_evidence(view, control), "taps",
			 tap_evidence(view, control));
}

static json_t *sandbox_evidence(const struct view *view, const char *control)
{
	(void)control;
	/* the count is of the whole node: not a scope's to read */
	return view->scope ? json_null()
			   : json_pack("{s:I}", "domainsLookedAt",
				       (json_int_t)view->audit->n_sandboxes);
}

static json_t *confinement_evidence(const struct view *view,
				    const char *control)
{
	json_t *tags =
		clo_tagging_evidence(view->node, view->audit, !view->scope);

	(void)control;
	/* the counts are of the whole node: not a scope's to read */
	return view->scope ? json_pack("{s:o}", "kernelTags", tags)
			   : json_pack("{s:I, s:o}", "domainsLookedAt",
				       (json_int_t)view->audit->n_sandboxes,
				       "kernelTags", tags);
}

#define VERDICTS                                                               \
	"every verdict of the tables read back from the kernel enumerated"
#define EGRESS "res.tenant-data-egress"

static const struct measure {
	const char *control;
	const char *method;
	json_t *(*evidence)(const struct view *view, const char *control);
	bool sandbox; /* only where the policy has sandboxes */
} measures[] = {
	{"net.default-deny",
	 "hooks of every tap and segment uplink listed by the kernel, modes "
	 "of their port entries and flooding of their bridges read back; "
	 "attached programs run on unlisted frames",
	 tap_evidence},
	{"net.cross-tenant-deny", VERDICTS, invariant_evidence},
	{"env.prod-nonprod-deny", VERDICTS, invariant_evidence},
	{EGRESS, VERDICTS, invariant_evidence},
	{"net.flow-matrix",
	 "tables, limits and connection accounts read back from the kernel "
	 "compared with the compiled policy, every entry",
	 matrix_evidence},
	{"net.no-bypass-path",
	 "bridge ports, their fixed MACs, interface types and foreign programs "
	 "on the hooks listed; attached programs run on a late fragment, a "
	 "source route and a VLAN tag; node addresses enumerated in the tables",
	 bypass_evidence},
	{"net.fail-closed",
	 "rules and ports of the fence around the governed bridges read back "
	 "from the kernel and compared with what was put there",
	 fence_evidence},
	{"env.label-integrity",
	 "port entries in the kernel compared with libvirt's running domains "
	 "and the policy",
	 binding_evidence},
	{"spoof.source-binding",
	 "attached programs run on frames with a foreign MAC and address, and "
	 "on a lawful one",
	 tap_evidence},
	{"spoof.arp-nd-dhcp",
	 "attached programs run on a forged ARP, a DHCP server's reply and a "
	 "router advertisement",
	 tap_evidence},
	{"agt.self-integrity",
	 "tags of the programs in the kernel compared with the object built in",
	 program_evidence},
	{"att.authentic-fresh",
	 "the log's last statement opened and compared with the chain's head; "
	 "key file loaded again; interruptions listed as gaps",
	 no_evidence},
	{"sbx.guest-confinement",
	 "users, groups, capabilities, seccomp filters and program of each "
	 "QEMU process read from /proc, its domain's XML compared with the "
	 "profile; where the kernel takes BPF LSM programs, their links and maps "
	 "read back and a tagged child's attempts refused",
	 confinement_evidence, true},
	{"sbx.device-surface",
	 "every element of each running domain's XML compared with an allow "
	 "list; IOMMU groups and drivers of the PCI devices that it has, and "
	 "how the host's IOMMU is set, read",
	 sandbox_evidence, true},
	{"sbx.shared-resources",
	 "limits and partition of each domain, cgroups and CPUs of its "
	 "process, kernel same-page merging, swap areas and the threads of "
	 "cores read",
	 sandbox_evidence, true},
	{"sto.no-shared-residual",
	 "owner, mode and names of every file that a domain has, and of every "
	 "image behind it",
	 sandbox_evidence, true},
	{"env.no-shared-data",
	 "every image behind a domain's disks followed by what the images "
	 "themselves say",
	 sandbox_evidence, true},
	{"drg.exception-hygiene",
	 "exceptions of the policy checked against the clock; one in force "
	 "fails its control",
	 exception_evidence},
};

static bool peer_in(const struct clo_peer *peer, const char *scope)
{
	char own[CLO_SCOPE_MAX];

	if (peer->kind != CLO_PEER_GROUP && peer->kind != CLO_PEER_SEGMENT)
		return false;
	(void)snprintf(own, sizeof(own), "%s/%s", peer->tenant->name,
		       clo_environment_name(peer->environment));
	return strcmp(own, scope) == 0;
}

/* An exception without rules concerns all; with rules, their two ends. */
static bool exception_concerns(const struct view *view,
			       const struct clo_exception_doc *exception)
{
	const struct clo_compiled *compiled = view->node->force->compiled;

	if (!view->scope || exception->n_rules == 0)
		return true;
	for (uint32_t i = 1; i < compiled->tables->gen.rules; i++) {
		const struct clo_rule_doc *rule = compiled->rules[i];

		for (size_t k = 0; k < exception->n_rules; k++)
			if (strcmp(exception->rules[k], rule->full) == 0 &&
			    (peer_in(&rule->from, view->scope) ||
			     peer_in(&rule->to, view->scope)))
				return true;
	}
	return false;
}

static const struct clo_exception_doc *exception_of(const struct view *view,
						    const char *control)
{
	const struct clo_policy *policy = view->node->force->policy;
	time_t now = view->occasion->now;

	for (size_t i = 0; i < policy->n_exceptions; i++) {
		const struct clo_exception_doc *e = &policy->exceptions[i];

		if (strcmp(e->control, control) == 0 && e->not_before <= now &&
		    now < e->not_after && exception_concerns(view, e))
			return e;
	}
	return NULL;
}

/* Problems of one control that the scope may read. */
struct tally {
	const char *first; /* one that no exception admits, if there is any */
	size_t n, excepted;
};

static struct tally count_problems(const struct view *view, const char *control)
{
	struct tally tally = {0};

	for (size_t i = 0; i < view->audit->problems.n; i++) {
		const struct clo_problem *p = &view->audit->problems.list[i];

		if (strcmp(p->control, control) != 0 ||
		    !clo_problem_concerns(p, view->scope))
			continue;
		if (!tally.first || (!p->excepted && tally.n == tally.excepted))
			tally.first = view->scope && !p->everyone
					      ? p->scope_text
					      : p->text;
		tally.n++;
		tally.excepted += p->excepted;
	}
	return tally;
}

static json_t *entry(const struct clo_control *control, const char *result,
		     bool excepted, const char *method, json_t *detail,
		     json_t *evidence)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:s, s:o, s:o}", "id",
			 control->id, "result", result, "mandatory",
			 control->mandatory, "excepted", excepted, "method",
			 method, "detail", detail, "evidence", evidence);
}

static json_t *measured(const struct view *view,
			const struct clo_control *control,
			const struct measure *measure)
{
	const struct clo_exception_doc *exception;
	struct tally tally;
	json_t *evidence;

	if (!view->node->force || !view->audit->observed)
		return entry(control,
			     view->node->force ? "FAIL" : "INCONCLUSIVE", false,
			     measure->method,
			     json_string("no policy is in force"), json_null());

	tally = count_problems(view, control->id);
	exception = exception_of(view, control->id);
	evidence = measure->evidence(view, control->id);
	if (tally.n)
		return entry(
			control, "FAIL", exception && tally.n == tally.excepted,
			measure->method,
			tally.n > 1 ? json_sprintf("%s (and %zu more)",
						   tally.first, tally.n - 1)
				    : json_string(tally.first),
			evidence);
	if (!exception)
		return entry(control, "PASS", false, measure->method,
			     json_string(""), evidence);
	/* its name may be another scope's affair */
	return entry(control, "FAIL", true, measure->method,
		     view->scope ? json_string("an exception is in force")
				 : json_sprintf("exception %s is in force",
						exception->name),
		     evidence);
}

/* Secure Boot and lockdown, as far as this platform lets them be seen. */
static json_t *verified_boot(const struct view *view,
			     const struct clo_control *control)
{
	static const char *const needed[] = {"secure-boot", "kernel-lockdown"};
	const struct clo_facts *facts = view->occasion->facts;
	const char *result = "PASS";
	const char *detail = "";

	for (size_t k = 0; k < CLO_ARRAY_LEN(needed); k++) {
		enum clo_fact_state state = CLO_FACT_NOT_OBSERVABLE;

		for (size_t i = 0; i < facts->n; i++)
			if (strcmp(facts->facts[i].name, needed[k]) == 0)
				state = facts->facts[i].state;
		if (state == CLO_FACT_VERIFIED || strcmp(result, "FAIL") == 0)
			continue;
		result = state == CLO_FACT_CONTRADICTED ? "FAIL"
							: "INCONCLUSIVE";
		detail = needed[k];
	}
	return entry(control, result, false, "efivars and securityfs read",
		     *detail ? json_sprintf("%s is not verified", detail)
			     : json_string(""),
		     json_null());
}

static const struct measure *measure_of(const struct view *view,
					const char *control)
{
	const struct clo_force *force = view->node->force;
	bool sandboxes = force && force->policy->node.sandbox.present;

	/* nobody is held to it: that it holds would say nothing */
	if (strcmp(control, EGRESS) == 0 &&
	    !clo_proof_covers(&view->audit->proof, control) &&
	    count_problems(view, control).n == 0)
		return NULL;
	for (size_t i = 0; i < CLO_ARRAY_LEN(measures); i++)
		if (strcmp(measures[i].control, control) == 0)
			return measures[i].sandbox && !sandboxes ? NULL
								 : &measures[i];
	return NULL;
}

json_t *clo_measures_report(const struct clo_node *node,
			    const struct clo_audit *audit,
			    const struct clo_occasion *occasion,
			    const char *scope)
{
	const struct view view = {node, audit, occasion, scope};
	json_t *report = json_array();

	for (size_t i = 0; i < clo_controls_count; i++) {
		const struct clo_control *control = &clo_controls[i];
		const struct measure *measure = measure_of(&view, control->id);
		json_t *finding;

		if (measure)
			finding = measured(&view, control, measure);
		else if (strcmp(control->id, "fw.verified-boot") == 0)
			finding = verified_boot(&view, control);
		else
			finding = entry(control, "NOT-ASSESSED", false, "none",
					json_string(""), json_null());
		/* a policy that has sandboxes needs them whole */
		if (measure && measure->sandbox)
			(void)json_object_set_new(finding, "mandatory",
						  json_true());
		(void)json_array_append_new(report, finding);
	}
	return report;
}
