/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a policy costs before it is in force: documents of growing size through
 * parse, compile, prove and compare (with a second compilation, which must be
 * equal); then one rule gets another port, and what that touches is proven.
 * Each size in a process of its own, so that its peak memory is known.
 * usage: policy [--quick]
 */

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "policy/compile.h"
#include "policy/parse.h"
#include "policy/prove.h"

enum {
	ENVIRONMENTS = 3,
	ROUNDS_MAX = 7,
	CIDR_RULES = 20, /* every so many rules one names an outside block */
	CIDRS = 16
};

enum phase {
	PARSE,
	COMPILE,
	PROVE,
	COMPARE,
	CHANGE,
	PHASES
};

static const char *const environments[] = {"production", "test", "development"};

struct size {
	unsigned int endpoints, tenants, groups, rules, services;
	unsigned int times; /* that each rule of the documents stands for */
};

static const struct size sizes[] = {
	{100, 10, 3, 1000, 100, 1},
	{1000, 20, 10, 10000, 1000, 1},
	{10000, 50, 20, 100000, 1000, 1},
	/* More than documents may hold: parsed are a tenth of the rules. */
	{100000, 500, 20, 100000, 1000, 10},
};

enum {
	SIZES = sizeof(sizes) / sizeof(sizes[0])
};

struct result {
	double ms[PHASES];
	long bytes;
	long parse_kib, peak_kib; /* resident at most, in the first round */
	uint32_t identities, classes, rules;
	size_t pairs;
	uint64_t verdicts;
};

static size_t rounds = ROUNDS_MAX;

/* The same policy every time. */
static unsigned int roll(unsigned int sides)
{
	static uint32_t dice = 1;

	dice = dice * 1664525U + 1013904223U;
	return (dice >> 8) % sides;
}

static void write_rule(FILE *out, const struct size *size, unsigned int i)
{
	(void)fprintf(out, "%s{\"name\":\"r%u\",\"from\":", i ? "," : "", i);
	if (i % CIDR_RULES == 0)
		(void)fprintf(out, "{\"cidr\":\"198.18.%u.0/24\"}",
			      roll(CIDRS));
	else
		(void)fprintf(out, "{\"group\":\"g%u\"}", roll(size->groups));
	(void)fprintf(out,
		      ",\"to\":{\"group\":\"g%u\"},\"ports\":[\"tcp/%u\"]}",
		      roll(size->groups), 1000 + roll(size->services));
}

static void write_scope(FILE *out, const struct size *size, unsigned int e)
{
	unsigned int rules = size->rules / size->tenants / ENVIRONMENTS;

	(void)fprintf(out,
		      "%s\"%s\":{\"segments\":[{\"name\":\"s\",\"cidrs\":["
		      "\"10.%u.0.0/16\",\"fd00:%u::/64\"]}],\"groups\":[",
		      e ? "," : "", environments[e], e, e + 1);
	for (unsigned int i = 0; i < size->groups; i++)
		(void)fprintf(out, "%s\"g%u\"", i ? "," : "", i);
	(void)fprintf(out, "],\"rules\":[");
	for (unsigned int i = 0; i < rules; i++)
		write_rule(out, size, i);
	(void)fprintf(out, "]}");
}

static void write_tenant(FILE *out, const struct size *size, unsigned int t)
{
	(void)fprintf(out,
		      "{\"apiVersion\":\"cloison/v1\",\"kind\":\"Tenant\","
		      "\"name\":\"t%u\",\"qualification\":%u,"
		      "\"environments\":{",
		      t, t % 3 ? 1U : 2U);
	for (unsigned int e = 0; e < ENVIRONMENTS; e++)
		write_scope(out, size, e);
	(void)fprintf(out, "}}");
}

