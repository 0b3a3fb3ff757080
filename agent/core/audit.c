/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/attest/dsse.h"
#include "agent/attest/sha256.h"
#include "agent/base/clock.h"
#include "policy/explain.h"

#define DIFFERENCES_MAX 16

static const char *identity_scope(const struct clo_compiled *compiled,
				  uint32_t identity)
{
	if (identity >= compiled->tables->gen.identities)
		return NULL;
	return compiled->identities[identity].scope;
}

static int note_difference(struct clo_node *node, struct clo_audit *audit,
			   const struct clo_difference *difference)
{
	const struct clo_compiled *compiled = node->force->compiled;
	json_auto_t *line = NULL;
	struct clo_problem *found;
	const char *text;

	line = clo_explain_difference(compiled, audit->observed, difference);
	text = json_string_value(
		json_is_string(line) ? line : json_object_get(line, "text"));
	found = clo_problem_add(&audit->problems, "net.flow-matrix", "%s",
				text ? text : "the kernel's tables differ");
	if (!difference->has_pair)
		return clo_problem_everyone(found);
	return clo_problem_scoped(
		found, identity_scope(compiled, difference->pair.src),
		identity_scope(compiled, difference->pair.dst),
		"the verdict of a flow from or to this scope differs "
		"from the policy");
}

static int compare(struct clo_node *node, struct clo_audit *audit)
{
	struct clo_difference differences[DIFFERENCES_MAX];
	size_t n;
	int r;

	n = clo_tables_compare(node->force->compiled->tables, audit->observed,
			       differences, DIFFERENCES_MAX);
	if (n)
		audit->repair |= CLO_REPAIR_TABLES;
	for (size_t i = 0; i < n && i < DIFFERENCES_MAX; i++) {
		r = note_difference(node, audit, &differences[i]);
		if (r < 0)
			return r;
	}
	if (n > DIFFERENCES_MAX)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.flow-matrix",
			"and %zu more differences", n - DIFFERENCES_MAX));
	return 0;
}

static int note_breach(struct clo_node *node, struct clo_audit *audit,
		       const struct clo_breach *breach)
{
	const struct clo_compiled *compiled = node->force->compiled;
	json_auto_t *told = clo_explain_breach(compiled, breach);
	const char *packet = json_string_value(json_object_get(told, "packet"));
	const char *from = json_string_value(json_object_get(told, "from"));
	const char *to = json_string_value(json_object_get(told, "to"));
	const char *service =
		json_string_value(json_object_get(told, "service"));
	struct clo_problem *found;

	found = clo_problem_add(&audit->problems, breach->invariant->control,
				"%s is broken: %s to %s on %s (%s)",
				breach->invariant->name, from ? from : "?",
				to ? to : "?", service ? service : "?",
				packet ? packet : "no packet");
	if (found)
		found->excepted = breach->rule < compiled->tables->gen.rules &&
				  node->force->excepted[breach->rule];
	return clo_problem_scoped(
		found, identity_scope(compiled, breach->pair.src),
		identity_scope(compiled, breach->pair.dst),
		"a flow that crosses this scope's border is allowed");
}

static int prove(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_force *force = node->force;
	double begin = clo_milliseconds();
	char text[160] = "";
	int r;

	r = clo_prove(audit->observed, force->excepted,
		      force->compiled->tables->gen.rules, &audit->proof, text);
	audit->ms_prove = clo_milliseconds() - begin;
	if (r == -EBADMSG) {
		audit->repair |= CLO_REPAIR_TABLES;
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "net.cross-tenant-deny",
			"the kernel's tables contradict "
			"themselves: %s",
			text));
		if (r < 0)
			return r;
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "env.prod-nonprod-deny",
			"the kernel's tables contradict "
			"themselves: %s",
			text));
	}
	for (size_t i = 0; r == 0 && i < audit->proof.n_breaches; i++)
		r = note_breach(node, audit, &audit->proof.breaches[i]);
	return r;
}

static int read_tables(struct clo_node *node, struct clo_audit *audit)
{
	double begin = clo_milliseconds();
	int r;

	r = clo_bpf_tables_read(node->bpf, &audit->observed);
	audit->ms_read = clo_milliseconds() - begin;
	if (!node->force)
		return r == -ENOMEM ? r : 0;
	if (r < 0) {
		audit->repair |= CLO_REPAIR_TABLES;
		return clo_problem_everyone(
			clo_problem_add(&audit->problems, "net.flow-matrix",
					"the tables cannot be read back: %s",
					strerrordesc_np(-r)));
	}

	r = compare(node, audit);
	if (r < 0)
		return r;
	return prove(node, audit);
}

