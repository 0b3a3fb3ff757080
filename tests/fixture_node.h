/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/predicate.h"
#include "fixture_force.h"
#include "fixture_key.h"

/*
 * A node with the policy of fixture_force.h and an audit that found nothing
 * wrong, made by hand: no kernel, no libvirt. One tap of each tenant and one
 * that nobody declared.
 */
enum {
	TAP_ACME,
	TAP_GLOBEX,
	TAP_UNDECLARED,
	N_TAPS
};

#define ACME "acme/production"
#define GLOBEX "globex/production"

struct fixture {
	struct clo_options options;
	struct clo_node node;
	struct clo_inventory inventory;
	struct clo_tap taps[N_TAPS];
	struct clo_virt_domain domains[2];
	struct clo_audit audit; /* borrows the force's tables */
	struct clo_tap_audit results[N_TAPS];
	struct clo_facts facts;
	struct clo_occasion occasion;
};

/* The datapath's part, so that the linker takes none of agent/sys/bpf*.c. */
const char *clo_bpf_attach_name(const struct clo_bpf *bpf)
{
	(void)bpf;
	return "tcx";
}

/* What the attached programs say; NULL: these audits are made by hand. */
static int (*fixture_probe)(uint32_t prog_id, const uint8_t *frame,
			    bool *ret_drop);

int clo_bpf_probe(struct clo_bpf *bpf, uint32_t prog_id, uint32_t ifindex,
		  uint32_t mark, const void *frame, size_t len, bool *ret_drop)
{
	(void)bpf;
	(void)ifindex;
	(void)mark;
	(void)len;
	return fixture_probe ? fixture_probe(prog_id, frame, ret_drop)
			     : -ENOTSUP;
}

static inline void fixture_bind(struct fixture *f, int tap, const char *name,
				const char *device, const char *uuid)
{
	const struct clo_policy *policy = f->node.force->policy;
	struct clo_tap *t = &f->taps[tap];

	*t = (struct clo_tap){.ifindex = 20 + (uint32_t)tap, .on_bridge = true};
	(void)snprintf(t->name, sizeof(t->name), "%s", device);
	(void)snprintf(t->bridge, sizeof(t->bridge), "clobr0");
	(void)snprintf(t->domain, sizeof(t->domain), "%s", uuid);
	for (size_t i = 0; i < policy->n_workloads; i++)
		if (strcmp(policy->workloads[i].name, name) == 0) {
			t->workload = &policy->workloads[i];
			t->interface = &t->workload->interfaces[0];
		}
	assert_int_equal(t->interface != NULL, name[0] != '\0');
}

static inline void fixture_audit(struct fixture *f)
{
	static const char *const programs[] = {"clo_from_guest",
					       "clo_to_guest"};

	f->audit.observed = f->node.force->compiled->tables;
	f->audit.proof = f->node.force->proof;
	f->node.meaning = (struct clo_meaning){.at = 1, .verdicts = 900};
	memcpy(f->node.meaning.tables, f->audit.observed->gen.tables_digest,
	       sizeof(f->node.meaning.tables));
	f->audit.decided = (struct clo_enumeration){
		.epoch = 1, .pairs = 100, .classes = 9, .verdicts = 900};
	f->audit.programs_read = true;
	for (size_t i = 0; i < 2; i++)
		f->audit.programs[i] = (struct clo_bpf_program){
			.name = programs[i],
			.id = 100 + (uint32_t)i,
			.as_built = true,
		};
	f->audit.taps = f->results;
	f->audit.n_taps = f->audit.n_guarded = N_TAPS;
	for (size_t i = 0; i < N_TAPS; i++) {
		f->results[i].guarded = true;
		f->results[i].has_port = i != TAP_UNDECLARED;
		for (size_t p = 0; p < clo_probes_count; p++)
			if (clo_probes[p].where <= CLO_PROBE_BOUND)
				f->results[i].probes[p] = CLO_PROBE_RIGHT;
	}
}

static inline void fixture_fact(struct fixture *f, const char *name,
				enum clo_fact_state state)
{
	struct clo_fact *fact = &f->facts.facts[f->facts.n++];

	*fact = (struct clo_fact){.state = state, .source = "/sys/x"};
	(void)snprintf(fact->name, sizeof(fact->name), "%s", name);
}

/* As of `now`, which decides whether the exception is in force. */
static inline void fixture_init(struct fixture *f, time_t now)
{
	static const char acme_uuid[] = "00000000-0000-0000-0000-00000000000a";
	static const char globex_uuid[] =
		"6f0a5a4e-3c1b-4b8e-9d1c-0a4f6f7e2b11";

	*f = (struct fixture){.options.period = 60};
	f->node.options = &f->options;
	f->node.key = fixture_key(FIXTURE_KEY_1);
	f->node.force = fixture_force(now);
	strcpy(f->node.boot_id, "00000000-0000-0000-0000-000000000b07");

	fixture_bind(f, TAP_ACME, "shop", "vnet-a", acme_uuid);
	fixture_bind(f, TAP_GLOBEX, "blog", "vnet-g", globex_uuid);
	fixture_bind(f, TAP_UNDECLARED, "", "vnet-u", "");
	f->inventory = (struct clo_inventory){
		.taps = f->taps, .n_taps = N_TAPS, .domains_known = true};
	f->node.inventory = &f->inventory;
	memcpy(f->domains[0].uuid, acme_uuid, sizeof(acme_uuid));
	memcpy(f->domains[1].uuid, globex_uuid, sizeof(globex_uuid));
	memset(f->domains[0].xml_digest, 0xaa, 32);
	memset(f->domains[1].xml_digest, 0xbb, 32);
	f->node.domains = f->domains;
	f->node.n_domains = 2;

	fixture_audit(f);
	fixture_fact(f, "secure-boot", CLO_FACT_VERIFIED);
	fixture_fact(f, "kernel-lockdown", CLO_FACT_VERIFIED);
	f->occasion = (struct clo_occasion){
		.trigger = "period", .now = now, .facts = &f->facts};
}

static inline void fixture_done(struct fixture *f)
{
	clo_problems_done(&f->audit.problems);
	clo_force_free(f->node.force);
	clo_key_free(f->node.key);
	json_decref(f->node.last);
	json_decref(f->node.told);
	clo_standings_done(&f->node.standings);
}
