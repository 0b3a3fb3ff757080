/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/kinds.h"

#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/core/audit_impl.h"
#include "agent/core/drop_name.h"
#include "agent/core/kind_run.h"

#define SHAPES_MAX 64
#define TOLD_MAX 16 /* what is wrong beyond is counted */

static const struct clo_kind_table *const tables[] = {
	&clo_kinds_link, &clo_kinds_ip4, &clo_kinds_ip6, &clo_kinds_flow};

/* One run over all taps. */
struct run {
	struct clo_node *node;
	struct clo_audit *audit;
	struct clo_kinds *kinds;
	const char **why; /* of each kind that no tap ran yet; NULL: covered */
	struct clo_kind_runner runner;
	uint64_t shapes[SHAPES_MAX];
	size_t n_shapes;
};

void clo_kinds_done(struct clo_kinds *kinds)
{
	json_decref(kinds->uncovered);
	*kinds = (struct clo_kinds){0};
}

static size_t kinds_count(void)
{
	size_t n = clo_kind_gaps_count;

	for (size_t t = 0; t < CLO_ARRAY_LEN(tables); t++)
		n += tables[t]->n;
	return n;
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ULL;
	return hash;
}

/* What the verdicts depend on: programs, ports, whose they are, the tables. */
static uint64_t signature(const struct clo_node *node,
			  const struct clo_audit *audit)
{
	uint64_t epoch = audit->observed ? audit->observed->gen.epoch : 0;
	uint64_t hash = mix(0xcbf29ce484222325ULL, &epoch, sizeof(epoch));

	for (size_t i = 0; i < audit->n_taps; i++) {
		const struct clo_tap_audit *tap = &audit->taps[i];
		const uint32_t ids[] = {
			node->inventory->taps[i].ifindex,
			tap->guard.from_guest.prog_id,
			tap->guard.to_guest.prog_id,
			tap->guarded,
		};

		hash = mix(hash, ids, sizeof(ids));
		hash = mix(hash, &tap->port, sizeof(tap->port));
	}
	return hash ? hash : 1;
}

