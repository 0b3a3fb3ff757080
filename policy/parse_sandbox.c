/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/controls.h"
#include "policy/parse_state.h"
#include "policy/quote.h"

/* Which uids QEMU processes run as, and what their sandboxes let them have. */

/* Below are the system's own users; above no kernel interface is sure. */
#define UID_LEAST 1000U
#define UID_MOST 2147483646U
/* Within, but nobody's: what has no user, and 16 bits of "none". */
#define UID_NOBODY 65534U
#define UID_NONE 65535U

enum {
	SANDBOX_UIDS,
	SANDBOX_DIRECTORY,
	SANDBOX_BASES,
	SANDBOX_RESPONSE,
	SANDBOX_RESPONSES,
	SANDBOX_CALLS,
	SANDBOX_COUNT,
};

static const struct clo_member sandbox_members[SANDBOX_COUNT] = {
	[SANDBOX_UIDS] = {"uids", JSON_OBJECT, true},
	[SANDBOX_DIRECTORY] = {"directory", JSON_STRING},
	[SANDBOX_BASES] = {"bases", JSON_ARRAY},
	[SANDBOX_RESPONSE] = {"response", JSON_STRING},
	[SANDBOX_RESPONSES] = {"responses", JSON_OBJECT},
	[SANDBOX_CALLS] = {"systemCalls", JSON_STRING},
};

static const struct clo_member uid_members[] = {
	{"first", JSON_INTEGER, true},
	{"count", JSON_INTEGER, true},
};

/* A word and the bit that it stands for. */
struct word {
	const char *name;
	unsigned int bit;
};

static const struct word devices[] = {
	{"audio", CLO_DEVICE_AUDIO},
	{"cdrom", CLO_DEVICE_CDROM},
	{"filesystem", CLO_DEVICE_FILESYSTEM},
	{"floppy", CLO_DEVICE_FLOPPY},
	{"passthrough", CLO_DEVICE_PASSTHROUGH},
	{"shmem", CLO_DEVICE_SHMEM},
	{"usb", CLO_DEVICE_USB},
	{"video", CLO_DEVICE_VIDEO},
};

static const struct word permits[] = {
	{"dump", CLO_PERMIT_DUMP},
	{"migration", CLO_PERMIT_MIGRATION},
	{"save", CLO_PERMIT_SAVE},
	{"snapshot", CLO_PERMIT_SNAPSHOT},
};

static const struct word responses[] = {
	{"quarantine", CLO_RESPONSE_QUARANTINE},
	{"repair", CLO_RESPONSE_REPAIR},
	{"report", CLO_RESPONSE_REPORT},
	{"suspend", CLO_RESPONSE_SUSPEND},
};

static const struct word call_lists[] = {
	{"allow-list", 0},
	{"deny-list", 1},
};

const char *clo_response_name(enum clo_response response)
{
	for (size_t i = 0; i < CLO_ARRAY_LEN(responses); i++)
		if (responses[i].bit == response)
			return responses[i].name;
	return "?";
}

static const struct word *find_word(struct clo_parse *parse,
				    const struct clo_place *place,
				    const struct word *words, size_t n)
{
	const char *text = clo_read_string(&parse->reader, place);
	char known[128] = "";

	if (!text)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].name, text) == 0)
			return &words[i];
		(void)snprintf(known + strlen(known),
			       sizeof(known) - strlen(known), "%s%s",
			       i ? ", " : "", words[i].name);
	}
	clo_flaw_at(&parse->reader, place, "%s: expected one of %s",
		    clo_quote(text).text, known);
	return NULL;
}

static unsigned int read_words(struct clo_parse *parse,
			       const struct clo_place *list,
			       const struct word *words, size_t n)
{
	unsigned int bits = 0;

	clo_check_repeats(&parse->reader, list, NULL);
	for (size_t i = 0; i < clo_place_items(list); i++) {
		struct clo_place item = clo_place_item(list, i);
		const struct word *word = find_word(parse, &item, words, n);

		bits |= word ? word->bit : 0;
	}
	return bits;
}

unsigned int clo_read_permits(struct clo_parse *parse,
			      const struct clo_place *place)
{
	return read_words(parse, place, permits, CLO_ARRAY_LEN(permits));
}