static void write_workload(FILE *out, const struct size *size, unsigned int i)
{
	unsigned int e = i / size->tenants % ENVIRONMENTS;
	unsigned int host = i / size->tenants / ENVIRONMENTS + 1;

	(void)fprintf(out,
		      "{\"apiVersion\":\"cloison/v1\",\"kind\":\"Workload\","
		      "\"name\":\"w%u\",\"domain\":\"w%u\",\"tenant\":\"t%u\","
		      "\"environment\":\"%s\",\"interfaces\":[{"
		      "\"mac\":\"52:54:00:%02x:%02x:%02x\",\"segment\":\"s\","
		      "\"addresses\":[\"10.%u.%u.%u\",\"fd00:%u::%x\"],"
		      "\"groups\":[\"g%u\"]}]}",
		      i, i, i % size->tenants, environments[e], i >> 16,
		      i >> 8 & 0xff, i & 0xff, e, host / 250, host % 250 + 1,
		      e + 1, host, host % size->groups);
}

static void write_node(FILE *out)
{
	(void)fprintf(out, "{\"apiVersion\":\"cloison/v1\","
			   "\"kind\":\"Node\",\"name\":\"n\","
			   "\"bridges\":[\"br0\"],"
			   "\"addresses\":[\"192.0.2.1\"],"
			   "\"nationalPrefixes\":[\"196.200.0.0/16\"]}");
}

/* How many workloads a document has: a file's size is bounded. */
#define AT_ONCE 10000U

/* One part of them; the first begins with the node. */
static void write_workloads(FILE *out, const struct size *size,
			    unsigned int part)
{
	unsigned int end = (part + 1) * AT_ONCE;

	(void)fprintf(out, "[");
	if (part == 0)
		write_node(out);
	for (unsigned int i = part * AT_ONCE; i < end && i < size->endpoints;
	     i++) {
		(void)fprintf(out, "%s", part == 0 || i % AT_ONCE ? "," : "");
		write_workload(out, size, i);
	}
	(void)fprintf(out, "]");
}

/* A document for each tenant, then the workloads. */
static struct clo_document *make_documents(const struct size *size,
					   size_t *ret_n)
{
	unsigned int parts = (size->endpoints + AT_ONCE - 1) / AT_ONCE;
	struct clo_document *documents =
		calloc(size->tenants + parts, sizeof(*documents));

	if (!documents)
		bench_check(-ENOMEM, "documents");
	*ret_n = size->tenants + parts;
	for (unsigned int i = 0; i < *ret_n; i++) {
		char *text = NULL;
		FILE *out = open_memstream(&text, &documents[i].len);

		if (!out)
			bench_check(-errno, "documents");
		if (i < size->tenants)
			write_tenant(out, size, i);
		else
			write_workloads(out, size, i - size->tenants);
		if (fclose(out))
			bench_check(-errno, "documents");
		documents[i].name = "generated";
		documents[i].text = text;
	}
	return documents;
}

static void check_flaws(int r, const struct clo_flaws *flaws, const char *what)
{
	if (r < 0 && clo_flaws_kept(flaws))
		(void)fprintf(stderr, "%s\n", clo_flaws_get(flaws, 0)->text);
	bench_check(r, what);
}

static double milliseconds(double *since)
{
	double now = bench_cpu_ns(), ms = (now - *since) / 1e6;

	*since = now;
	return ms;
}

/* Of the first round: resident at most since the last note. */
static void note_peak(long *kib)
{
	FILE *status = fopen("/proc/self/status", "re");
	FILE *reset = fopen("/proc/self/clear_refs", "we");
	char line[128];
	long peak = 0;

	if (!status || !reset)
		bench_check(-errno, "/proc/self");
	while (peak == 0 && fgets(line, sizeof(line), status))
		(void)sscanf(line, "VmHWM: %ld", &peak);
	if (*kib == 0)
		*kib = peak;
	(void)malloc_trim(0);
	(void)fputs("5", reset); /* proc(5): the peak begins anew */
	(void)fclose(status);
	(void)fclose(reset);
}