static int read_programs(struct clo_node *node, struct clo_audit *audit)
{
	int r;

	r = clo_bpf_programs_read(node->bpf, audit->programs);
	if (r < 0)
		return clo_problem_everyone(
			clo_problem_add(&audit->problems, "agt.self-integrity",
					"the programs cannot be read: %s",
					strerrordesc_np(-r)));
	audit->programs_read = true;
	for (int i = 0; i < 2; i++) {
		if (audit->programs[i].as_built)
			continue;
		audit->repair |= CLO_REPAIR_PROGRAMS;
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "agt.self-integrity",
			"the pinned program %s is %s", audit->programs[i].name,
			audit->programs[i].id ? "not the one that was built"
					      : "gone"));
		if (r < 0)
			return r;
	}
	return 0;
}

/* A problem of one tap, told to the scope whose endpoint it is. */
__attribute__((format(printf, 4, 5))) static int
tap_problem(struct clo_audit *audit, const struct clo_tap *tap,
	    const char *control, const char *fmt, ...)
{
	char scope[CLO_SCOPE_MAX];
	char text[256];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!tap->workload)
		return clo_problem_add(&audit->problems, control,
				       "%s (undeclared): %s", tap->name, text)
			       ? 0
			       : -ENOMEM;
	clo_scope_of(tap->workload, scope);
	return clo_problem_scoped(clo_problem_add(&audit->problems, control,
						  "%s (%s): %s", tap->name,
						  tap->interface->name, text),
				  scope, NULL, text);
}

static int check_hook(struct clo_audit *audit, const struct clo_tap *tap,
		      const struct clo_bpf_hook *hook, const char *name)
{
	int r;

	if (!hook->ours) {
		audit->repair |= CLO_REPAIR_GUARDS;
		r = tap_problem(audit, tap, "net.default-deny",
				"guard %s is not attached", name);
		if (r < 0)
			return r;
	}
	if (hook->others)
		return tap_problem(audit, tap, "net.no-bypass-path",
				   "%u foreign programs on the hook of %s",
				   hook->others, name);
	return 0;
}