unsigned int clo_read_devices(struct clo_parse *parse,
			      const struct clo_place *place)
{
	return read_words(parse, place, devices, CLO_ARRAY_LEN(devices));
}

static enum clo_response read_response(struct clo_parse *parse,
				       const struct clo_place *place)
{
	const struct word *word =
		find_word(parse, place, responses, CLO_ARRAY_LEN(responses));

	return word ? (enum clo_response)word->bit : CLO_RESPONSE_REPORT;
}

static void read_responses(struct clo_parse *parse,
			   const struct clo_place *place,
			   struct clo_sandbox_doc *sandbox)
{
	const char *control;
	json_t *value;

	if (!clo_check_type(&parse->reader, place, JSON_OBJECT))
		return;
	sandbox->responses = clo_arena_array(parse->reader.keep,
					     json_object_size(place->json),
					     sizeof(*sandbox->responses));
	if (!sandbox->responses)
		return;
	json_object_foreach (place->json, control, value) {
		struct clo_place member = clo_place_member(place, control);

		if (!clo_control_find(control)) {
			clo_flaw_at(&parse->reader, &member,
				    "%s is no control of the catalogue: "
				    "correct the id",
				    clo_quote(control).text);
			continue;
		}
		sandbox->responses[sandbox->n_responses++] =
			(struct clo_response_doc){
				clo_control_find(control)->id,
				read_response(parse, &member),
			};
	}
	clo_sort(sandbox->responses, sandbox->n_responses,
		 sizeof(*sandbox->responses), clo_compare_text);
}

static void read_uids(struct clo_parse *parse, const struct clo_place *place,
		      struct clo_sandbox_doc *sandbox)
{
	struct clo_place members[CLO_ARRAY_LEN(uid_members)];
	uint64_t first = 0, count = 0;

	if (!clo_read_object(&parse->reader, place, uid_members,
			     CLO_ARRAY_LEN(uid_members), members) ||
	    !clo_read_number(&parse->reader, &members[0], UID_LEAST, UID_MOST,
			     &first) ||
	    !clo_read_number(&parse->reader, &members[1], 1,
			     UID_MOST - first + 1, &count))
		return;
	sandbox->first = (uint32_t)first;
	sandbox->count = (uint32_t)count;
}

void clo_read_sandbox(struct clo_parse *parse, const struct clo_place *place,
		      struct clo_sandbox_doc *sandbox)
{
	struct clo_place members[SANDBOX_COUNT];
	const struct word *calls;
	struct clo_texts bases;

	sandbox->directory = CLO_SANDBOX_DIRECTORY;
	if (!clo_read_object(&parse->reader, place, sandbox_members,
			     SANDBOX_COUNT, members))
		return;
	sandbox->present = true;
	read_uids(parse, &members[SANDBOX_UIDS], sandbox);
	if (members[SANDBOX_DIRECTORY].json)
		sandbox->directory = clo_read_text(&parse->reader,
						   &members[SANDBOX_DIRECTORY],
						   &clo_format_path);
	bases = clo_read_texts(&parse->reader, &members[SANDBOX_BASES],
			       &clo_format_path);
	sandbox->bases = bases.items;
	sandbox->n_bases = bases.n;
	sandbox->response = read_response(parse, &members[SANDBOX_RESPONSE]);
	calls = find_word(parse, &members[SANDBOX_CALLS], call_lists,
			  CLO_ARRAY_LEN(call_lists));
	sandbox->deny_list = calls && calls->bit;
	if (members[SANDBOX_RESPONSES].json)
		read_responses(parse, &members[SANDBOX_RESPONSES], sandbox);
}

uint32_t clo_read_uid(struct clo_parse *parse, const struct clo_place *place)
{
	uint64_t uid = 0;

	(void)clo_read_number(&parse->reader, place, UID_LEAST, UID_MOST, &uid);
	if (uid == UID_NOBODY || uid == UID_NONE)
		clo_flaw_at(&parse->reader, place,
			    "%u is no user's by convention: use another one",
			    (uint32_t)uid);
	return (uint32_t)uid;
}

/* A scope with a uid, and where that stands. */
struct owner {
	uint32_t uid;
	const struct clo_tenant_doc *tenant;
	enum clo_environment environment;
	struct clo_place tenant_place, list, scope, place;
};

