/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "policy/address.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "unit/imported.h"

/*
 * Random clusters: what the compiled tables say of every two addresses, on
 * every service class, against the rules of Kubernetes asked one by one. No
 * classes of pods, no atoms, no groups here: only what the words mean.
 */

#define CLUSTERS 300
#define PODS 6
#define POLICIES 5

static uint64_t seed = 88172645463325252U;

static uint32_t pick(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static const char *const names[] = {"a", "b", "c"};
/* Blocks that hold pods, the outside, or both; some in others. */
static const char *const blocks[] = {
	"0.0.0.0/0",   "10.0.0.0/8",      "10.1.0.0/29", "10.1.0.2/31",
	"10.1.0.3/32", "198.51.100.0/24", "::/0",        "fd00::/16",
	"fd00::2/127", "2001:db8::/32",
};
static const char *const outside[] = {"10.9.9.9",     "10.1.0.0",    "10.1.0.7",
				      "198.51.100.7", "203.0.113.9", "fd00::99",
				      "2001:db8::1",  "2001:4::1"};

static void *room(struct clo_kube *kube, size_t n, size_t size)
{
	void *array = clo_arena_array(kube->arena, n, size);

	assert(array);
	return array;
}

static struct clo_cidr cidr_of(const char *text)
{
	struct clo_cidr cidr;
	int r = clo_cidr_parse(text, CLO_FORM_EITHER, &cidr);

	assert(r == 0);
	return cidr;
}

static struct clo_kube_labels labels(struct clo_kube *kube)
{
	struct clo_kube_labels labels = {.n = pick(3) ? 1 : 0};

	labels.items = room(kube, 1, sizeof(*labels.items));
	labels.items[0] = (struct clo_kube_label){"k", names[pick(3)]};
	return labels;
}

static struct clo_kube_selector selector(struct clo_kube *kube)
{
	struct clo_kube_selector selector = {.n_needs = pick(2)};
	struct clo_kube_need *need = room(kube, 1, sizeof(*need));

	need->op = (enum clo_kube_op)pick(4);
	need->key = "k";
	need->values = room(kube, 1, sizeof(*need->values));
	need->values[0] = names[pick(3)];
	need->n_values = 1;
	selector.needs = need;
	return selector;
}

static void add_pod(struct clo_kube *kube, size_t i)
{
	struct clo_kube_pod *pod = &kube->pods[i];
	uint32_t families = 1 + pick(3);
	char text[2][32];

	(void)snprintf(text[0], sizeof(text[0]), "10.1.0.%zu", i + 1);
	(void)snprintf(text[1], sizeof(text[1]), "fd00::%zu", i + 1);
	pod->name = clo_arena_printf(kube->arena, "p%zu", i);
	pod->namespace = &kube->namespaces[pick(3)];
	pod->home = pod->namespace->name;
	pod->labels = labels(kube);
	pod->addresses = room(kube, 2, sizeof(*pod->addresses));
	for (size_t f = 0; f < 2; f++)
		if (families >> f & 1)
			pod->addresses[pod->n_addresses++] = cidr_of(text[f]);
	pod->ports = room(kube, 1, sizeof(*pod->ports));
	pod->n_ports = pick(2);
	pod->ports[0] = (struct clo_kube_port){"web", IPPROTO_TCP,
					       (uint16_t)(pick(2) ? 80 : 8080)};
}

static void make_peer(struct clo_kube *kube, struct clo_kube_peer *peer)
{
	peer->where = (enum clo_kube_where)pick(3);
	peer->home = names[pick(3)];
	peer->namespaces = selector(kube);
	peer->pods = selector(kube);
	if (pick(2))
		return;
	peer->block = true;
	peer->cidr = cidr_of(blocks[pick(CLO_ARRAY_LEN(blocks))]);
	peer->except = room(kube, 1, sizeof(*peer->except));
	peer->except[0] = cidr_of(blocks[pick(CLO_ARRAY_LEN(blocks))]);
	peer->n_except = peer->except[0].bits > peer->cidr.bits &&
			 clo_cidr_contains(&peer->cidr, &peer->except[0]);
}

static void make_rule(struct clo_kube *kube, bool ordered,
		      struct clo_kube_rule *rule)
{
	rule->action = ordered ? (enum clo_kube_action)pick(3) : CLO_KUBE_ALLOW;
	rule->n_peers = pick(3);
	rule->anyone = rule->n_peers == 0;
	rule->peers = room(kube, 2, sizeof(*rule->peers));
	for (size_t i = 0; i < rule->n_peers; i++)
		make_peer(kube, &rule->peers[i]);
	rule->n_ports = pick(3);
	rule->everything = rule->n_ports == 0;
	rule->ports = room(kube, 2, sizeof(*rule->ports));
	for (size_t i = 0; i < rule->n_ports; i++)
		rule->ports[i] = (struct clo_kube_ports){
			.proto = pick(2) ? IPPROTO_TCP : IPPROTO_UDP,
			.name = pick(3) ? NULL : "web",
			.first = (uint16_t)(70 + pick(20)),
			.last = (uint16_t)(pick(2) ? 90 : 65535),
		};
}

static void make_policy(struct clo_kube *kube, struct clo_kube_policy *policy,
			size_t i)
{
	static const int64_t tiers[] = {1, 5, CLO_KUBE_BASELINE};

	policy->name = clo_arena_printf(kube->arena, "n%zu", i);
	policy->home = names[pick(3)];
	policy->ordered = pick(3) == 0;
	policy->tier = tiers[pick(3)];
	policy->priority = (int64_t)i;
	policy->subjects = room(kube, 1, sizeof(*policy->subjects));
	policy->n_subjects = 1;
	policy->subjects[0] = (struct clo_kube_peer){
		.where = policy->ordered ? CLO_KUBE_SELECTED : CLO_KUBE_HOME,
		.home = policy->home,
		.pods = selector(kube),
	};
	for (size_t d = 0; d < CLO_KUBE_DIRECTIONS; d++) {
		policy->isolates[d] = pick(2);
		policy->n_rules[d] = pick(3);
		policy->rules[d] = room(kube, 2, sizeof(*policy->rules[d]));
		for (size_t r = 0; r < policy->n_rules[d]; r++)
			make_rule(kube, policy->ordered, &policy->rules[d][r]);
	}
}

static struct clo_kube *make_cluster(bool scopes)
{
	struct clo_arena *arena;
	struct clo_kube *kube;
	int r = clo_arena_new(&arena);

	assert(r == 0);
	kube = clo_arena_array(arena, 1, sizeof(*kube));
	assert(kube);
	kube->arena = arena;
	kube->n_namespaces = CLO_ARRAY_LEN(names);
	kube->namespaces = room(kube, 3, sizeof(*kube->namespaces));
	for (size_t i = 0; i < 3; i++)
		kube->namespaces[i] = (struct clo_kube_namespace){
			names[i], labels(kube), "acme",
			scopes && pick(2) ? CLO_ENV_TEST : CLO_ENV_PRODUCTION};
	kube->n_pods = PODS;
	kube->pods = room(kube, PODS, sizeof(*kube->pods));
	for (size_t i = 0; i < PODS; i++)
		add_pod(kube, i);
	kube->n_policies = pick(POLICIES + 1);
	kube->policies = room(kube, POLICIES, sizeof(*kube->policies));
	for (size_t i = 0; i < kube->n_policies; i++)
		make_policy(kube, &kube->policies[i], i);
	return kube;
}

/* One packet. pod NULL: outside. */
struct end {
	const struct clo_kube_pod *pod;
	struct clo_cidr address;
};

struct packet {
	struct end from, to;
	uint8_t proto;
	uint16_t port;
};

static bool is_peer(const struct clo_kube_peer *peer,
		    const struct clo_kube_pod *subject, const struct end *end)
{
	if (!peer->block)
		return end->pod && clo_kube_means(peer, subject, end->pod);
	return clo_cidr_contains(&peer->cidr, &end->address) &&
	       !(peer->n_except &&
		 clo_cidr_contains(&peer->except[0], &end->address));
}

static bool is_port(const struct clo_kube_ports *ports,
		    const struct packet *packet)
{
	const struct clo_kube_pod *to = packet->to.pod;

	if (ports->proto != packet->proto)
		return false;
	if (!ports->name)
		return packet->port >= ports->first &&
		       packet->port <= ports->last;
	return to && to->n_ports && to->ports[0].proto == packet->proto &&
	       to->ports[0].number == packet->port;
}

static bool matches(const struct clo_kube_rule *rule,
		    const struct clo_kube_pod *subject, const struct end *other,
		    const struct packet *packet)
{
	bool peer = rule->anyone, port = rule->everything;

	for (size_t i = 0; i < rule->n_peers; i++)
		peer |= is_peer(&rule->peers[i], subject, other);
	for (size_t i = 0; i < rule->n_ports; i++)
		port |= is_port(&rule->ports[i], packet);
	return peer && port;
}

enum found {
	NOTHING,
	ALLOWED,
	DENIED,
	PASSED,
};

/* The first rule that matches, lowest tier and priority first. */
static enum found ask_ordered(const struct clo_kube *kube, size_t d,
			      const struct clo_kube_pod *subject,
			      const struct end *other,
			      const struct packet *packet, bool baseline)
{
	const struct clo_kube_policy *best = NULL;
	enum found found = NOTHING;

	for (size_t p = 0; p < kube->n_policies; p++) {
		const struct clo_kube_policy *policy = &kube->policies[p];

		if (!policy->ordered ||
		    (policy->tier >= CLO_KUBE_BASELINE) != baseline ||
		    !clo_kube_means(policy->subjects, NULL, subject) ||
		    (best && (best->tier < policy->tier ||
			      (best->tier == policy->tier &&
			       best->priority < policy->priority))))
			continue;
		for (size_t r = 0; r < policy->n_rules[d]; r++) {
			if (!matches(&policy->rules[d][r], subject, other,
				     packet))
				continue;
			best = policy;
			found = (enum found)(policy->rules[d][r].action + 1);
			break;
		}
	}
	return found;
}

static bool ask_side(const struct clo_kube *kube, size_t d,
		     const struct clo_kube_pod *subject,
		     const struct end *other, const struct packet *packet)
{
	enum found found;
	bool isolated = false;

	if (!subject)
		return true;
	found = ask_ordered(kube, d, subject, other, packet, false);
	if (found == ALLOWED || found == DENIED)
		return found == ALLOWED;
	for (size_t p = 0; p < kube->n_policies; p++) {
		const struct clo_kube_policy *policy = &kube->policies[p];

		if (policy->ordered || !policy->isolates[d] ||
		    !clo_kube_means(policy->subjects, NULL, subject))
			continue;
		isolated = true;
		for (size_t r = 0; r < policy->n_rules[d]; r++)
			if (matches(&policy->rules[d][r], subject, other,
				    packet))
				return true;
	}
	if (isolated)
		return false;
	found = ask_ordered(kube, d, subject, other, packet, true);
	return found != DENIED;
}

static bool ask(const struct clo_kube *kube, const struct packet *packet,
		enum clo_import_between between)
{
	const struct clo_kube_pod *from = packet->from.pod;
	const struct clo_kube_pod *to = packet->to.pod;

	if (from && to && between == CLO_BETWEEN_NONE &&
	    from->namespace->environment != to->namespace->environment)
		return false;
	return ask_side(kube, CLO_KUBE_EGRESS, from, &packet->to, packet) &&
	       ask_side(kube, CLO_KUBE_INGRESS, to, &packet->from, packet);
}

static bool judged(const struct imported *imported, const struct packet *packet)
{
	const struct clo_view view = {imported->compiled->tables};
	uint32_t space = imported->pods[0].space;
	struct clo_side src, dst;
	struct clo_verdict verdict;

	clo_judge_side(&view, space, packet->from.address.family,
		       packet->from.address.addr, &src);
	clo_judge_side(&view, space, packet->to.address.family,
		       packet->to.address.addr, &dst);
	clo_judge_pair(&view, src.identity, dst.identity, packet->proto,
		       packet->port, &verdict);
	return verdict.drop == CLO_DROP_NONE;
}

/* One packet of every service class but tunnels and those without ports. */
static void compare(const struct imported *imported, struct packet *packet,
		    const struct clo_ranges *ranges,
		    enum clo_import_between between)
{
	for (size_t i = 0; i < ranges->n; i++) {
		uint32_t slot = ranges->ranges[i].last;

		if (slot >= CLO_SLOT_ICMP)
			break;
		clo_slot_decode(slot, &packet->proto, &packet->port);
		/* Port 0 is none: no rule of ours can name it. */
		if (packet->port == 0 ||
		    judged(imported, packet) ==
			    ask(imported->kube, packet, between))
			continue;
		fail_msg("protocol %u port %u from %s to %s: tables %d",
			 packet->proto, packet->port,
			 packet->from.pod ? packet->from.pod->name : "outside",
			 packet->to.pod ? packet->to.pod->name : "outside",
			 judged(imported, packet));
	}
}

static size_t list_ends(const struct clo_kube *kube, struct end *ends)
{
	size_t n = 0;

	for (size_t i = 0; i < kube->n_pods; i++)
		for (size_t a = 0; a < kube->pods[i].n_addresses; a++)
			ends[n++] = (struct end){&kube->pods[i],
						 kube->pods[i].addresses[a]};
	for (size_t i = 0; i < CLO_ARRAY_LEN(outside); i++)
		ends[n++] = (struct end){NULL, cidr_of(outside[i])};
	return n;
}

static void compare_all(const struct imported *imported,
			enum clo_import_between between)
{
	struct end ends[2UL * PODS + CLO_ARRAY_LEN(outside)];
	size_t n = list_ends(imported->kube, ends);
	struct clo_ranges ranges;

	assert_int_equal(clo_ranges_init(&ranges, imported->compiled->tables),
			 0);
	for (size_t i = 0; i < n * n; i++) {
		struct packet packet = {.from = ends[i / n], .to = ends[i % n]};

		if (packet.from.address.family == packet.to.address.family &&
		    (packet.from.pod || packet.to.pod))
			compare(imported, &packet, &ranges, between);
	}
	clo_ranges_done(&ranges);
}

static void tables_say_what_kubernetes_says(void **state)
{
	size_t n_refused = 0;

	(void)state;
	for (size_t i = 0; i < CLUSTERS; i++) {
		struct clo_import_options options = imported_flat;
		CLO_AUTO(clo_kube) struct clo_kube *kube = make_cluster(i % 3);
		struct imported imported;

		options.between = i % 2 ? CLO_BETWEEN_ALL : CLO_BETWEEN_NONE;
		if (imported_make(&imported, kube, &options) == 0) {
			compare_all(&imported, options.between);
		} else {
			/* Only this cannot be said. */
			if (!strstr(imported.why, "no rule over a border"))
				fail_msg("%s", imported.why);
			n_refused++;
		}
		imported_done(&imported);
	}
	assert_in_range(n_refused, 1, CLUSTERS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_say_what_kubernetes_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
