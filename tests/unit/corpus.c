/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <dirent.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "policy/explain_service.h"
#include "policy/host_view.h"
#include "policy/partition.h"
#include "unit/corpus_case.h"
#include "unit/imported.h"

/*
 * Cases that others wrote, with all that they expect: policies of Kubernetes,
 * imported, compiled, and every verdict compared with the exact matrix over
 * every port of TCP, UDP and SCTP. What a pod may send to itself is nobody's
 * business but its own: no guard sees it, and the corpus leaves it open.
 */

/* What the mapping makes of the expected matrix. */
struct mapping {
	const char *name;
	enum corpus_mapping kind;
	enum clo_import_between between;
};

static struct mapping mappings[] = {
	{"flat", CORPUS_FLAT, CLO_BETWEEN_NAMED},
	{"environments, open", CORPUS_ENVIRONMENTS, CLO_BETWEEN_ALL},
	{"environments, closed", CORPUS_ENVIRONMENTS, CLO_BETWEEN_NONE},
	{"environments, named", CORPUS_ENVIRONMENTS, CLO_BETWEEN_NAMED},
	{"tenants, closed", CORPUS_TENANTS, CLO_BETWEEN_NONE},
	{"tenants, open", CORPUS_TENANTS, CLO_BETWEEN_ALL},
};

struct tally {
	size_t cases, steps, changes, segments, probes, verdicts, wrong;
};

struct check {
	const char *id;
	size_t step;
	const struct mapping *mapping;
	const struct imported *imported;
	const json_t *pods;
	size_t *columns; /* column -> pod */
	struct clo_range *ranges; /* of slots with one service class */
	size_t n_ranges;
	struct tally *tally;
	bool crossed; /* the matrix allows a flow between two scopes */
};

static uint8_t proto_of(const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, "proto"));

	if (strcmp(text, "TCP") == 0)
		return IPPROTO_TCP;
	if (strcmp(text, "UDP") == 0)
		return IPPROTO_UDP;
	assert(strcmp(text, "SCTP") == 0);
	return IPPROTO_SCTP;
}

static uint16_t number_of(const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));

	assert(number >= 1 && number <= 65535);
	return (uint16_t)number;
}

static bool crosses(const struct check *check, size_t from, size_t to)
{
	const struct clo_kube_pod *pods = check->imported->kube->pods;

	return strcmp(pods[from].namespace->tenant,
		      pods[to].namespace->tenant) != 0 ||
	       pods[from].namespace->environment !=
		       pods[to].namespace->environment;
}

static void complain(struct check *check, size_t from, size_t to, uint8_t proto,
		     uint16_t port, bool expected, const char *what)
{
	const struct clo_kube_pod *pods = check->imported->kube->pods;

	if (check->tally->wrong++ < 20)
		print_message("%s step %zu, %s: %s/%s to %s/%s, protocol %u "
			      "port %u: expected %s, %s\n",
			      check->id, check->step, check->mapping->name,
			      pods[from].home, pods[from].name, pods[to].home,
			      pods[to].name, proto, port,
			      expected ? "allowed" : "denied", what);
}

/*
 * Inside a scope the matrix holds as it is. Over a border: nothing (closed),
 * all that the matrix has (open), no more than it has (named). Two tenants'
 * packets never meet, whatever the tables grant.
 */
static void compare(struct check *check, size_t from, size_t to, uint8_t proto,
		    uint16_t port, char expected)
{
	bool matrix = expected == '.';
	bool grants = imported_grants(check->imported, from, to, proto, port);
	bool allows = imported_allows(check->imported, from, to, proto, port);
	bool across = crosses(check, from, to);
	bool wanted = matrix;

	assert(expected == '.' || expected == 'X');
	check->tally->verdicts++;
	check->crossed |= across && matrix;
	if (across && check->mapping->between == CLO_BETWEEN_NONE)
		wanted = false;
	if (across && check->mapping->between == CLO_BETWEEN_NAMED)
		wanted = matrix && grants;
	if (grants != wanted)
		complain(check, from, to, proto, port, wanted, "the tables");
	if (across && check->mapping->kind == CORPUS_TENANTS)
		wanted = false;
	if (allows != wanted)
		complain(check, from, to, proto, port, wanted, "the packets");
}