static void locate(struct clo_parse *parse, size_t tenant,
		   enum clo_environment environment, struct owner *owner)
{
	owner->tenant = &parse->policy->tenants[tenant];
	owner->environment = environment;
	owner->uid = owner->tenant->scopes[environment].uid;
	owner->tenant_place = clo_place_top(parse->tenants[tenant].source);
	owner->list = clo_place_member(&owner->tenant_place, "environments");
	owner->scope = clo_place_member(&owner->list,
					clo_environment_name(environment));
	owner->place = clo_place_member(&owner->scope, "uid");
}

/* Where it stands moves with the owner. */
static void settle(struct owner *owner)
{
	owner->list.up = &owner->tenant_place;
	owner->scope.up = &owner->list;
	owner->place.up = &owner->scope;
}

static int order_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	if (x->tenant != y->tenant)
		return x->tenant < y->tenant ? -1 : 1;
	return (int)x->environment - (int)y->environment;
}

static void check_range(struct clo_parse *parse, const struct owner *owner)
{
	const struct clo_sandbox_doc *sandbox = &parse->policy->node.sandbox;

	if (!sandbox->present)
		clo_flaw_at(&parse->reader, &owner->place,
			    "the Node has no \"sandbox\": add it with \"uids\" "
			    "or remove the uid");
	else if (sandbox->count &&
		 (owner->uid < sandbox->first ||
		  owner->uid - sandbox->first >= sandbox->count))
		clo_flaw_at(&parse->reader, &owner->place,
			    "%u is outside the Node's sandbox.uids, %u to %u: "
			    "use one of those",
			    owner->uid, sandbox->first,
			    sandbox->first + sandbox->count - 1);
}

static void check_owners(struct clo_parse *parse)
{
	const struct clo_policy *policy = parse->policy;
	struct owner *owners = clo_arena_array(
		parse->reader.scratch, policy->n_tenants * 3, sizeof(*owners));
	size_t n = 0;

	for (size_t t = 0; owners && t < policy->n_tenants; t++)
		for (unsigned int e = CLO_ENV_PRODUCTION;
		     e <= CLO_ENV_DEVELOPMENT; e++)
			if (policy->tenants[t].scopes[e].uid)
				locate(parse, t, e, &owners[n++]);
	clo_sort(owners, n, sizeof(*owners), order_owners);
	for (size_t i = 0; i < n; i++) {
		settle(&owners[i]);
		check_range(parse, &owners[i]);
		if (i > 0 && owners[i].uid == owners[i - 1].uid)
			clo_flaw_at(&parse->reader, &owners[i].place,
				    "%u is also the uid of %s/%s: give each "
				    "environment its own",
				    owners[i].uid, owners[i - 1].tenant->name,
				    clo_environment_name(
					    owners[i - 1].environment));
	}
}

/* A process without a uid of its own would run as everybody's. */
static void check_workload(struct clo_parse *parse, size_t index)
{
	const struct clo_workload_doc *workload =
		&parse->policy->workloads[index];
	struct clo_place top = clo_place_top(&parse->workloads[index]);
	struct clo_place place = clo_place_member(&top, "environment");
	const struct clo_tenant_doc *tenant = workload->tenant;
	const struct clo_scope_state *state;

	if (!tenant || !tenant->scopes[workload->environment].present)
		return;
	state = clo_scope_state(parse, tenant, workload->environment);
	if (tenant->scopes[workload->environment].uid || state->unsure ||
	    state->unsure_uid)
		return;
	clo_flaw_at(&parse->reader, &place,
		    "the Node has a \"sandbox\", but %s of tenant %s has no "
		    "\"uid\": add one there",
		    clo_environment_name(workload->environment),
		    clo_quote(tenant->name).text);
}

void clo_parse_sandboxes(struct clo_parse *parse)
{
	const struct clo_policy *policy = parse->policy;

	/* Without a node, or what it says, nothing can be compared. */
	if (!parse->node || (json_object_get(parse->node->json, "sandbox") &&
			     !policy->node.sandbox.present))
		return;
	check_owners(parse);
	for (size_t i = 0;
	     policy->node.sandbox.present && i < policy->n_workloads; i++)
		check_workload(parse, i);
}