/* The frame as far as there is more in it than zeros. */
static void frame_hex(const uint8_t *frame, size_t len, char hex[257])
{
	size_t n = len;

	while (n > 0 && frame[n - 1] == 0)
		n--;
	if (n > 128)
		n = 128;
	hex[0] = '\0';
	for (size_t i = 0; i < n; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", frame[i]);
}

/* " (packet 1 of 3)", where it is one of several */
static void which_packet(const struct clo_kind_vector *kind, size_t packet,
			 char text[32])
{
	text[0] = '\0';
	if (kind->n_before)
		(void)snprintf(text, 32, " (packet %zu of %u)", packet + 1,
			       kind->n_before + 1U);
}

static int note_wrong(struct run *run, const struct clo_kind_subject *subject,
		      const struct clo_kind_vector *kind,
		      const struct clo_kind_outcome *outcome)
{
	static const char *const ways[] = {"from the guest", "to the guest",
					   "from the wire"};
	const struct clo_tap *tap = subject->tap;
	char scope[CLO_SCOPE_MAX];
	struct clo_problem *found;
	char packet[32];
	char hex[257];

	if (++run->kinds->wrong > TOLD_MAX)
		return 0;
	frame_hex(run->runner.frame, outcome->len, hex);
	which_packet(kind, outcome->packet, packet);
	found = clo_problem_add(
		&run->audit->problems, kind->control,
		"%s (%s): packet kind \"%s\"%s %s was %s (%s), must be: %s; "
		"frame of %zu bytes %s",
		tap->name,
		tap->interface ? tap->interface->name
		: tap->uplink  ? "uplink"
			       : "undeclared",
		kind->name, packet, ways[subject->way],
		outcome->said.drop ? "dropped" : "let through",
		clo_drop_text(outcome->said.reason),
		clo_drop_text((enum clo_drop)outcome->want), outcome->len, hex);
	if (!found)
		return -ENOMEM;
	return clo_scope_of_tap(tap, scope)
		       ? clo_problem_scoped(found, scope, NULL,
					    "a packet kind has another verdict "
					    "than is promised")
		       : 0;
}

/* One kind one way; *ret_why stays NULL if it was run. */
static int run_kind(struct run *run, struct clo_kind_subject *subject,
		    const struct clo_kind_vector *kind, const char **ret_why)
{
	struct clo_kind_outcome outcome = {0};
	int r = clo_kind_run(&run->runner, subject, kind, &outcome, ret_why);

	if (r < 0 || *ret_why)
		return r;
	run->kinds->run++;
	if (!outcome.right)
		return note_wrong(run, subject, kind, &outcome);
	run->kinds->right++;
	return 0;
}

static int run_way(struct run *run, struct clo_kind_subject *subject)
{
	size_t k = 0;

	for (size_t t = 0; t < CLO_ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++, k++) {
			const struct clo_kind_vector *kind =
				&tables[t]->vectors[i];
			const char *why = NULL;
			int r;

			if (kind->want[subject->way] == CLO_KIND_NEVER)
				continue;
			r = run_kind(run, subject, kind, &why);
			if (r < 0)
				return r;
			/* whose port is missing drops all: it shows nothing */
			if (run->why[k] && subject->bound)
				run->why[k] = why;
		}
	return 0;
}

static bool is_new_shape(struct run *run, uint64_t shape)
{
	for (size_t i = 0; i < run->n_shapes; i++)
		if (run->shapes[i] == shape)
			return false;
	if (run->n_shapes == SHAPES_MAX)
		return true; /* then each is run */
	run->shapes[run->n_shapes++] = shape;
	return true;
}

static int run_tap(struct run *run, size_t at)
{
	const struct clo_tap *tap = &run->node->inventory->taps[at];
	const struct clo_tap_audit *result = &run->audit->taps[at];
	struct clo_kind_subject subject;
	int r = 0;

	/* a port that nobody can say whose it is */
	if (!result->guarded || (result->has_port && !clo_tap_bound(tap)))
		return 0;
	for (int way = 0; way < CLO_KIND_WAYS && r == 0; way++) {
		if ((way == CLO_KIND_WIRE) != (tap->uplink != NULL))
			continue;
		clo_kind_subject_init(&subject, run->node, tap, result,
				      (enum clo_kind_way)way);
		if (way != CLO_KIND_TO &&
		    !is_new_shape(run, clo_kind_shape(&subject))) {
			run->kinds->alike++;
			return 0;
		}
		r = run_way(run, &subject);
	}
	run->kinds->taps++;
	return r;
}

static int list_uncovered(struct run *run)
{
	json_t *list = json_array();
	size_t k = 0;

	for (size_t t = 0; t < CLO_ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++, k++)
			if (run->why[k])
				(void)json_array_append_new(
					list,
					json_sprintf("%s: %s",
						     tables[t]->vectors[i].name,
						     run->why[k]));
	for (size_t i = 0; i < clo_kind_gaps_count; i++)
		(void)json_array_append_new(
			list, json_sprintf("%s: %s", clo_kind_gaps[i].name,
					   clo_kind_gaps[i].why));
	run->kinds->uncovered = list;
	return list ? 0 : -ENOMEM;
}

static int run_taps(struct run *run)
{
	int r = 0;

	for (size_t i = 0; i < run->kinds->kinds; i++)
		run->why[i] = "no tap of a shape that meets it";
	for (size_t i = 0; i < run->audit->n_taps && r == 0; i++)
		r = run_tap(run, i);
	if (r == 0 && run->kinds->wrong > TOLD_MAX)
		r = clo_problem_everyone(clo_problem_add(
			&run->audit->problems, "net.default-deny",
			"and %zu more packet kinds with a wrong verdict",
			run->kinds->wrong - TOLD_MAX));
	return r == 0 ? list_uncovered(run) : r;
}

static int run_all(struct clo_node *node, struct clo_audit *audit,
		   struct clo_kinds *kinds)
{
	double begin = clo_milliseconds();
	struct run *run = calloc(1, sizeof(*run)); /* large */
	int r = -ENOMEM;

	if (!run)
		return r;
	kinds->kinds = kinds_count();
	kinds->at = time(NULL);
	run->node = node;
	run->audit = audit;
	run->kinds = kinds;
	run->runner.bpf = node->bpf;
	run->runner.id = (uint16_t)(uint64_t)begin;
	run->why = calloc(kinds->kinds, sizeof(*run->why));
	if (run->why)
		r = run_taps(run);
	free(run->why);
	free(run);
	kinds->ms = clo_milliseconds() - begin;
	return r;
}

int clo_kinds_audit(struct clo_node *node, struct clo_audit *audit)
{
	uint64_t now = signature(node, audit);
	struct clo_kinds kinds = {.signature = now};
	int r;

	if (!node->force || !audit->observed ||
	    (node->kinds.signature == now && node->kinds.wrong == 0))
		return 0;
	r = run_all(node, audit, &kinds);
	clo_kinds_done(&node->kinds);
	node->kinds = kinds;
	return r;
}
