/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000) /* ns */
#define BURST_MIN (SECOND / 20)
#define BURST_BYTES (UINT64_C(128) << 10) /* two frames of GSO size */
#define BURST_PACKETS 32

/* `units` at once, or what comes in `burst` ns. Rate 0: no limit. */
static struct clo_bucket bucket(uint64_t rate, uint64_t units, uint64_t burst)
{
	struct clo_bucket made = {0};

	if (rate == 0)
		return made;
	made.cost = (SECOND << 10) / rate;
	if (made.cost == 0) /* 0 would lift it */
		made.cost = 1;
	made.burst = units * SECOND / rate;
	if (made.burst < burst)
		made.burst = burst;
	return made;
}

static void set_limits(const struct clo_limits *limits,
		       struct clo_setting *setting)
{
	struct clo_bucket *b = setting->limits;

	b[CLO_BUCKET_BYTES_FROM] =
		bucket(limits->from.bytes, BURST_BYTES, BURST_MIN);
	b[CLO_BUCKET_PACKETS_FROM] =
		bucket(limits->from.packets, BURST_PACKETS, BURST_MIN);
	b[CLO_BUCKET_BYTES_TO] =
		bucket(limits->to.bytes, BURST_BYTES, BURST_MIN);
	b[CLO_BUCKET_PACKETS_TO] =
		bucket(limits->to.packets, BURST_PACKETS, BURST_MIN);
	b[CLO_BUCKET_FLOWS] = bucket(limits->new_flows, 1, SECOND);
	b[CLO_BUCKET_MULTICAST] = bucket(limits->multicast, 1, SECOND);
	b[CLO_BUCKET_EVENTS] = bucket(limits->events, 1, SECOND);

	if (limits->from.bytes || limits->from.packets)
		setting->port.flags |= CLO_PORT_LIMIT_FROM;
	if (limits->to.bytes || limits->to.packets)
		setting->port.flags |= CLO_PORT_LIMIT_TO;
}

void clo_setting_make(const struct clo_tap *tap,
		      struct clo_setting *ret_setting)
{
	struct clo_port *port = &ret_setting->port;

	memset(ret_setting, 0, sizeof(*ret_setting));
	if (tap->interface) {
		port->endpoint = tap->interface->endpoint;
		port->space = tap->interface->segment->space;
		port->segment = tap->interface->segment->id;
		port->kind = CLO_PORT_TAP;
		port->mode = tap->confined ? CLO_MODE_QUARANTINE
					   : (uint8_t)tap->interface->mode;
		memcpy(port->mac, tap->interface->mac, sizeof(port->mac));
		set_limits(&tap->interface->limits, ret_setting);
		if (tap->interface->segment->answer)
			port->flags |= CLO_PORT_ANSWER;
	} else if (tap->uplink) {
		port->space = tap->uplink->segment->space;
		port->segment = tap->uplink->segment->id;
		port->kind = CLO_PORT_UPLINK;
	}
}

const char *clo_setting_mode(enum clo_mode mode)
{
	static const char *const names[] = {
		[CLO_MODE_ENFORCE] = "enforce",
		[CLO_MODE_AUDIT] = "audit",
		[CLO_MODE_QUARANTINE] = "quarantine",
	};

	return (size_t)mode < CLO_ARRAY_LEN(names) ? names[mode] : "unknown";
}

static bool same_limits(const struct clo_bucket *a, const struct clo_bucket *b)
{
	for (int i = 0; i < CLO_BUCKET_COUNT; i++)
		if (a[i].cost != b[i].cost || a[i].burst != b[i].burst)
			return false;
	return true;
}

bool clo_setting_equal(const struct clo_setting *a, const struct clo_setting *b)
{
	return memcmp(&a->port, &b->port, sizeof(a->port)) == 0 &&
	       same_limits(a->limits, b->limits);
}

enum clo_setting_difference
clo_setting_compare(const struct clo_setting *setting,
		    const struct clo_bpf_port *port)
{
	const struct clo_port *want = &setting->port;
	const struct clo_port *have = &port->port;

	if (want->endpoint != have->endpoint || want->space != have->space ||
	    want->segment != have->segment || want->kind != have->kind ||
	    memcmp(want->mac, have->mac, sizeof(want->mac)) != 0)
		return CLO_SETTING_OTHER;
	if (want->mode != have->mode)
		return CLO_SETTING_MODE;
	if (want->flags != have->flags || have->slot == 0 || have->reserved ||
	    !same_limits(setting->limits, port->meter.bucket))
		return CLO_SETTING_LIMITS;
	return CLO_SETTING_SAME;
}

static uint64_t tenant_key(const struct clo_tenant_doc *tenant)
{
	return CLO_ACCOUNT_TENANT | tenant->space;
}

static uint64_t scope_key(const struct clo_tenant_doc *tenant,
			  enum clo_environment environment)
{
	return CLO_ACCOUNT_SCOPE | (uint64_t)tenant->space << 2 | environment;
}

static int by_key(const void *a, const void *b)
{
	const struct clo_quota *x = a;
	const struct clo_quota *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* Into `quotas` if it is not NULL. */
static void add(struct clo_quota *quotas, size_t *n, uint64_t key,
		uint64_t parent, uint32_t limit)
{
	if (quotas)
		quotas[*n] = (struct clo_quota){key, parent, limit};
	++*n;
}

/* How many there are. */
static size_t list(const struct clo_policy *policy, struct clo_quota *quotas)
{
	size_t n = 0;

	for (size_t i = 0; i < policy->n_tenants; i++) {
		const struct clo_tenant_doc *t = &policy->tenants[i];

		add(quotas, &n, tenant_key(t), 0, t->connections);
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
			if (t->scopes[e].present)
				add(quotas, &n,
				    scope_key(t, (enum clo_environment)e),
				    tenant_key(t), t->scopes[e].connections);
	}
	for (size_t i = 0; i < policy->n_workloads; i++) {
		const struct clo_workload_doc *w = &policy->workloads[i];
		uint64_t scope = scope_key(w->tenant, w->environment);

		for (size_t k = 0; k < w->n_interfaces; k++)
			add(quotas, &n, w->interfaces[k].endpoint, scope,
			    w->interfaces[k].limits.connections);
	}
	return n;
}

int clo_quotas_make(const struct clo_policy *policy,
		    struct clo_quota **ret_quotas, size_t *ret_n)
{
	size_t n = list(policy, NULL);
	struct clo_quota *quotas = calloc(n + 1, sizeof(*quotas));

	if (!quotas)
		return -ENOMEM;
	(void)list(policy, quotas);
	qsort(quotas, n, sizeof(*quotas), by_key);

	*ret_quotas = quotas;
	*ret_n = n;
	return 0;
}

const struct clo_quota *clo_quotas_find(const struct clo_quota *quotas,
					size_t n, uint64_t key)
{
	const struct clo_quota wanted = {.key = key};

	return n ? bsearch(&wanted, quotas, n, sizeof(wanted), by_key) : NULL;
}