/* One source and all destinations at one port. */
static void compare_row(struct check *check, size_t row, const char *cells,
			uint8_t proto, uint16_t port)
{
	for (size_t column = 0; cells[column]; column++) {
		if (row == column)
			assert_int_equal(cells[column], '-');
		else
			compare(check, check->columns[row],
				check->columns[column], proto, port,
				cells[column]);
	}
}

/* All pairs at one port. */
static void compare_matrix(struct check *check, const json_t *matrix,
			   uint8_t proto, uint16_t port)
{
	size_t n = json_array_size(check->pods);

	for (size_t row = 0; row < n; row++) {
		const json_t *pod = json_array_get(check->pods, row);
		const char *id = json_string_value(json_object_get(pod, "id"));
		const char *cells =
			json_string_value(json_object_get(matrix, id));

		assert_int_equal(strlen(cells), n);
		compare_row(check, row, cells, proto, port);
	}
}

/*
 * Every port of the segment: the tables know a port only by its service class,
 * so one port for each class that the segment meets is all of them.
 */
static void compare_segment(struct check *check, const json_t *segment)
{
	CLO_AUTO_MEM bool *met = calloc(CLO_CLASSES_MAX, sizeof(*met));
	uint8_t proto = proto_of(segment);
	uint32_t base = clo_judge_slot(proto, 0);
	uint32_t from = base + number_of(segment, "from");
	uint32_t to = base + number_of(segment, "to");

	assert(met && from > base && from <= to);
	for (size_t i = 0; i < check->n_ranges; i++) {
		const struct clo_range *range = &check->ranges[i];
		uint32_t slot = range->first > from ? range->first : from;

		if (range->last < from || range->first > to)
			continue;
		assert(range->class < CLO_CLASSES_MAX);
		if (!met[range->class])
			compare_matrix(check,
				       json_object_get(segment, "matrix"),
				       proto, (uint16_t)(slot - base));
		met[range->class] = true;
	}
	check->tally->segments++;
}

static bool overlap(const json_t *a, const json_t *b)
{
	return proto_of(a) == proto_of(b) &&
	       number_of(a, "from") <= number_of(b, "to") &&
	       number_of(b, "from") <= number_of(a, "to");
}

/* The segments are every port of the three protocols, once. */
static void compare_full(struct check *check, const json_t *full)
{
	size_t n = json_array_size(full), ports = 0;

	for (size_t i = 0; i < n; i++) {
		const json_t *segment = json_array_get(full, i);

		for (size_t j = 0; j < i; j++)
			assert(!overlap(segment, json_array_get(full, j)));
		ports += number_of(segment, "to") + 1UL -
			 number_of(segment, "from");
		compare_segment(check, segment);
	}
	assert_int_equal(ports, 3 * 65535);
}

static size_t pod_of(const struct check *check, const json_t *probe,
		     const char *key)
{
	const char *id = json_string_value(json_object_get(probe, key));
	size_t pod = id ? imported_find(check->imported, id) : SIZE_MAX;

	assert_true(pod != SIZE_MAX);
	return pod;
}

static void compare_probes(struct check *check, const json_t *probes)
{
	const json_t *probe;
	size_t i;

	json_array_foreach (probes, i, probe) {
		const json_t *matrix = json_object_get(probe, "matrix");
		uint16_t port = number_of(probe, "port");
		size_t from, to;

		check->tally->probes++;
		if (matrix) {
			compare_matrix(check, matrix, proto_of(probe), port);
			continue;
		}
		from = pod_of(check, probe, "from");
		to = pod_of(check, probe, "to");
		if (from != to)
			compare(check, from, to, proto_of(probe), port,
				json_is_true(json_object_get(probe, "allow"))
					? '.'
					: 'X');
	}
}

