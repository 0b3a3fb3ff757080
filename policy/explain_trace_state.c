/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain_name.h"
#include "policy/explain_trace_impl.h"

static const char *const states[] = {
	[CLO_CONN_NEW] = "new",
	[CLO_CONN_ESTABLISHED] = "established",
	[CLO_CONN_HALF_CLOSED] = "half-closed",
	[CLO_CONN_CLOSED] = "closed",
	[CLO_CONN_RESET] = "reset",
};

int clo_tracer_new(const struct clo_compiled *compiled,
		   const struct clo_tables *tables,
		   const struct clo_trace_live *live,
		   struct clo_tracer **ret_tracer)
{
	CLO_AUTO(clo_tracer) struct clo_tracer *tracer = NULL;
	int r = 0;

	tracer = calloc(1, sizeof(*tracer));
	if (!tracer)
		return -ENOMEM;
	tracer->compiled = compiled;
	tracer->tables = tables;
	if (!live) {
		tracer->live.epoch = 1;
		tracer->live.now = CLO_SECOND;
		r = clo_trace_ports_make(compiled->policy, &tracer->ports,
					 &tracer->n_ports);
	} else {
		tracer->is_live = true;
		tracer->live = *live;
		tracer->live.ports = NULL;
		tracer->ports =
			calloc(live->n_ports + 1, sizeof(*tracer->ports));
		if (!tracer->ports)
			return -ENOMEM;
		tracer->n_ports = live->n_ports;
		if (live->n_ports)
			memcpy(tracer->ports, live->ports,
			       live->n_ports * sizeof(*live->ports));
	}
	if (r < 0)
		return r;

	*ret_tracer = CLO_TAKE(tracer);
	return 0;
}

void clo_tracer_free(struct clo_tracer *tracer)
{
	if (!tracer)
		return;

	while (tracer->conns) {
		struct clo_trace_conn *next = tracer->conns->next;

		free(tracer->conns);
		tracer->conns = next;
	}
	while (tracer->frags) {
		struct clo_trace_frag *next = tracer->frags->next;

		free(tracer->frags);
		tracer->frags = next;
	}
	json_decref(tracer->steps);
	free(tracer->ports);
	free(tracer);
}

struct clo_meter *clo_trace_meter(struct clo_tracer *tracer,
				  const struct clo_port *port)
{
	struct clo_trace_port *holder = &tracer->elsewhere;
	char key[48];

	for (size_t i = 0; i < tracer->n_ports; i++)
		if (&tracer->ports[i].port == port)
			holder = &tracer->ports[i];
	(void)snprintf(key, sizeof(key), "interface %u", holder->ifindex);
	clo_trace_step(tracer, tracer->phase ? tracer->phase : "limits",
		       "meters", key, "%s",
		       port->flags & (CLO_PORT_LIMIT_FROM | CLO_PORT_LIMIT_TO)
			       ? "its traffic has a limit"
			       : "no limit on its traffic");
	return &holder->meter;
}

/* With no kernel to ask, everybody has room. */
static bool account_live(struct clo_tracer *tracer, uint64_t key,
			 struct clo_account *ret)
{
	if (tracer->is_live)
		return tracer->live.account(tracer->live.userdata, key, ret);
	*ret = (struct clo_account){.limit = INT32_MAX};
	return true;
}

struct clo_account *clo_trace_account(struct clo_tracer *tracer, uint64_t key)
{
	struct clo_trace_account *fresh;
	char text[48];

	for (size_t i = 0; i < tracer->n_accounts; i++)
		if (tracer->accounts[i].key == key)
			return &tracer->accounts[i].account;
	if (tracer->n_accounts == CLO_TRACE_ACCOUNTS)
		return NULL;

	fresh = &tracer->accounts[tracer->n_accounts];
	(void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)key);
	if (!account_live(tracer, key, &fresh->account)) {
		clo_trace_step(tracer, "limits", "accounts", text, "no entry");
		return NULL;
	}
	fresh->key = key;
	tracer->n_accounts++;
	if (tracer->is_live)
		clo_trace_step(tracer, "limits", "accounts", text,
			       "%u of %u flows", fresh->account.used,
			       fresh->account.limit);
	return &fresh->account;
}

static bool same_flow(const struct clo_flow *a, const struct clo_flow *b)
{
	return a->family == b->family &&
	       memcmp(&a->key, &b->key,
		      a->family == 4 ? sizeof(a->key.v4) : sizeof(a->key.v6)) ==
		       0;
}

/* The tracer's own entry, also one that is gone; NULL: none. */
static struct clo_trace_conn *find(struct clo_tracer *tracer,
				   const struct clo_flow *flow)
{
	struct clo_trace_conn *entry = tracer->conns;

	while (entry && !same_flow(&entry->flow, flow))
		entry = entry->next;
	return entry;
}