/* Each rule stands for some, between other groups and on other ports. */
static void multiply(struct clo_scope_doc *scope, unsigned int times,
		     const struct size *size)
{
	size_t n = scope->n_rules * times;
	struct clo_rule_doc *rules = calloc(n, sizeof(*rules));
	struct clo_service_spec *ports = calloc(n, sizeof(*ports));

	if (!rules || !ports)
		bench_check(-ENOMEM, "rules");
	for (size_t i = 0; i < n; i++) {
		rules[i] = scope->rules[i / times];
		if (i % times == 0)
			continue;
		ports[i] = rules[i].ports[0];
		ports[i].first = ports[i].last =
			(uint16_t)(1000 + roll(size->services));
		rules[i].ports = &ports[i];
		rules[i].to.index = roll(size->groups);
		if (rules[i].from.kind == CLO_PEER_GROUP)
			rules[i].from.index = roll(size->groups);
	}
	scope->rules = rules;
	scope->n_rules = n;
}

static void multiply_all(struct clo_policy *policy, const struct size *size)
{
	for (size_t t = 0; t < policy->n_tenants && size->times > 1; t++)
		for (int e = CLO_ENV_PRODUCTION; e <= CLO_ENV_DEVELOPMENT; e++)
			multiply(&policy->tenants[t].scopes[e], size->times,
				 size);
}

/* A rule amid the others serves another port, which has a class already. */
static void change_rule(struct clo_policy *policy)
{
	struct clo_tenant_doc *tenant = &policy->tenants[policy->n_tenants / 2];
	struct clo_scope_doc *scope = &tenant->scopes[CLO_ENV_TEST];
	struct clo_service_spec *port = scope->rules[scope->n_rules / 2].ports;

	port->first = port->last =
		(uint16_t)(port->first == 1000 ? 1001 : 1000);
}

/* What one changed rule touches: the whole proof must say the same. */
static double prove_change(const struct clo_proved *proved,
			   struct clo_policy *policy, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_compiled) struct clo_compiled *changed = NULL;
	static struct clo_proof whole, proof;
	char text[160] = "";
	double clock, ms;

	change_rule(policy);
	check_flaws(clo_compile(policy, time(NULL), &changed, flaws), flaws,
		    "compile the change");
	clock = bench_cpu_ns();
	bench_check(clo_prove_change(proved, changed->tables, NULL, 0, &proof,
				     NULL, text),
		    text);
	ms = milliseconds(&clock);
	bench_check(clo_prove(changed->tables, NULL, 0, &whole, text), text);
	if (!clo_proof_equal(&proof, &whole))
		bench_check(-EBADMSG, "the change is proven otherwise");
	return ms;
}

static void one_round(const struct size *size,
		      const struct clo_document *documents, size_t n,
		      double ret_ms[PHASES], struct result *ret)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *again = NULL;
	CLO_AUTO(clo_proved) struct clo_proved *proved = NULL;
	static struct clo_proof proof;
	struct clo_difference difference;
	char text[160] = "";
	double clock;
	int r;

	bench_check(clo_flaws_new(&flaws), "flaws");
	clock = bench_cpu_ns();
	r = clo_policy_parse(documents, n, time(NULL), &policy, flaws);
	ret_ms[PARSE] = milliseconds(&clock);
	check_flaws(r, flaws, "parse");
	note_peak(&ret->parse_kib);
	multiply_all(policy, size);
	clock = bench_cpu_ns();
	r = clo_compile(policy, time(NULL), &compiled, flaws);
	ret_ms[COMPILE] = milliseconds(&clock);
	check_flaws(r, flaws, "compile");
	bench_check(clo_prove_change(NULL, compiled->tables, NULL, 0, &proof,
				     &proved, text),
		    text);
	ret_ms[PROVE] = milliseconds(&clock);
	note_peak(&ret->peak_kib);
	check_flaws(clo_compile(policy, time(NULL), &again, flaws), flaws,
		    "compile again");
	clock = bench_cpu_ns();
	if (clo_tables_compare(compiled->tables, again->tables, &difference, 1))
		bench_check(-EBADMSG, "two compilations differ");
	ret_ms[COMPARE] = milliseconds(&clock);
	ret_ms[CHANGE] = prove_change(proved, policy, flaws);

	ret->identities = compiled->tables->gen.identities - 1;
	ret->classes = compiled->tables->gen.classes;
	ret->rules = compiled->tables->gen.rules - 1;
	ret->pairs = compiled->tables->table[CLO_TABLE_PAIRS].n;
	ret->verdicts = proof.verdicts;
	for (size_t i = 0; i < clo_invariants_count; i++)
		if (clo_proof_verdict(&proof, i) != CLO_PROVEN)
			bench_check(-EBADMSG, clo_invariants[i].name);
}