/* As clo_ranges_init(), but thousands of times: straight from the table. */
static void find_ranges(struct check *check)
{
	const struct clo_tables *tables = check->imported->compiled->tables;
	const struct clo_services *services =
		clo_tables_value(tables, CLO_TABLE_SERVICES, 0);
	size_t room = 0;

	check->ranges = NULL;
	check->n_ranges = 0;
	for (uint32_t slot = 0; slot < CLO_SLOT_ICMP; slot++) {
		uint32_t class = services[slot / 4].class[slot % 4];
		struct clo_range *moved;

		if (check->n_ranges &&
		    check->ranges[check->n_ranges - 1].class == class) {
			check->ranges[check->n_ranges - 1].last = slot;
			continue;
		}
		moved = clo_array_room(check->ranges, check->n_ranges, &room,
				       sizeof(*moved));
		assert(moved);
		check->ranges = moved;
		moved[check->n_ranges++] =
			(struct clo_range){slot, slot, class};
	}
}

static void compare_step(struct check *check, const json_t *step)
{
	size_t n = json_array_size(check->pods);
	uint64_t breaches;
	bool refused;

	check->columns = calloc(n + 1, sizeof(*check->columns));
	assert(check->columns && check->imported->kube->n_pods == n);
	for (size_t i = 0; i < n; i++) {
		check->columns[i] = imported_find(
			check->imported,
			json_string_value(json_object_get(
				json_array_get(check->pods, i), "id")));
		assert(check->columns[i] != SIZE_MAX);
	}
	find_ranges(check);
	compare_full(check, json_object_get(step, "full"));
	compare_probes(check, json_object_get(step, "probes"));
	free(check->ranges);
	free(check->columns);

	/* No rule over a border gets past the proof. */
	breaches = imported_breaches(check->imported);
	refused = check->mapping->between == CLO_BETWEEN_ALL && check->crossed;
	if (check->mapping->between != CLO_BETWEEN_NAMED ||
	    check->mapping->kind == CORPUS_FLAT)
		assert_int_equal(breaches > 0, refused);
}

static struct clo_kube *read_step(const json_t *step,
				  const struct mapping *mapping,
				  const struct clo_import_options *options)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *notes = NULL;
	json_auto_t *objects = corpus_objects(step, mapping->kind);
	CLO_AUTO_MEM char *text = json_dumps(objects, 0);
	struct clo_kube *kube = NULL;
	int r;

	assert(text);
	assert(clo_flaws_new(&flaws) == 0 && clo_flaws_new(&notes) == 0);
	r = clo_kube_read(&(struct clo_document){"case", text, strlen(text)}, 1,
			  options, &kube, flaws, notes);
	if (r < 0)
		fail_msg("%s", clo_flaws_get(flaws, 0)->text);
	assert_int_equal(clo_flaws_count(notes), 0);
	corpus_add_tiers(kube, step);
	return kube;
}

/* A step that was run, for the next one to build on. */
struct stand {
	struct clo_kube *kube;
	struct imported imported;
	struct clo_proved *proved;
};

static void stand_done(struct stand *stand)
{
	clo_proved_free(stand->proved);
	imported_done(&stand->imported);
	clo_kube_free(stand->kube);
}

/* What the step changed, proven alone: the whole proof says the same. */
static void prove_change(struct check *check, const struct stand *before,
			 struct stand *stand)
{
	static struct clo_proof whole, change;
	const struct clo_tables *tables = stand->imported.compiled->tables;
	char text[160];

	assert_int_equal(clo_prove(tables, NULL, 0, &whole, text), 0);
	assert_int_equal(clo_prove_change(before ? before->proved : NULL,
					  tables, NULL, 0, &change,
					  &stand->proved, text),
			 0);
	assert_true(clo_proof_equal(&change, &whole));
	check->tally->changes += before != NULL;
}