static int check_probes(struct clo_audit *audit, const struct clo_tap *tap,
			const struct clo_tap_audit *result)
{
	for (size_t i = 0; i < clo_probes_count; i++) {
		const struct clo_probe *probe = &clo_probes[i];
		int r = 0;

		if (result->probes[i] == CLO_PROBE_WRONG)
			r = tap_problem(audit, tap, probe->control,
					"probe \"%s\" was %s", probe->name,
					probe->drop ? "let through"
						    : "dropped");
		else if (result->probes[i] == CLO_PROBE_ERROR)
			r = tap_problem(audit, tap, probe->control,
					"probe \"%s\" could not run",
					probe->name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_tap(struct clo_node *node, struct clo_audit *audit,
		     const struct clo_tap *tap, struct clo_tap_audit *result)
{
	const struct clo_bpf_guard *guard = &result->guard;
	int r;

	r = clo_bpf_guard_query(node->bpf, tap->ifindex, &result->guard);
	if (r < 0) {
		audit->repair |= CLO_REPAIR_GUARDS;
		return tap_problem(audit, tap, "net.default-deny",
				   "its hooks cannot be read: %s",
				   strerrordesc_np(-r));
	}

	r = check_hook(audit, tap, &guard->from_guest, "from_guest");
	if (r < 0)
		return r;
	r = check_hook(audit, tap, &guard->to_guest, "to_guest");
	if (r < 0)
		return r;

	result->guarded = guard->from_guest.ours && guard->to_guest.ours;
	if (!result->guarded)
		return 0;
	audit->n_guarded++;
	clo_probe_tap(node->bpf, tap, node->force != NULL, result->probes);
	return check_probes(audit, tap, result);
}

static int check_taps(struct clo_node *node, struct clo_audit *audit)
{
	const struct clo_inventory *inventory = node->inventory;
	int r;

	audit->n_taps = inventory->n_taps;
	audit->taps = calloc(inventory->n_taps + 1, sizeof(*audit->taps));
	if (!audit->taps)
		return -ENOMEM;
	for (size_t i = 0; i < inventory->n_taps; i++) {
		r = check_tap(node, audit, &inventory->taps[i],
			      &audit->taps[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The kernel's port entries against the inventory's bindings. */
static int check_ports(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO_MEM struct clo_bpf_port *ports = NULL;
	size_t n = 0;
	size_t bound = 0;
	int r;

	r = clo_bpf_ports_read(node->bpf, &ports, &n);
	if (r < 0)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "env.label-integrity",
			"the ports cannot be read: %s", strerrordesc_np(-r)));

	for (size_t i = 0; i < n; i++) {
		const struct clo_tap *tap =
			clo_inventory_find(node->inventory, ports[i].ifindex);
		struct clo_port want = {0};

		if (tap && tap->interface)
			clo_tap_port(tap, &want);
		if (want.endpoint &&
		    memcmp(&want, &ports[i].port, sizeof(want)) == 0) {
			bound++;
			continue;
		}
		if (!node->inventory->domains_known && !want.endpoint)
			continue; /* libvirt is mute: nobody can say */
		audit->repair |= CLO_REPAIR_PORTS;
		r = tap ? tap_problem(audit, tap, "env.label-integrity",
				      "its port entry names another endpoint")
			: clo_problem_everyone(clo_problem_add(
				  &audit->problems, "env.label-integrity",
				  "port entry of ifindex %u belongs "
				  "to no tap",
				  ports[i].ifindex));
		if (r < 0)
			return r;
	}

	for (size_t i = 0; i < node->inventory->n_taps; i++)
		bound -= node->inventory->taps[i].interface != NULL;
	if (bound == 0)
		return 0;
	audit->repair |= CLO_REPAIR_PORTS;
	return clo_problem_everyone(clo_problem_add(&audit->problems,
						    "env.label-integrity",
						    "a port entry is missing"));
}

static int note_conflicts(struct clo_node *node, struct clo_audit *audit)
{
	for (size_t i = 0; i < node->inventory->n_conflicts; i++) {
		const struct clo_conflict *c = &node->inventory->conflicts[i];
		struct clo_problem *found = clo_problem_add(
			&audit->problems, c->control, "%s", c->text);
		char scope[CLO_SCOPE_MAX];
		int r;

		if (!found)
			return -ENOMEM;
		if (!c->workload)
			continue;
		clo_scope_of(c->workload, scope);
		r = clo_problem_scoped(
			found, scope, NULL,
			"an interface of this scope contradicts its "
			"declaration and is cut off");
		if (r < 0)
			return r;
	}
	return 0;
}

/* The head of the chain opens with our key and is what the log says it is. */
static int check_head(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO_MEM char *envelope = NULL;
	CLO_AUTO_MEM char *payload = NULL;
	uint8_t previous[CLO_SHA256_SIZE];
	uint8_t digest[CLO_SHA256_SIZE];
	uint64_t next = 0;
	time_t when;
	size_t len;
	int r;

	r = clo_store_head(node->store, node->boot_id, &next, previous);
	if (r == 0 && next == 0)
		return 0; /* the first statement of this boot */
	if (r == 0)
		r = clo_store_latest(node->store, "", &envelope, &when);
	if (r == 0)
		r = clo_dsse_open(node->key, envelope, strlen(envelope),
				  &payload, &len);
	if (r == 0)
		r = clo_sha256(payload, len, digest);
	if (r == 0 && memcmp(digest, previous, sizeof(digest)) != 0)
		r = -EBADMSG;
	if (r == -ENOMEM || r == 0)
		return r;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "att.authentic-fresh",
				"the log's last statement is not the one that "
				"was signed: %s",
				strerrordesc_np(-r)));
}

/* The key on disk is still ours alone, and the periods were kept. */
static int check_log(struct clo_node *node, struct clo_audit *audit)
{
	CLO_AUTO(clo_key) struct clo_key *key = NULL;
	char ours[65] = "";
	char stored[65] = "?";
	time_t late = time(NULL) - node->last_time;
	int r;

	r = check_head(node, audit);
	if (r < 0)
		return r;
	r = clo_key_load(node->key_path, &key);
	if (r == 0)
		r = clo_key_id(key, stored);
	if (r == 0)
		r = clo_key_id(node->key, ours);
	if (r < 0 || strcmp(ours, stored) != 0) {
		r = clo_problem_everyone(clo_problem_add(
			&audit->problems, "att.authentic-fresh",
			"the signing key's file: %s",
			r < 0 ? strerrordesc_np(-r) : "holds another key"));
		if (r < 0)
			return r;
	}
	if (node->last_time && late > 3 * (time_t)node->options->period)
		return clo_problem_everyone(clo_problem_add(
			&audit->problems, "att.authentic-fresh",
			"no proof for %lld seconds", (long long)late));
	return 0;
}

static int check_exceptions(struct clo_node *node, struct clo_audit *audit)
{
	if (!node->force || !clo_force_outdated(node->force, time(NULL)))
		return 0;
	return clo_problem_everyone(
		clo_problem_add(&audit->problems, "drg.exception-hygiene",
				"an exception began or ended and the tables "
				"do not follow"));
}

int clo_audit_run(struct clo_node *node, struct clo_audit **ret_audit)
{
	static int (*const steps[])(struct clo_node * node,
				    struct clo_audit * audit) = {
		read_tables,    read_programs, check_ports,      check_taps,
		note_conflicts, check_log,     check_exceptions,
	};
	CLO_AUTO(clo_audit) struct clo_audit *audit = NULL;

	audit = calloc(1, sizeof(*audit));
	if (!audit)
		return -ENOMEM;
	for (size_t i = 0; i < CLO_ARRAY_LEN(steps); i++) {
		int r = steps[i](node, audit);

		if (r < 0)
			return r;
	}

	*ret_audit = CLO_TAKE(audit);
	return 0;
}

void clo_audit_free(struct clo_audit *audit)
{
	if (!audit)
		return;

	clo_problems_done(&audit->problems);
	free(audit->taps);
	clo_tables_free(audit->observed);
	free(audit);
}