static void measure(const struct size *size, struct result *ret)
{
	size_t n_documents;
	struct clo_document *documents = make_documents(size, &n_documents);
	double ms[PHASES][ROUNDS_MAX], round_ms[PHASES];
	size_t n;

	for (size_t i = 0; i < n_documents; i++)
		ret->bytes += (long)documents[i].len;
	/* The largest takes long enough. */
	n = size->times > 1 && rounds > 3 ? 3 : rounds;
	for (size_t i = 0; i < n; i++) {
		one_round(size, documents, n_documents, round_ms, ret);
		for (size_t p = 0; p < PHASES; p++)
			ms[p][i] = round_ms[p];
	}
	for (size_t p = 0; p < PHASES; p++)
		ret->ms[p] = bench_median(ms[p], n);
}

static void print(const struct size *size, const struct result *result)
{
	printf("%9u %7u %7u %7u %8zu %14llu %6.1f | %8.1f %8.1f %8.1f %8.1f "
	       "%8.2f | %6.1f %6.1f\n",
	       size->endpoints, result->rules, result->classes,
	       result->identities, result->pairs,
	       (unsigned long long)result->verdicts,
	       (double)result->bytes / 1e6, result->ms[PARSE],
	       result->ms[COMPILE], result->ms[PROVE], result->ms[COMPARE],
	       result->ms[CHANGE], (double)result->parse_kib / 1024,
	       (double)result->peak_kib / 1024);
}

/* Cost ~ endpoints ^ exponent: 1 is linear. */
static void print_growth(const struct result *small, const struct result *large,
			 double factor)
{
	printf("%66s |", "growth: exponent");
	for (size_t p = 0; p < PHASES; p++)
		printf(" %8.2f",
		       log(large->ms[p] / small->ms[p]) / log(factor));
	printf(" | %6.2f %6.2f\n",
	       log((double)large->parse_kib / (double)small->parse_kib) /
		       log(factor),
	       log((double)large->peak_kib / (double)small->peak_kib) /
		       log(factor));
}

int main(int argc, char **argv)
{
	struct result *results =
		mmap(NULL, sizeof(*results) * SIZES, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t n = SIZES;

	if (results == MAP_FAILED)
		bench_check(-errno, "memory");
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		rounds = 1;
		n = 1;
	}
	printf("CPU ms, median of %zu rounds; peak MiB of parse and of compile "
	       "and prove, documents and model included\n",
	       rounds);
	printf("%9s %7s %7s %7s %8s %14s %6s | %8s %8s %8s %8s %8s | %6s "
	       "%6s\n",
	       "endpoints", "rules", "classes", "ident.", "pairs", "verdicts",
	       "MB", "parse", "compile", "prove", "compare", "change", "parsed",
	       "proven");
	for (size_t i = 0; i < n; i++) {
		int status = 0;
		pid_t child;

		(void)fflush(NULL);
		child = fork();
		if (child == 0) {
			measure(&sizes[i], &results[i]);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status)
			return 1;
		print(&sizes[i], &results[i]);
		if (i > 0)
			print_growth(&results[i - 1], &results[i],
				     (double)sizes[i].endpoints /
					     (double)sizes[i - 1].endpoints);
	}
	return 0;
}