/* Memory for one more entry, zeroed; NULL: the trace fails. */
static void *allot(struct clo_tracer *tracer, size_t size)
{
	void *entry = NULL;

	if (tracer->n_entries < CLO_TRACE_ENTRIES)
		entry = calloc(1, size);
	if (entry)
		tracer->n_entries++;
	else
		tracer->failed = true;
	return entry;
}

static struct clo_trace_conn *add(struct clo_tracer *tracer,
				  const struct clo_flow *flow,
				  const struct clo_conn *conn)
{
	struct clo_trace_conn *fresh = allot(tracer, sizeof(*fresh));

	if (!fresh)
		return NULL;
	fresh->flow = *flow;
	fresh->conn = *conn;
	fresh->next = tracer->conns;
	tracer->conns = fresh;
	return fresh;
}

static void flow_key(const struct clo_flow *flow, char key[160])
{
	const uint8_t *lo =
		flow->family == 4 ? flow->key.v4.lo : flow->key.v6.lo;
	const uint8_t *hi =
		flow->family == 4 ? flow->key.v4.hi : flow->key.v6.hi;
	const uint16_t *port =
		flow->family == 4 ? flow->key.v4.port : flow->key.v6.port;
	uint32_t space_proto = flow->family == 4 ? flow->key.v4.space_proto
						 : flow->key.v6.space_proto;
	char a[CLO_TRACE_ADDRESS], b[CLO_TRACE_ADDRESS];

	(void)snprintf(key, 160, "%s %u, %s %u, protocol %u, space %u",
		       clo_trace_address(flow->family, lo, a),
		       __builtin_bswap16(port[0]),
		       clo_trace_address(flow->family, hi, b),
		       __builtin_bswap16(port[1]), space_proto & 0xff,
		       space_proto >> 8);
}

struct clo_conn *clo_trace_conn(struct clo_tracer *tracer,
				const struct clo_flow *flow)
{
	struct clo_trace_conn *entry = find(tracer, flow);
	const char *table = flow->family == 4 ? "conn4" : "conn6";
	const char *stage = tracer->phase ? tracer->phase : "connection";
	struct clo_conn live;
	char key[160];

	clo_trace_due(tracer);
	flow_key(flow, key);
	if (!entry && tracer->live.conn &&
	    tracer->live.conn(tracer->live.userdata, flow->family, &flow->key,
			      &live))
		entry = add(tracer, flow, &live);
	if (!entry || entry->gone) {
		clo_trace_step(tracer, stage, table, key,
			       "no entry: no tracked flow");
		return NULL;
	}
	tracer->tracked = true;
	clo_trace_step(tracer, stage, table, key, "%s, epoch %llu",
		       entry->conn.state < CLO_ARRAY_LEN(states)
			       ? states[entry->conn.state]
			       : "unknown state",
		       (unsigned long long)entry->conn.epoch);
	return &entry->conn;
}

int clo_trace_conn_put(struct clo_tracer *tracer, const struct clo_flow *flow,
		       const struct clo_conn *conn, bool replace)
{
	struct clo_trace_conn *entry = find(tracer, flow);
	bool there = entry && !entry->gone;

	if (there != replace)
		return 1;
	if (!entry)
		return add(tracer, flow, conn) ? 0 : -1;
	entry->conn = *conn;
	entry->gone = false;
	return 0;
}

bool clo_trace_conn_del(struct clo_tracer *tracer, const struct clo_flow *flow)
{
	struct clo_trace_conn *entry = find(tracer, flow);

	if (!entry || entry->gone)
		return false;
	entry->gone = true;
	return true;
}

static struct clo_trace_frag *find_frag(const struct clo_tracer *tracer,
					const struct clo_frag_key *key)
{
	struct clo_trace_frag *entry = tracer->frags;

	while (entry && memcmp(&entry->key, key, sizeof(*key)) != 0)
		entry = entry->next;
	return entry;
}

struct clo_frag *clo_trace_frag(struct clo_tracer *tracer,
				const struct clo_frag_key *key)
{
	struct clo_trace_frag *entry = find_frag(tracer, key);
	char text[64];

	(void)snprintf(text, sizeof(text), "endpoint %u, slot %u",
		       key->endpoint, key->slot);
	if (!entry) {
		clo_trace_step(tracer, "fragments", "frags", text, "no entry");
		return NULL;
	}
	clo_trace_step(tracer, "fragments", "frags", text, "identification %u",
		       entry->frag.id.id);
	return &entry->frag;
}

int clo_trace_frag_put(struct clo_tracer *tracer,
		       const struct clo_frag_key *key,
		       const struct clo_frag *frag)
{
	struct clo_trace_frag *entry = find_frag(tracer, key);

	if (!entry) {
		entry = allot(tracer, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		entry->key = *key;
		entry->next = tracer->frags;
		tracer->frags = entry;
	}
	entry->frag = *frag;
	return 0;
}