static void run_step(struct check *check, const json_t *step,
		     const struct stand *before, struct stand *stand)
{
	struct clo_import_options options = imported_flat;

	options.between = check->mapping->between;
	stand->kube = read_step(step, check->mapping, &options);
	if (imported_make(&stand->imported, stand->kube, &options) < 0)
		fail_msg("%s step %zu, %s: %s", check->id, check->step,
			 check->mapping->name, stand->imported.why);
	check->imported = &stand->imported;
	check->pods = json_object_get(step, "pods");
	check->crossed = false;
	compare_step(check, step);
	prove_change(check, before, stand);
	check->tally->steps++;
}

static void run_case(const char *path, const struct mapping *mapping,
		     struct tally *tally)
{
	json_auto_t *json = json_load_file(path, 0, NULL);
	struct stand stands[2] = {0};
	size_t n = 0;
	const json_t *step;
	size_t i;

	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "format")),
			    "netsep-corpus/1");
	tally->cases++;
	json_array_foreach (json_object_get(json, "steps"), i, step) {
		struct stand *stand = &stands[n % 2];
		struct check check = {
			.id = json_string_value(json_object_get(json, "id")),
			.step = i,
			.mapping = mapping,
			.tally = tally,
		};

		/* There are three environments. */
		if (mapping->kind == CORPUS_ENVIRONMENTS &&
		    json_object_size(json_object_get(step, "namespaces")) > 3)
			continue;
		stand_done(stand);
		*stand = (struct stand){0};
		run_step(&check, step, n ? &stands[(n + 1) % 2] : NULL, stand);
		n++;
	}
	stand_done(&stands[0]);
	stand_done(&stands[1]);
}

static int is_case(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

/* "cyclonus-v4-001.json" -> "cyclonus-v4" */
static bool same_source(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");

	while (n > 0 && a[n - 1] != '-')
		n--;
	return strncmp(a, b, n) == 0;
}

static const char *directory(void)
{
	const char *named = getenv("CLO_CORPUS");

	return named && *named ? named : CLO_CORPUS_DIR;
}

/* The cases of one source after the other, each source with its figures. */
static void run_mapping(void **state)
{
	const struct mapping *mapping = *state;
	struct dirent **names = NULL;
	int n = scandir(directory(), &names, is_case, alphasort);
	size_t wrong = 0;

	assert_true(n > 0);
	for (int first = 0, i = 0; i < n; first = i) {
		struct tally tally = {0};

		for (; i < n &&
		       same_source(names[first]->d_name, names[i]->d_name);
		     i++) {
			char path[1024];

			(void)snprintf(path, sizeof(path), "%s/%s", directory(),
				       names[i]->d_name);
			run_case(path, mapping, &tally);
		}
		print_message(
			"%s, %.*s: %zu cases, %zu steps (%zu also proven by "
			"what they changed), %zu segments, "
			"%zu probes, %zu verdicts, %zu wrong\n",
			mapping->name, (int)strcspn(names[first]->d_name, "."),
			names[first]->d_name, tally.cases, tally.steps,
			tally.changes, tally.segments, tally.probes,
			tally.verdicts, tally.wrong);
		wrong += tally.wrong;
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	assert_int_equal(wrong, 0);
}

#define RUN(i)                                                                 \
	{                                                                      \
		.name = "mapping " #i, .test_func = run_mapping,               \
		.initial_state = &mappings[i]                                  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {RUN(0), RUN(1), RUN(2),
					   RUN(3), RUN(4), RUN(5)};
	struct stat stat_buf;

	_Static_assert(CLO_ARRAY_LEN(mappings) == CLO_ARRAY_LEN(tests),
		       "every mapping is run");
	if (stat(directory(), &stat_buf) < 0)
		return skip_all("the corpus: set CLO_CORPUS to its directory");
#ifdef CLO_SANITIZED
	/* Ten times slower: two mappings walk all the code. */
	return _cmocka_run_group_tests("tests", tests, 2, NULL, NULL);
#else
	return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
